package index_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	reference "github.com/hackage-mirror/hackage-mirror/testdata/hackage"
)

// TestGenerations reads the generations of a repository that the reference tool
// made, each from the position where the one before ended.
func TestGenerations(t *testing.T) {
	t.Parallel()
	set, err := reference.Read("real")
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	for _, name := range []string{"g0", "g1", "g2", "g3"} {
		raw, err := set.File(name, "01-index.tar")
		if err != nil {
			t.Fatal(err)
		}
		g := set.Generations[name]
		if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != g.IndexTar.SHA256 || int64(len(raw)) != g.IndexTar.Length {
			t.Fatalf("%s: index is not the one of the manifest", name)
		}
		steps = append(steps, step{raw, g.Packages})
	}
	followGenerations(t, steps)
}

// A step is the index of one generation, and how many releases it has.
type step struct {
	raw      []byte
	packages int
}

// followGenerations resumes each index where the one before ended, and compares
// with reading it from its start.
func followGenerations(t *testing.T, steps []step) {
	t.Helper()
	var from index.Position
	known := make(map[index.Release]bool)
	for i, s := range steps {
		l := index.NewLog(bytes.NewReader(s.raw[from.Length:]), from)
		tail, err := index.Scan(l, nil)
		if err != nil {
			t.Fatal(err)
		}
		for r, n := range tail.Changes {
			if n.TargetOffset < 0 && !known[r] {
				t.Errorf("generation %d: %s has no target", i, r)
			}
			known[r] = true
		}
		digest := sha256.Sum256(s.raw)
		if err := l.Finish(int64(len(s.raw)), digest); err != nil {
			t.Errorf("generation %d behind %d: %v", i, from.Length, err)
		}
		whole := index.NewLog(bytes.NewReader(s.raw), index.Position{}, from.Length)
		mustRun(t, whole)
		if err := whole.Finish(int64(len(s.raw)), digest); err != nil || whole.End() != tail.To {
			t.Errorf("generation %d from its start ends at %+v, %v; want %+v", i, whole.End(), err, tail.To)
		}
		if p, ok := whole.At(from.Length); !ok || p != from {
			t.Errorf("generation %d: position at %d is %+v, want %+v", i, from.Length, p, from)
		}
		if len(known) != s.packages || tail.Skipped.Count != 0 {
			t.Errorf("generation %d has %d releases, want %d; skipped %+v", i, len(known), s.packages, tail.Skipped)
		}
		from = tail.To
	}
}

// TestHistory scans a hundredth of Hackage's releases, in the Hackage server's form:
// nothing in it may be skipped.
func TestHistory(t *testing.T) {
	t.Parallel()
	h := hackagetest.New(hackagetest.Options{})
	for n := range 2000 {
		name, version := fmt.Sprintf("p%d", n%71), fmt.Sprintf("0.%d", n)
		h.Upload(name, version, fmt.Appendf(nil, "name: %s\r\nversion: %s\n%s", name, version, strings.Repeat("-- \xe9\n", n%99)), []byte(version))
		for revision := range n % 5 / 3 {
			h.Revise(name, version, fmt.Appendf(nil, "name: %s\nx-revision: %d\n", name, revision))
		}
		if n%50 == 0 {
			h.Prefer(name, name+" >0")
		}
	}
	raw := h.Generation().File("01-index.tar")
	compareWithTar(t, raw)
	l := index.NewLog(bytes.NewReader(raw), index.Position{})
	tail, err := index.Scan(l, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(tail.Changes) != 2000 || tail.Entries != len(h.Generation().Entries()) || tail.Skipped.Count != 0 {
		t.Errorf("%d releases in %d entries, skipped %+v; want 2000 in %d, none skipped",
			len(tail.Changes), tail.Entries, tail.Skipped, len(h.Generation().Entries()))
	}
	for r, n := range tail.Changes {
		if n.Cabals == 0 || n.TargetOffset < 0 {
			t.Errorf("%s has %d .cabal files and its target at %d", r, n.Cabals, n.TargetOffset)
		}
	}
	checkSpans(t, raw, tail)
	if err := l.Finish(int64(len(raw)), sha256.Sum256(raw)); err != nil {
		t.Error(err)
	}
}

// checkSpans reads each newest .cabal entry again from its span alone.
func checkSpans(t *testing.T, raw []byte, tail *index.Delta) {
	t.Helper()
	for r, n := range tail.Changes {
		l := index.NewLog(bytes.NewReader(raw[n.LastCabal.Offset:]), index.Position{})
		for e, err := range l.Entries() {
			if err != nil || e.Release != r || e.Kind != index.Cabal || e.Size != n.LastCabal.Size {
				t.Errorf("entry at %+v is %s, %v; want the .cabal of %s", n.LastCabal, fmt.Sprint(e.Path(), " ", e.Size), err, r)
			}
			break
		}
	}
}

// TestEntriesAreThoseOfTar reads indexes of mixed forms once more with
// archive/tar alone.
func TestEntriesAreThoseOfTar(t *testing.T) {
	t.Parallel()
	for _, files := range [][]file{small(), motley()} {
		raw, _ := pack(t, files...)
		compareWithTar(t, raw)
	}
}

// compareWithTar holds the entries of an index against the regular files that
// archive/tar finds in it.
func compareWithTar(t *testing.T, raw []byte) {
	t.Helper()
	next, stop := iter.Pull2(index.NewLog(bytes.NewReader(raw), index.Position{}).Entries())
	defer stop()
	entries := 0
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || !strings.HasSuffix(h.Name, ".cabal") && path.Base(h.Name) != "package.json" && path.Base(h.Name) != "preferred-versions" {
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		e, err, ok := next()
		if !ok || err != nil || e.Path() != h.Name || !e.Time.Equal(h.ModTime) || !bytes.Equal(e.Content, content) {
			t.Fatalf("entry %d is %q of %s, for tar %q of %s: %v", entries, e.Path(), e.Time, h.Name, h.ModTime, err)
		}
		entries++
	}
	if _, _, more := next(); more || entries == 0 {
		t.Errorf("%d entries for tar, more is %v", entries, more)
	}
}
