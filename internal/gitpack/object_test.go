package gitpack

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestObjectsThatCannotBe(t *testing.T) {
	t.Parallel()
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
		if o, err := c.Marshal(nil); !errors.Is(err, ErrObject) {
			t.Errorf("commit with bad %s: %q, %v", name, o.Content, err)
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
		if o, err := g.Marshal(nil); !errors.Is(err, ErrObject) {
			t.Errorf("tag with bad %s: %q, %v", name, o.Content, err)
		}
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
		got, err := ParseCommit([]byte(c.text))
		if err != nil || got.Tree != tree || len(got.Parents) != c.parents || (got.Signature != "") != c.signed {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, text := range []string{"", "\n", who + "tree " + tree + "\n\nx\n", "tree HEAD\n\nx\n", " tree " + tree + "\n\nx\n"} {
		if got, err := ParseCommit([]byte(text)); !errors.Is(err, ErrObject) {
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
		if got, err := ParseTag([]byte(text)); (err == nil) != fine || fine && got.Object != other {
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
		o, err := c.Marshal(nil)
		if err != nil {
			return // a name or message that git does not take
		}
		plain := o.Content
		signature := "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n=BBBB\n-----END PGP SIGNATURE-----\n"
		made, err := ParseCommit(withSignature(plain, signature))
		if err != nil || made.Signature != signature || !bytes.Equal(made.Signed, plain) {
			t.Errorf("commit %q became %+v, %v", plain, made, err)
		}
		g := tagOf(EmptyTree)
		g.Message = message
		if o, err = g.Marshal(nil); err != nil {
			return // a name or message that git does not take
		}
		plain = o.Content
		tag, err := ParseTag(append(bytes.Clone(plain), signature...))
		if err != nil || tag.Signature != signature || !bytes.Equal(tag.Signed, plain) {
			t.Errorf("tag %q became %+v, %v", plain, tag, err)
		}
	})
}

// someone is who makes the tests' objects.
func someone() Identity { return Identity{Name: "Mirror Demo", Email: "mirror@example.org"} }

// noon is the time of the tests' objects.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func commitOf(tree string) Commit {
	return Commit{Tree: tree, Author: someone(), AuthorWhen: noon(), Committer: someone(), CommitterWhen: noon(), Message: "Update\n"}
}

func tagOf(commit string) Tag {
	return Tag{Object: commit, Name: "current", Tagger: someone(), When: noon(), Message: "Update\n\nLength: 512\n"}
}
