package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// smallCorpus is a Hackage whose index is three days long: two releases on the
// first, a revision and a preferred-versions on the second, and on the third two
// revisions of one file.
func smallCorpus(t *testing.T) *corpus {
	t.Helper()
	h := hackagetest.New(hackagetest.Options{Seed: t.Name()})
	cabal := func(text string) []byte { return []byte("name: a\n-- " + text + "\n") }
	day := func() { h.Advance(24 * time.Hour) }
	h.Upload("a", "1", cabal("first"), nil)
	h.Upload("b", "1", cabal("of b"), nil)
	day()
	h.Revise("a", "1", cabal("second"))
	h.Prefer("a", "< 2")
	day()
	h.Revise("a", "1", cabal("third"))
	h.Revise("a", "1", cabal("fourth"))
	data := t.TempDir()
	packed, err := os.Create(filepath.Join(data, "test-01-index.tar.zst"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := zstd.NewWriter(packed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(h.Generation().File("01-index.tar")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := openCorpus(t.Context(), data, "test", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStreams(t *testing.T) {
	t.Parallel()
	c := smallCorpus(t)
	if c.entries() != 8 {
		t.Fatalf("got %d entries", c.entries())
	}
	for first, day := range c.days {
		monday := time.Unix(day*secondsOfDay, 0).UTC().Weekday() == time.Monday
		if first > 1 && c.sameWeek(first-1, first) == (monday && day != c.days[first-1]) {
			t.Errorf("entries %d and %d of the days %d", first-1, first, c.days)
		}
	}
	b := testBench(t)
	for _, test := range []struct {
		name    string
		write   func(context.Context, *corpus, int, string) (history, error)
		commits int
		held    string // what the history holds of the file that changes
	}{
		{"snapshot", writeSnapshot, 1, "fourth"},
		{"daily", writeDaily, 4, "first second third fourth"},
	} {
		stream := filepath.Join(b.dir, test.name)
		made, err := test.write(t.Context(), c, c.entries(), stream)
		if err != nil {
			t.Fatal(err)
		}
		repository := filepath.Join(b.dir, test.name+".git")
		if _, err := b.rawImport(t.Context(), made, repository); err != nil {
			t.Fatal(err)
		}
		commits, err := b.commits(t.Context(), repository)
		if err != nil || commits != test.commits || made.commits != commits {
			t.Errorf("%s: got %d commits, said %d, want %d; %v", test.name, commits, made.commits, test.commits, err)
		}
		var held []string
		for word := range strings.FieldsSeq(gitOutput(t, repository, "log", "--reverse", "--format=", "--patch", "--", "a/1/a.cabal")) {
			if strings.Contains("first second third fourth", word) && !strings.Contains(strings.Join(held, " "), word) {
				held = append(held, word)
			}
		}
		if got := strings.Join(held, " "); got != test.held {
			t.Errorf("%s: the history shows %q, want %q", test.name, got, test.held)
		}
		want, err := blobs(t.Context(), c, c.entries())
		if err != nil || len(want) != 6 {
			t.Fatalf("got %d blobs, %v", len(want), err)
		}
		lacks, err := b.missing(t.Context(), repository, want)
		if err != nil || lacks != made.lacking(len(want)) {
			t.Errorf("%s: lacks %d files, %v", test.name, lacks, err)
		}
	}
}

// lacking is how many of all files a history of the small corpus leaves out.
func (h history) lacking(all int) int { return all - h.files }

// testBench is a bench for what needs git only.
func testBench(t *testing.T) *scaleBench {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git: ", err)
	}
	b := &scaleBench{dir: t.TempDir(), results: newResults()}
	b.temporary, b.key, b.packed = b.path("tmp"), b.path("key.asc"), b.path("packed")
	if err := b.equip(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func gitOutput(t *testing.T, repository string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", arguments...)
	command.Dir = repository
	said, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}

func TestReadIndex(t *testing.T) {
	t.Parallel()
	c := smallCorpus(t)
	raw, err := os.ReadFile(c.path)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "gz")
	if err := os.WriteFile(path, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for way, want := range map[string]string{readPlain: hexOf(raw), readParsed: "8 entries"} {
		var out strings.Builder
		if err := readIndex(t.Context(), []string{way, path}, &out); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: got %q, %v, want %q", way, out.String(), err, want)
		}
	}
}

func hexOf(raw []byte) string {
	const digits = "0123456789abcdef"
	var out []byte
	for _, b := range sha256.Sum256(raw) {
		out = append(out, digits[b>>4], digits[b&15])
	}
	return string(out)
}

func TestGate(t *testing.T) {
	t.Parallel()
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, r.Host)
	}))
	defer behind.Close()
	g, err := newGate(behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer g.server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, g.server.URL+"/x", strings.NewReader("12345"))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "signed.example.org"
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(response.Body)
	if closed := response.Body.Close(); err != nil || closed != nil || string(said) != request.Host {
		t.Fatalf("got %q, %v, %v", said, err, closed)
	}
	if got := g.take(); got["PUT"] != (count{1, int64(5 + len(said))}) || len(got) != 1 {
		t.Errorf("got %v", got)
	}
	if got := g.take(); len(got) != 0 {
		t.Errorf("got %v after it was taken", got)
	}
}
