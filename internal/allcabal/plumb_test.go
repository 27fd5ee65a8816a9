package allcabal

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// evil is what a pusher without the signing key might want to have signed.
func (r *rig) evil() map[string][]byte {
	r.Helper()
	alpha := release("alpha", "0.2")
	sum := sha256.Sum256(r.hackage.Generation().Tarball(alpha))
	const elsewhere = `},"package-locations":["https://evil.example/x.tar.gz"],"package-size":12}`
	record := fmt.Appendf(nil, `{"package-hashes":{"SHA256":"%x","SHA512":"%0128x"`+elsewhere, sum, 7)
	return map[string][]byte{
		alpha.JSONPath():              record,
		"alpha/99.0/alpha.cabal":      []byte("name: alpha\n"),
		"alpha/99.0/alpha.json":       record,
		"backdoor/1.0/backdoor.cabal": []byte("name: backdoor\n"),
		"backdoor/1.0/backdoor.json":  record,
		".github/workflows/x.yml":     []byte("on: push\n"),
		".gitattributes":              []byte("* filter=evil\n"),
		"alpha/0.1.0.0/Setup.hs":      []byte("main = evil\n"),
		"alpha/preferred-versions":    []byte("alpha <0"),
		"README.md":                   []byte("read me\n"),
		"deprecated.json":             []byte("[]"),
	}
}

// modes puts something else than a plain file in the place of a .cabal file.
func (r *rig) modes(mode string) {
	r.Helper()
	id := strings.Fields(r.git("ls-tree", "hackage:alpha/0.2", "alpha.cabal"))[2]
	r.plumb("hackage", map[string]string{"alpha/0.2/alpha.cabal": mode + " " + id})
}

// ofOlderTool is a message of theirs.
const ofOlderTool = "Update from Hackage at 2026-01-05T06:11:00Z"

// plumb commits entries, "MODE ID" by path, to the branch by plain git.
func (r *rig) plumb(parent string, entries map[string]string) {
	r.Helper()
	r.commitIndex(ofOlderTool, func() { r.addToIndex(entries) }, parent)
}

// plumbRoot commits entries to a new branch by plain git.
func (r *rig) plumbRoot(entries map[string]string) {
	r.Helper()
	r.commitIndex("Begin", func() { r.addToIndex(entries) })
}

// removeByHand commits that folders are gone.
func (r *rig) removeByHand(folders ...string) {
	r.Helper()
	r.commitIndex("x", func() { r.git(append([]string{"rm", "--quiet", "-r", "--cached"}, folders...)...) }, "hackage")
}

func (r *rig) addToIndex(entries map[string]string) {
	r.Helper()
	for path, entry := range entries {
		mode, id, _ := strings.Cut(entry, " ")
		r.git("update-index", "--add", "--cacheinfo", mode+","+id+","+path)
	}
}

// commitIndex commits to the branch what an edit makes of the index of a parent.
func (r *rig) commitIndex(message string, edit func(), parents ...string) {
	r.Helper()
	r.env = []string{"GIT_INDEX_FILE=" + filepath.Join(r.TempDir(), "index")}
	for _, parent := range parents {
		r.git("read-tree", parent)
	}
	edit()
	tree := strings.TrimSpace(r.git("write-tree"))
	r.env = nil
	r.commitTreeAs(message, tree, parents...)
}

// signed checks that branch and tag are at a commit that we signed.
func (r *rig) signed() {
	r.Helper()
	repo := r.open()
	got, err := repo.Fetch(r.Context(), "refs/heads/hackage", "refs/tags/current-hackage")
	if err != nil {
		r.Fatal(err)
	}
	c, err := repo.ReadCommit(r.Context(), got["refs/heads/hackage"])
	if err != nil {
		r.Fatal(err)
	}
	if err := r.signer.Verify(c.Signed, c.Signature); err != nil {
		r.Error(err)
	}
	tag, err := repo.ReadTag(r.Context(), got["refs/tags/current-hackage"])
	if err != nil || tag.Object != c.ID {
		r.Errorf("the tag is at %s, not at %s (%v)", tag.Object, c.ID, err)
	}
	if err := r.signer.Verify(tag.Signed, tag.Signature); err != nil {
		r.Error(err)
	}
}

// commitTree commits a tree to the branch by plain git.
func (r *rig) commitTree(tree string, parents ...string) {
	r.Helper()
	r.commitTreeAs(ofOlderTool, tree, parents...)
}

func (r *rig) commitTreeAs(message, tree string, parents ...string) {
	r.Helper()
	args := []string{"-c", "user.name=X", "-c", "user.email=x@x", "commit-tree", "-m", message, tree}
	for _, parent := range parents {
		args = append(args, "-p", parent)
	}
	r.git("update-ref", "refs/heads/hackage", strings.TrimSpace(r.git(args...)))
}

// pipe runs git in the remote with an input.
func (r *rig) pipe(input string, args ...string) string {
	r.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = r.remote, strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		r.Fatalf("git %q: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// hasAll checks that every revision of every release is in the history.
func (r *rig) hasAll() {
	r.Helper()
	reachable := r.git("rev-list", "--objects", "hackage")
	g := r.hackage.Generation()
	for _, release := range g.Releases() {
		for number, content := range g.Revisions(release) {
			if !strings.Contains(reachable, gitpack.BlobID(content).String()) {
				r.Errorf("revision %d of %s is in no commit", number, release)
			}
		}
	}
}

// tagOfFirstVersions takes out of the tag what the first versions did not write.
func (r *rig) tagOfFirstVersions() {
	r.Helper()
	d := New(r.withRepo())
	if _, err := d.Load(r.Context()); err != nil {
		r.Fatal(err)
	}
	s := d.State()
	s.Kind, s.Branch, s.Alarms = "", "", nil
	r.tagByHand(s, r.signer)
}

func (r *rig) hashObject(content []byte) string {
	r.Helper()
	name := filepath.Join(r.TempDir(), "object")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		r.Fatal(err)
	}
	return strings.TrimSpace(r.git("hash-object", "-w", name))
}
