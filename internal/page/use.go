package page

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// somewhere stands for the mirror's address where nobody said it. The page's
// script replaces it by the address of the page.
const somewhere = "https://ADDRESS/"

// A block is text to be copied, and what to do with it.
type block struct {
	For, Lead, Where string
	Open             bool
	Parts            []part
}

// A part of a block; Here says that it stands for the mirror's address.
type part struct {
	Text string
	Here bool
}

// split parts a text at what stands for the mirror's address.
func split(text string) []part {
	var parts []part
	for i, piece := range strings.Split(text, somewhere) {
		if i > 0 {
			parts = append(parts, part{somewhere, true})
		}
		parts = append(parts, part{piece, false})
	}
	return parts
}

var keyID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// maxKeys bounds the root keys that are shown.
const maxKeys = 20

// keys returns the ids of root keys that are such.
func keys(s *status.Status) []string {
	var all []string
	for _, key := range first(s.RootKeys, maxKeys) {
		if keyID.MatchString(key) {
			all = append(all, key)
		}
	}
	return all
}

// blocks says how clients use the mirror.
func blocks(s *status.Status, public string) []block {
	if public == "" {
		public = somewhere
	}
	ids, threshold := keys(s), strconv.Itoa(s.Threshold)
	if len(ids) == 0 || s.Threshold < 1 { // without any, cabal would believe whatever it finds
		ids, threshold = []string{"IDS-OF-THE-ROOT-KEYS"}, "HOW-MANY-OF-THEM"
	}
	cabal := fmt.Sprintf("repository hackage.haskell.org\n  url: %s\n  secure: True\n  root-keys: %s\n  key-threshold: %s\n",
		public, strings.Join(ids, "\n             "), threshold)
	stack := fmt.Sprintf("package-index:\n  download-prefix: %s\n  hackage-security:\n    keyids:\n    - %s\n    key-threshold: %s\n    ignore-expiry: false\n",
		public, strings.Join(ids, "\n    - "), threshold)
	all := []block{
		{"cabal", "Put this in the place of the block of the same name. Newer versions of cabal have the file at ~/.config/cabal/config.", "~/.cabal/config", true, split(cabal)},
		{"stack", "From stack 2.9.3 on.", "~/.stack/config.yaml", false, split(stack)},
		{
			"nix", "Lets nixpkgs fetch the tarballs of Hackage from here first. nix checks their hashes by itself. With a nix daemon, the variable belongs into the daemon's environment.", "shell", false,
			split("export NIX_MIRRORS_hackage='" + public + "package/ " + hackage + "package/'\n"),
		},
	}
	for _, r := range s.Repositories {
		_, web := readable(r.Address)
		if r.Kind == "hashes" && strings.HasPrefix(web, "https://github.com/") && commitID.MatchString(r.Commit) {
			archive := web + "/archive/" + r.Commit + ".tar.gz"
			return append(all, block{
				"nix, for the newest packages", "An overlay with the hashes of all packages as of this commit. nix store prefetch-file, given the address, prints the hash that belongs between the quotes.", "overlay", false,
				split(fmt.Sprintf("final: prev: {\n  all-cabal-hashes = final.fetchurl {\n    url = \"%s\";\n    hash = \"\";\n  };\n}\n", archive)),
			})
		}
	}
	return all
}

// A repository is one as the page shows it. Parts are commands that check it.
type repository struct {
	Name, Link, For, Where     string
	KeyPage                    string
	Commit, Fingerprint, Error string
	State                      moment
	Parts                      []part
}

var (
	commitID   = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
	refName    = regexp.MustCompile(`^[0-9A-Za-z_][0-9A-Za-z_./-]*$`)
	safeInSh   = regexp.MustCompile(`^[0-9A-Za-z_/.][0-9A-Za-z_@%+=:,./~-]*$`)
	folderName = regexp.MustCompile(`^[0-9A-Za-z_][0-9A-Za-z_.-]*$`)
)

// readable returns by which address anybody can read a repository, and its page
// on the web if it has one. Who pushes by ssh is read by https.
func readable(address string) (clone, page string) {
	if g, ok := addresses.ParseGit(address); ok && g.Scheme == "ssh" && strings.Contains(g.Host, ".") {
		address = "https://" + g.Host + "/" + strings.TrimPrefix(g.Path, "/")
	}
	if clean := strings.TrimSuffix(web(address), "/"); clean != "" {
		return clean, strings.TrimSuffix(clean, ".git")
	}
	return address, ""
}

// newRepositories returns what there is to say of the repositories.
func newRepositories(list []status.Repository, rows int) []repository {
	var all []repository
	for _, r := range first(list, rows) {
		clone, page := readable(r.Address)
		v := repository{
			Name: cmp.Or(shown(clone, maxLine), "The "+shown(r.Kind, maxWord)+" repository"), Link: page, Fingerprint: fingerprint(r.Fingerprint),
			Commit: shown(r.Commit, maxWord), KeyPage: link(r.KeyPage), Error: shown(r.Error, maxError), State: newMoment(r.State),
		}
		if page != "" {
			v.Name = host(page)
		}
		folder := strings.TrimSuffix(path.Base(clone), ".git")
		v.Where, v.For = "shell", "checking "+shown(folder, maxWord)
		if safeInSh.MatchString(clone) && folderName.MatchString(folder) && refName.MatchString(r.Branch) && refName.MatchString(r.Tag) {
			key := ""
			if v.KeyPage != "" {
				key = "git fetch origin display\ngit show FETCH_HEAD:README.md | gpg --import\n"
			}
			v.Parts = []part{{Text: fmt.Sprintf("git clone --depth 1 --branch %s %s\ncd %s\n%sgit fetch origin tag %s --force\ngit verify-tag %[5]s\n", r.Branch, clone, folder, key, r.Tag)}}
		}
		all = append(all, v)
	}
	return all
}

var fourDigits = regexp.MustCompile(`.{4}`)

// fingerprint writes one in groups of four, as gpg does.
func fingerprint(text string) string {
	text = shown(text, maxWord)
	if strings.Contains(text, " ") {
		return text
	}
	return strings.TrimSpace(fourDigits.ReplaceAllString(text, "$0 "))
}
