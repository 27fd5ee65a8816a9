//go:build unix

package gitrepo

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshtest"
)

// A hostKind is a way in which a remote may be served, and what comes of it.
type hostKind struct {
	settings []string // of the remote, each set to what follows "=" or true
	old      bool     // the old protocol
	want     filterLevel
}

func hostKinds() map[string]hostKind {
	return map[string]hostKind{
		"nothing":                 {nil, false, noFilter},
		"filters":                 {[]string{"uploadpack.allowFilter"}, false, noTrees},
		"one filter":              {[]string{"uploadpack.allowFilter", "uploadpackfilter.tree.allow=false"}, false, noFiles},
		"nothing, old":            {nil, true, noFilter},
		"filters, old":            {[]string{"uploadpack.allowFilter"}, true, noFilter},
		"ids, old":                {[]string{"uploadpack.allowAnySHA1InWant"}, true, noFilter},
		"filters and ids, old":    {[]string{"uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"}, true, noTrees},
		"one filter and ids, old": {[]string{"uploadpack.allowFilter", "uploadpackfilter.tree.allow=false", "uploadpack.allowAnySHA1InWant"}, true, noFiles},
	}
}

// eachHost runs a test over every kind of host of a copy of a remote, by https and
// ssh. sshd passes no GIT_PROTOCOL on, so over ssh the old protocol is spoken.
func eachHost(t *testing.T, original string, test func(t *testing.T, remote string, want filterLevel, open func(t *testing.T) *Repo)) {
	key, public := sshtest.NewKey("ed25519")
	sshd := sshtest.New(t, "", public)
	for name, kind := range hostKinds() {
		for _, by := range []string{"ssh", "http"} {
			if by == "ssh" && !kind.old {
				continue
			}
			t.Run(by+": "+name, func(t *testing.T) {
				t.Parallel()
				host := newGitHost(t)
				remote := filepath.Join(host.folder, "r.git")
				if err := errors.Join(os.RemoveAll(remote), os.CopyFS(remote, os.DirFS(original))); err != nil {
					t.Fatal(err)
				}
				plainGit(t, remote, "config", "http.receivepack", "true")
				for _, s := range kind.settings {
					name, value, has := strings.Cut(s, "=")
					if !has {
						value = "true"
					}
					plainGit(t, remote, "config", name, value)
				}
				o := Options{URL: host.URL + "/r.git", Auth: Auth{Token: []byte(testToken)}}
				home := t.TempDir()
				if by == "ssh" {
					o = Options{URL: sshd.URL(remote), Auth: Auth{SSHKey: key, KnownHosts: []byte(sshd.KnownHosts())}}
				} else if kind.old {
					if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[protocol]\nversion = 0\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				o.Getenv = environ("HOME="+home, "GIT_CONFIG_NOSYSTEM=1")
				test(t, remote, kind.want, func(t *testing.T) *Repo {
					o := o
					o.Dir = t.TempDir()
					return openWith(t, o)
				})
			})
		}
	}
}

// TestEveryHostListsAndReads: what adoption and a full check need works with every
// host, whether the tree is listed first or files were looked up before.
func TestEveryHostListsAndReads(t *testing.T) {
	t.Parallel()
	files, original := manyFolders(20), bareRemote(t)
	head := publish(t, open(t, original, Auth{}), files)
	eachHost(t, original, func(t *testing.T, _ string, want filterLevel, open func(*testing.T) *Repo) {
		for _, findFirst := range []bool{false, true} {
			r := open(t)
			if _, err := r.Fetch(t.Context(), "refs/heads/data"); err != nil {
				t.Fatal(err)
			}
			if findFirst {
				if _, err := r.ResolvePaths(t.Context(), head, "p1/0/p1.json", "p7/7"); err != nil {
					t.Fatal(err)
				}
			}
			listed := map[string]string{}
			var ids []string
			for file, err := range r.Tree(t.Context(), head) {
				if err != nil {
					t.Fatal(err)
				}
				listed[file.Path] = file.ID
				ids = append(ids, file.ID)
			}
			if err := r.FetchObjects(t.Context(), ids...); err != nil {
				t.Fatal(err)
			}
			for path, content := range files {
				if got, err := r.BlobByID(t.Context(), listed[path]); err != nil || string(got) != content {
					t.Errorf("%q is %q, %v", path, got, err)
				}
			}
			if r.filter != want || len(listed) != len(files) {
				t.Errorf("%d files, filter %q, want %d", len(listed), r.filter, want)
			}
		}
	})
}

// TestEveryHostShowsItsHistory: from the newest commit back to one of ours, what
// differs between the two, and which descends from which.
func TestEveryHostShowsItsHistory(t *testing.T) {
	t.Parallel()
	original := bareRemote(t)
	line, side := longRemote(t, original, 70)
	head, ours := line[69], line[5]
	eachHost(t, original, func(t *testing.T, remote string, _ filterLevel, open func(*testing.T) *Repo) {
		for _, readFirst := range []bool{false, true} {
			r := open(t)
			if _, err := r.Fetch(t.Context(), "refs/heads/data"); err != nil {
				t.Fatal(err)
			}
			if readFirst {
				if _, err := r.Blob(t.Context(), head, "p1/0/p1.json"); err != nil {
					t.Fatal(err)
				}
			}
			var went []string
			for c, err := range r.History(t.Context(), head, ours, 1000) {
				if err != nil {
					t.Fatal(err)
				}
				went = append(went, c.ID)
				if c.ID == line[60] && (c.Signature == "" || len(c.Signed) == 0 || !c.AuthorWhen.Equal(noon())) {
					t.Errorf("commit %+v", c)
				}
			}
			slices.Reverse(went)
			if !slices.Equal(went, line[6:]) {
				t.Errorf("went back over %d commits, want %d", len(went), len(line[6:]))
			}
			checkAncestors(t, r, line, side)
			checkDiff(t, r, ours, head)
			next := commitFiles(t, r, head, map[string]string{"p1/0/p1.json": manyFolders(20)["p1/0/p1.json"]})
			if err := r.Push(t.Context(), Update{Ref: "refs/heads/new", New: next}); err != nil {
				t.Error(err)
			}
			plainGit(t, remote, "update-ref", "-d", "refs/heads/new")
		}
	})
}

func checkAncestors(t *testing.T, r *Repo, line []string, side string) {
	t.Helper()
	for _, c := range []struct {
		old, new string
		want     bool
	}{
		{line[69], line[69], true},
		{line[0], line[69], true},
		{side, line[69], true},
		{line[69], line[0], false},
		{side, line[60], false},
		{strings.Repeat("1", 40), line[69], false},
	} {
		if is, err := r.IsAncestor(t.Context(), c.old, c.new, 1000); is != c.want || err != nil {
			t.Errorf("%s is an ancestor of %s: %v, %v", c.old, c.new, is, err)
		}
	}
}

func checkDiff(t *testing.T, r *Repo, old, new string) {
	t.Helper()
	files := manyFolders(20)
	gone := func(path string) gitpack.Change {
		return gitpack.Change{Path: path, OldMode: gitpack.ModeFile, OldID: gitpack.BlobID([]byte(files[path])).String()}
	}
	want := []gitpack.Change{
		{Path: "counter", OldMode: gitpack.ModeFile, OldID: gitpack.BlobID([]byte("xxxxx")).String(), NewMode: gitpack.ModeFile, NewID: gitpack.BlobID([]byte(strings.Repeat("x", 66))).String()},
		{Path: "evil/1/evil.cabal", NewMode: gitpack.ModeFile, NewID: gitpack.BlobID([]byte("name: evil\n")).String()},
		{Path: "p1/0/p1.json", OldMode: gitpack.ModeFile, OldID: gitpack.BlobID([]byte(files["p1/0/p1.json"])).String(), NewMode: gitpack.ModeFile, NewID: gitpack.BlobID([]byte("evil")).String()},
		gone("p3/1/p3.cabal"), gone("p3/1/p3.json"),
	}
	var got []gitpack.Change
	for c, err := range r.Diff(t.Context(), old, new) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c)
	}
	if !slices.Equal(got, want) {
		t.Errorf("differs\n%+v\nwant\n%+v", got, want)
	}
}
