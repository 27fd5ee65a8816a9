package index_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"io"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// TestPathTricks puts each odd path between two good entries: it is skipped
// for the reason given, and the good ones are read as if it were not there.
func TestPathTricks(t *testing.T) {
	t.Parallel()
	const unclean, other, bad = "unclean path", "other file name", "bad package name or version"
	for path, reason := range map[string]string{
		"../a/1.0/a.cabal":                unclean,
		"a/../a/1.0/a.cabal":              unclean,
		"a/1.0/..":                        unclean,
		"../preferred-versions":           unclean,
		"/a/1.0/a.cabal":                  unclean,
		"./a/1.0/a.cabal":                 unclean,
		"a/./a.cabal":                     unclean,
		"a//a.cabal":                      unclean,
		"a/1.0//a.cabal":                  unclean,
		`a\1.0\a.cabal`:                   unclean,
		`a/1.0/a.cabal\`:                  unclean,
		`C:\a`:                            unclean,
		"a/1.0/a.cabal ":                  unclean,
		"a/1.0/a\n.cabal":                 unclean,
		"a/1.0/\x1b[2J.cabal":             unclean,
		"ä/1.0/ä.cabal":                   unclean,
		"a/1.0/\xff.cabal":                unclean,
		"a/1.0/a.cabal\x7f":               unclean,
		"a/1.0/b.cabal":                   other,
		"a/1.0/A.cabal":                   other,
		"a/1.0/.cabal":                    other,
		"a/1.0/a.cabal.json":              other,
		"a/1.0/aa.cabal":                  other,
		"a/1.0/other.json":                other,
		"a/1.0/PACKAGE.JSON":              other,
		"a/1.0/package.json/package.json": other,
		"a/1.0/x/a.cabal":                 other,
		"a/1.0/preferred-versions":        other,
		"a/1.0":                           other,
		"a.cabal":                         other,
		"preferred-versions":              other,
		"package.json":                    other,
		"a/package.json":                  other,
		"a/preferred-versions.bak":        other,
		"a/1.0-x/a.cabal":                 bad,
		"a/01/a.cabal":                    bad,
		"a/1..0/a.cabal":                  bad,
		"a/1.0./package.json":             bad,
		"a/preferred-versions/a.cabal":    bad,
		"a/x/package.json":                bad,
		"a/1234567890/package.json":       bad,
		"a-/1.0/a-.cabal":                 bad,
		"-a/1.0/-a.cabal":                 bad,
		"--upload-pack/1.0/package.json":  bad,
		"a-1/1.0/a-1.cabal":               bad,
		"1/1.0/1.cabal":                   bad,
		".git/1.0/.git.cabal":             bad,
		".git/preferred-versions":         bad,
		"a_b/1.0/a_b.cabal":               bad,
		"a:b/1.0/a:b.cabal":               bad,
		"a%2e/1.0/a%2e.cabal":             bad,
		"a?/preferred-versions":           bad,
		strings.Repeat("a", 201) + "/1/package.json": bad,
		strings.Repeat("../", 80) + "etc/passwd":     unclean,
	} {
		checkPassed(t, file{name: path, body: "trick"}, reason)
	}
}

func TestTypesPassedOver(t *testing.T) {
	t.Parallel()
	for _, kind := range []byte{tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo} {
		checkPassed(t, file{name: "a/1.0/a.cabal", kind: kind}, "not a regular file")
	}
	for _, body := range []string{"", "1", "12", strings.Repeat("c", 511), strings.Repeat("c", 512), strings.Repeat("c", 513)} {
		checkPassed(t, file{name: "a/1.0/a.cabal", kind: tar.TypeCont, body: body}, "not a regular file")
	}
}

// checkPassed makes an index with an odd file between two good ones.
func checkPassed(t *testing.T, odd file, reason string) {
	t.Helper()
	first, last := file{name: "good/1/good.cabal", body: "first"}, file{name: "good/2/good.cabal", body: "last"}
	raw, ends := pack(t, first, odd, last)
	l := index.NewLog(bytes.NewReader(raw), index.Position{}, ends[1])
	var got []string
	for e, err := range l.Entries() {
		if err != nil {
			t.Errorf("%q: %v", odd.name, err)
			return
		}
		got = append(got, string(e.Content))
		if e.End != ends[len(got)*2-2] {
			t.Errorf("%q: entry %d ends at %d", odd.name, len(got), e.End)
		}
	}
	p := l.Skipped()
	if strings.Join(got, ",") != "first,last" || p.Count != 1 || p.ByReason[reason] != 1 {
		t.Errorf("%q: entries are %q, skipped %+v; want one by reason %q", odd.name, got, p, reason)
	}
	if len(p.Samples) != 1 || len(p.Samples[0]) > 1000 || strings.ContainsFunc(p.Samples[0], func(c rune) bool { return c < 0x20 || c == utf8.RuneError }) {
		t.Errorf("%q: samples %q are not quoted and short", odd.name, p.Samples)
	}
	if at, ok := l.At(ends[1]); !ok || at.Length != ends[1] {
		t.Errorf("%q: no position behind it", odd.name)
	}
	if err := l.Finish(int64(len(raw)), sha256.Sum256(raw)); err != nil {
		t.Errorf("%q: %v", odd.name, err)
	}
}

// TestNULInPath pins what a NUL does: tar ends a name there, and PAX forbids it.
func TestNULInPath(t *testing.T) {
	t.Parallel()
	raw := slot(t, "a/1.0/aXcabal")
	raw = bytes.Replace(raw, []byte("aXcabal"), []byte("a\x00cabal"), 1)
	fixChecksum(raw[:512])
	l := index.NewLog(bytes.NewReader(raw), index.Position{})
	if got := mustRun(t, l); len(got) != 0 || l.Skipped().Count != 1 {
		t.Errorf("entries are %q, skipped %+v", got, l.Skipped())
	}
	long := strings.Repeat("a", 280) + "/1/X.cabal"
	raw, _ = pack(t, file{name: long, format: tar.FormatPAX})
	if !bytes.Contains(raw, []byte("/1/X.")) {
		t.Fatal("no PAX header with the path")
	}
	raw = bytes.Replace(raw, []byte("/1/X."), []byte("/1/\x00."), 1)
	if got, err := run(index.NewLog(bytes.NewReader(raw), index.Position{})); err == nil {
		t.Errorf("a NUL in a PAX header is taken: %q", got)
	}
}

// TestTrailingSlash has a regular file with the name of a folder, as old writers
// of tar files had their folders.
func TestTrailingSlash(t *testing.T) {
	t.Parallel()
	for _, kind := range []byte{'0', 0} {
		block := slot(t, "a/1.0/a.cabal")
		copy(block, "a/1.0/a.cabal/")
		block[156] = kind
		fixChecksum(block)
		l := index.NewLog(bytes.NewReader(block), index.Position{})
		if got := mustRun(t, l); len(got) != 0 || l.Skipped().Count != 1 || l.End().Length != 512 {
			t.Errorf("type %q: entries are %q, skipped %+v, end %d", kind, got, l.Skipped(), l.End().Length)
		}
	}
}

func TestCaseTwinsAreTwo(t *testing.T) {
	t.Parallel()
	raw, _ := pack(t, file{name: "Extra/1.0/Extra.cabal"}, file{name: "extra/1.0/extra.cabal"})
	tail, err := index.Scan(index.NewLog(bytes.NewReader(raw), index.Position{}), nil)
	if err != nil || len(tail.Changes) != 2 || len(tail.Order) != 2 {
		t.Errorf("scan of case twins gives %+v, %v", tail, err)
	}
}

func TestSamplesAreBounded(t *testing.T) {
	t.Parallel()
	var files []file
	for range 30 {
		files = append(files, file{name: strings.Repeat("\x01", 5000), format: tar.FormatPAX})
	}
	raw, _ := pack(t, files...)
	l := index.NewLog(bytes.NewReader(raw), index.Position{})
	mustRun(t, l)
	p := l.Skipped()
	if p.Count != 30 || len(p.Samples) != 10 {
		t.Errorf("skipped %d with %d samples, want 30 with 10", p.Count, len(p.Samples))
	}
	for _, s := range p.Samples {
		if len(s) > 1000 {
			t.Errorf("a sample has %d bytes", len(s))
		}
	}
}

// zeroReader is an endless content.
type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestHugeEntry streams an entry of 1 GB past the log, with a .cabal behind it,
// and looks at what was allocated meanwhile. It does not run beside other tests
// because it counts the whole process's memory.
func TestHugeEntry(t *testing.T) {
	const size = 1 << 30
	var head bytes.Buffer
	if err := tar.NewWriter(&head).WriteHeader(&tar.Header{Name: "a/1.0/a.cabal", Size: size, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	rest, _ := pack(t, file{name: "b/1.0/b.cabal", body: "behind"})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l := index.NewLog(io.MultiReader(&head, io.LimitReader(zeroReader{}, size), bytes.NewReader(rest)), index.Position{})
	got := mustRun(t, l)
	runtime.ReadMemStats(&after)
	if len(got) != 1 || !strings.HasPrefix(got[0], "1073742336-1073743360 b/1.0/b.cabal") {
		t.Errorf("entries are %q", got)
	}
	if p := l.Skipped(); p.ByReason["too large"] != 1 {
		t.Errorf("skipped %+v, want one too large", p)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("reading past 1 GB allocated %d bytes", n)
	}
}

func TestLargestEntry(t *testing.T) {
	t.Parallel()
	for size, count := range map[int]int{index.MaxEntry: 1, index.MaxEntry + 1: 0} {
		raw, _ := pack(t, file{name: "a/1/a.cabal", body: strings.Repeat("x", size)})
		n := 0
		for e, err := range index.NewLog(bytes.NewReader(raw), index.Position{}).Entries() {
			if err != nil {
				t.Fatal(err)
			}
			if n++; len(e.Content) != size {
				t.Errorf("content has %d bytes, want %d", len(e.Content), size)
			}
		}
		if n != count {
			t.Errorf("%d entries of %d bytes, want %d", n, size, count)
		}
	}
}
