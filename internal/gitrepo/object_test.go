package gitrepo

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

func TestObjectsThatCannotBe(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	s := testSigner(t)
	for name, change := range map[string]func(*Commit){
		"tree":     func(c *Commit) { c.Tree = "HEAD" },
		"parent":   func(c *Commit) { c.Parents = []string{"x\ny"} },
		"name":     func(c *Commit) { c.Author.Name = "A\nparent x" },
		"no name":  func(c *Commit) { c.Committer.Name = "" },
		"brackets": func(c *Commit) { c.Committer.Email = "a>b" },
		"time":     func(c *Commit) { c.AuthorWhen = time.Time{} },
		"empty":    func(c *Commit) { c.Message = " \n" },
		"nul":      func(c *Commit) { c.Message = "a\x00" },
	} {
		c := commitOf(EmptyTree)
		change(&c)
		if id, err := r.WriteCommit(t.Context(), c, s); !errors.Is(err, ErrObject) {
			t.Errorf("commit with bad %s: %s, %v", name, id, err)
		}
	}
	for name, change := range map[string]func(*Tag){
		"object":    func(g *Tag) { g.Object = "" },
		"type":      func(g *Tag) { g.Type = "branch" },
		"signature": func(g *Tag) { g.Message = "a\n-----BEGIN PGP SIGNATURE-----\n" },
		"time":      func(g *Tag) { g.When = time.Time{} },
	} {
		g := tagOf(EmptyTree)
		change(&g)
		if id, err := r.WriteTag(t.Context(), g, s); !errors.Is(err, ErrObject) {
			t.Errorf("tag with bad %s: %s, %v", name, id, err)
		}
	}
}

// TestReadsObjectsOfGit reads what git and gpg made themselves, with parents, a
// zone and a signature.
func TestReadsObjectsOfGit(t *testing.T) {
	t.Parallel()
	home := newGPG(t)
	fingerprint := home.generate(t, "", "Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: sign", "Expire-Date: 0")
	work := t.TempDir()
	env := []string{"GNUPGHOME=" + home.dir, "GIT_AUTHOR_NAME=É B", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@d", "GIT_COMMITTER_DATE=1700000000 +0530", "GIT_AUTHOR_DATE=1600000000 -0800"}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=data"},
		{"commit", "--quiet", "--allow-empty", "-m", "first"},
		{"config", "user.signingKey", fingerprint},
		{"commit", "--quiet", "--allow-empty", "-S", "-m", "second\n\n -----BEGIN in a body"},
		{"tag", "-s", "-m", "a tag\n\nKey: value", "current"},
	} {
		if out, err := tryGit(t, work, env, "", args...); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	r := open(t, work, Auth{})
	ids, err := r.Fetch(t.Context(), "refs/heads/data", "refs/tags/current")
	if err != nil {
		t.Fatal(err)
	}
	public, err := openpgp.ReadKeys(home.export(t, "--export", ""))
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.ReadCommit(t.Context(), ids["refs/heads/data"])
	if err != nil || len(c.Parents) != 1 || c.Author != (Identity{"É B", "a@b"}) || c.CommitterWhen.Unix() != 1700000000 || c.Message != "second\n\n -----BEGIN in a body\n" {
		t.Fatalf("commit %+v, %v", c, err)
	}
	if _, err := public.Verify(c.Signed, c.Signature, time.Now()); err != nil {
		t.Error(err)
	}
	g, err := r.ReadTag(t.Context(), ids["refs/tags/current"])
	if err != nil || g.Message != "a tag\n\nKey: value\n" || g.Object != ids["refs/heads/data"] {
		t.Fatalf("tag %+v, %v", g, err)
	}
	if _, err := public.Verify(g.Signed, g.Signature, time.Now()); err != nil {
		t.Error(err)
	}
}

// TestReadsObjectsOfAnybody: what a host lets a pusher push is read as git reads it.
func TestReadsObjectsOfAnybody(t *testing.T) {
	t.Parallel()
	tree, other := EmptyTree, strings.Repeat("1", 40)
	const who = "author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n"
	signature := "gpgsig -----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----\n"
	for name, c := range map[string]struct {
		text    string
		parents int
		signed  bool
	}{
		"plain":            {"tree " + tree + "\nparent " + other + "\n" + who + "\nx\n", 1, false},
		"second tree":      {"tree " + tree + "\n" + who + "tree " + other + "\n\nx\n", 0, false},
		"late parent":      {"tree " + tree + "\nparent " + other + "\n" + who + "parent " + other + "\n\nx\n", 1, false},
		"nobody":           {"tree " + tree + "\nauthor A\ncommitter\n\nx\n", 0, false},
		"nothing else":     {"tree " + tree + "\n", 0, false},
		"no message":       {"tree " + tree + "\n" + who, 0, false},
		"line of a word":   {"tree " + tree + "\n" + who + "word\n\nx\n", 0, false},
		"signed":           {"tree " + tree + "\n" + who + signature + "\nx\n", 0, true},
		"signed twice":     {"tree " + tree + "\n" + who + signature + signature + "\nx\n", 0, false},
		"signed elsewhere": {"tree " + tree + "\n" + who + "\n" + signature, 0, false},
	} {
		got, err := parseCommit([]byte(c.text))
		if err != nil || got.Tree != tree || len(got.Parents) != c.parents || (got.Signature != "") != c.signed {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, text := range []string{"", "\n", who + "tree " + tree + "\n\nx\n", "tree HEAD\n\nx\n", " tree " + tree + "\n\nx\n"} {
		if got, err := parseCommit([]byte(text)); !errors.Is(err, ErrObject) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, fine := range map[string]bool{
		"object " + other + "\ntype commit\ntag x\n":                          true,
		"object " + other + "\ntype commit\ntag x\ntagger A\nobject x\n\nx\n": true,
		"type commit\nobject " + other + "\ntag x\n\nx\n":                     false,
		"object " + other + "\n\ntype commit\n":                               false,
		"object x\ntype commit\ntag x\n\nobject " + other + "\ntype commit\n": false,
	} {
		if got, err := parseTag([]byte(text)); (err == nil) != fine || fine && got.Object != other {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// FuzzObjects holds the two halves of signing together: a signature put into an
// object comes out again with the bytes it covers.
func FuzzObjects(f *testing.F) {
	f.Add("Update\n", "A", "a@b")
	f.Add("x\n\ngpgsig y\n z\n", "gpgsig", "")
	f.Add("\n\n-----BEGIN\n", "é", "@")
	f.Fuzz(func(t *testing.T, message, name, email string) {
		c := commitOf(EmptyTree)
		c.Message, c.Author = message, Identity{name, email}
		plain, err := c.encode()
		if err != nil {
			t.Skip()
		}
		signature := "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n=BBBB\n-----END PGP SIGNATURE-----\n"
		made, err := parseCommit(withSignature(plain, signature))
		if err != nil || made.Signature != signature || !bytes.Equal(made.Signed, plain) {
			t.Errorf("commit %q became %+v, %v", plain, made, err)
		}
		g := tagOf(EmptyTree)
		g.Message = message
		if plain, err = g.encode(); err != nil {
			t.Skip()
		}
		tag, err := parseTag(append(bytes.Clone(plain), signature...))
		if err != nil || tag.Signature != signature || !bytes.Equal(tag.Signed, plain) {
			t.Errorf("tag %q became %+v, %v", plain, tag, err)
		}
	})
}
