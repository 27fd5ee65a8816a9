package hackagetest_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	reference "github.com/hackage-mirror/hackage-mirror/testdata/hackage"
)

// mustVerify checks a generation against the keys pinned at the start.
func mustVerify(t *testing.T, h *hackagetest.Hackage) repository {
	t.Helper()
	r, err := verify(h.Generation().File, h.KeyIDs(), h.Threshold())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// versions lists those of root, timestamp, snapshot and mirrors.
func (r repository) versions() [4]int64 {
	return [4]int64{r.root.Version, r.timestamp.Version, r.snapshot.Version, r.mirrors.Version}
}

// readIndex reads a tar file with another reader.
func readIndex(t *testing.T, raw []byte) (headers []tar.Header, contents [][]byte) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return headers, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		headers, contents = append(headers, *header), append(contents, content)
	}
}

// The second reader must itself take what Hackage's own tool made.
func TestReferenceRepositoryVerifies(t *testing.T) {
	t.Parallel()
	set, err := reference.Read("syn")
	if err != nil {
		t.Fatal(err)
	}
	file := func(path string) []byte {
		raw, err := set.File("s4-rotated", path)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	if _, err := verify(file, set.RootKeys, set.Threshold); err != nil {
		t.Fatal(err)
	}
}

func gunzip(t *testing.T, raw []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestEveryChangeVerifies(t *testing.T) {
	t.Parallel()
	type hackage = *hackagetest.Hackage
	cases := []struct {
		name   string
		change func(h hackage)
		want   [4]int64
	}{
		{"nothing", func(hackage) {}, [4]int64{1, 12, 12, 1}},
		{"upload", func(h hackage) { h.Upload("new", "1", nil, nil) }, [4]int64{1, 13, 13, 1}},
		{"revise", func(h hackage) { h.Revise("Extra", "1.0", []byte("x")) }, [4]int64{1, 13, 13, 1}},
		{"withdraw", func(h hackage) { h.Withdraw("Extra", "1.0", 451) }, [4]int64{1, 12, 12, 1}},
		{"deprecate", func(h hackage) { h.Deprecate([]byte("[]")) }, [4]int64{1, 12, 12, 1}},
		{"resign", hackage.Resign, [4]int64{1, 13, 13, 1}},
		{"timestamp", func(h hackage) { h.SetExpiry(hackagetest.Timestamp, time.Time{}) }, [4]int64{1, 13, 12, 1}},
		{"mirrors", func(h hackage) { h.SetMirrors("http://localhost/") }, [4]int64{1, 13, 13, 2}},
		{"keys", hackage.RotateKeys, [4]int64{2, 13, 13, 1}},
		{"root", hackage.RotateRoot, [4]int64{2, 13, 13, 1}},
		{"root, then keys", func(h hackage) { h.RotateRoot(); h.RotateKeys() }, [4]int64{3, 14, 14, 1}},
		{"no tar", func(h hackage) { h.OmitTar(true) }, [4]int64{1, 13, 13, 1}},
		{"quotes", func(h hackage) { h.SetMirrors(`http://localhost/"\`) }, [4]int64{1, 13, 13, 2}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			c.change(h)
			if got := mustVerify(t, h).versions(); got != c.want {
				t.Errorf("versions %v, want %v", got, c.want)
			}
			if raw := h.Generation().File("root.json"); bytes.ContainsAny(raw, " \n") {
				t.Error("white space in root.json")
			}
		})
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	before := h.Generation()
	if _, err := verify(before.File, hackagetest.New(hackagetest.Options{Seed: "other"}).KeyIDs(), 2); err == nil {
		t.Error("another seed's keys verify")
	}
	if _, err := verify(before.With("timestamp.json", h.Sign(hackagetest.Mirrors, map[string]any{"version": 1})).File, h.KeyIDs(), 2); err == nil {
		t.Error("a timestamp signed by the mirrors' key verifies")
	}

	h.RotateKeys()
	if _, err := verify(h.Generation().WithFrom(before, "timestamp.json").File, h.KeyIDs(), 2); err == nil {
		t.Error("a timestamp by the former key verifies")
	}

	h.RotateRoot()
	second := h.RootKeyIDs()
	mustVerify(t, h)
	if _, err := verify(h.Generation().File, second, 3); err != nil {
		t.Errorf("root by its own keys: %v", err)
	}
	h.RotateRoot()
	if _, err := verify(h.Generation().File, h.KeyIDs(), 1); err == nil {
		t.Error("the first root keys still sign after two rotations")
	}
	if _, err := verify(h.Generation().File, second, h.Threshold()); err != nil {
		t.Errorf("root by the keys before: %v", err)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	h := hackagetest.New(hackagetest.Options{Lifetime: 72 * time.Hour})
	h.Advance(24 * time.Hour)
	h.Resign()
	r := mustVerify(t, h)
	if want := h.Now().Add(72 * time.Hour); !r.timestamp.Expires.Equal(want) || !r.snapshot.Expires.Equal(want) {
		t.Errorf("timestamp expires %v, snapshot %v, want %v", r.timestamp.Expires, r.snapshot.Expires, want)
	}
	h.Expire(hackagetest.Mirrors)
	if r := mustVerify(t, h); r.mirrors.Expires.Year() != 2002 {
		t.Errorf("mirrors expires %v after Expire", r.mirrors.Expires)
	}
	h.SetExpiry(hackagetest.Root, time.Time{})
	if r := mustVerify(t, h); r.root.Expires != nil {
		t.Errorf("root expires %v, want never", r.root.Expires)
	}
}

func TestIndexOfBothForms(t *testing.T) {
	t.Parallel()
	h := hackagetest.New(hackagetest.Options{Start: time.Date(2026, 3, 1, 23, 59, 30, 500, time.UTC)})
	cabal := []byte("name: foo\r\nauthor: Andr\xe9")
	h.Upload("foo", "1.0", cabal, []byte("any bytes"))
	h.Upload("bar", "2", nil, nil, hackagetest.In(hackagetest.Reference))
	h.Upload("baz", "3", nil, nil, hackagetest.Unsigned())
	h.AddTargets("baz", "3")

	headers, contents := readIndex(t, h.Generation().File("01-index.tar"))
	var got []string
	for _, header := range headers {
		got = append(got, strings.Join([]string{
			header.ModTime.UTC().Format("02 15:04:05"), header.Uname, header.Gname, header.Name,
		}, " "))
	}
	want := []string{
		"02 00:00:30 uploader Hackage foo/1.0/foo.cabal",
		"02 00:00:30 uploader Hackage foo/1.0/package.json",
		"02 00:01:30   bar/2/package.json",
		"02 00:01:30   bar/2/bar.cabal",
		"02 00:02:30 uploader Hackage baz/3/baz.cabal",
		"02 00:03:30 uploader Hackage baz/3/package.json",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("index (-want +got):\n%s", diff)
	}
	if !bytes.Equal(contents[0], cabal) {
		t.Errorf(".cabal file is %q", contents[0])
	}
	weak, strong := md5.Sum([]byte("any bytes")), sha256.Sum256([]byte("any bytes"))
	wantJSON := `{"signatures":[],"signed":{"_type":"Targets","expires":null,"targets":{"<repo>/package/foo-1.0.tar.gz":` +
		`{"hashes":{"md5":"` + hex.EncodeToString(weak[:]) + `","sha256":"` + hex.EncodeToString(strong[:]) + `"},"length":9}},"version":0}}`
	if string(contents[1]) != wantJSON {
		t.Errorf("package.json is\n%s, want\n%s", contents[1], wantJSON)
	}
	if s := string(contents[2]); strings.Contains(s, "md5") || !strings.HasSuffix(s, `"version":1}}`) {
		t.Errorf("the reference tool's package.json is %s", s)
	}
}

func TestEntriesAreWhereTheySay(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	g := h.Generation()
	raw := g.File("01-index.tar")
	headers, contents := readIndex(t, raw)
	entries := g.Entries()
	if len(entries) == 0 || len(entries) != len(headers) {
		t.Fatalf("%d entries, %d read", len(entries), len(headers))
	}
	for i, e := range entries {
		if e.Path != headers[i].Name || !e.Time.Equal(headers[i].ModTime) || !bytes.Equal(e.Content, contents[i]) {
			t.Errorf("entry %d is %+v, read %+v", i, e, headers[i])
		}
		if at := raw[e.Offset+512:][:e.Size]; !bytes.Equal(at, e.Content) {
			t.Errorf("entry %d is not at offset %d", i, e.Offset)
		}
	}
	if end := entries[len(entries)-1].End; int64(len(raw)) != end+1024 {
		t.Errorf("index of %d bytes, last entry ends at %d", len(raw), end)
	}
}

func TestGenerationsGrow(t *testing.T) {
	t.Parallel()
	h := hackagetest.New(hackagetest.Options{})
	for i := range 300 {
		version := fmt.Sprintf("1.%d", i)
		h.Upload("pkg", version, nil, []byte("tarball of "+version))
	}
	old := h.Generation()
	oldTar, oldGz := old.File("01-index.tar"), old.File("01-index.tar.gz")
	h.Upload("last", "1.0", nil, nil)
	g := h.Generation()
	newTar, newGz := g.File("01-index.tar"), g.File("01-index.tar.gz")
	if !bytes.HasPrefix(newTar, oldTar[:len(oldTar)-1024]) {
		t.Error("the index is no continuation")
	}
	if !bytes.Equal(gunzip(t, newGz), newTar) {
		t.Error("01-index.tar.gz is not 01-index.tar")
	}
	agree := 0
	for agree < len(oldGz) && oldGz[agree] == newGz[agree] {
		agree++
	}
	if agree < len(oldGz)/3 {
		t.Errorf("compressed indexes agree on %d of %d bytes", agree, len(oldGz))
	}
	if !bytes.Equal(old.File("01-index.tar"), oldTar) || len(old.Releases()) != 300 || len(g.Releases()) != 301 {
		t.Error("an older generation changed")
	}
	if !bytes.Equal(h.Generation().File("snapshot.json"), g.File("snapshot.json")) {
		t.Error("two looks at one generation differ")
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	a, b := hackagetest.Small().Generation(), hackagetest.Small().Generation()
	if !slices.Equal(a.Paths(), b.Paths()) || len(a.Paths()) != 6+9 {
		t.Fatalf("paths %q and %q", a.Paths(), b.Paths())
	}
	for _, path := range a.Paths() {
		if !bytes.Equal(a.File(path), b.File(path)) {
			t.Errorf("%s differs", path)
		}
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	g := hackagetest.Small().Generation()
	tree := g.Tree()
	if len(tree) != 10 || string(tree["alpha/preferred-versions"]) != "alpha <0.2" {
		t.Errorf("tree of %d files, preferred-versions %q", len(tree), tree["alpha/preferred-versions"])
	}
	alpha := index.Release{Package: "alpha", Version: "0.1.0.0"}
	revisions := g.Revisions(alpha)
	if len(revisions) != 2 || !bytes.Equal(tree[alpha.CabalPath()], revisions[1]) || bytes.Equal(revisions[0], revisions[1]) {
		t.Errorf("%d revisions of %s", len(revisions), alpha)
	}
	for _, r := range g.Releases() {
		headers, contents := readIndex(t, gunzip(t, g.File(r.TarballKey())))
		if want := r.String() + "/" + r.Package + ".cabal"; headers[1].Name != want || !bytes.Equal(contents[1], g.Revisions(r)[0]) {
			t.Errorf("tarball of %s holds %s", r, headers[1].Name)
		}
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := index.Release{Package: "extra", Version: "1.0"}
	h.Withdraw(r.Package, r.Version, 410)
	if h.Generation().File(r.TarballKey()) != nil || h.Generation().Tarball(r) == nil {
		t.Error("a withdrawn tarball is there, or forgotten")
	}
	h.Replace(r.Package, r.Version, []byte("other bytes"))
	entries := h.Generation().Entries()
	last := entries[len(entries)-1]
	var file signedFile
	var m metadata
	if err := errors.Join(json.Unmarshal(last.Content, &file), json.Unmarshal(file.Signed, &m)); err != nil {
		t.Fatal(err)
	}
	if last.Path != "extra/1.0/package.json" || m.Version != 1 || m.Targets["<repo>/package/extra-1.0.tar.gz"].Length != 11 {
		t.Errorf("last entry %s: %s", last.Path, last.Content)
	}
	if string(h.Generation().File(r.TarballKey())) != "other bytes" {
		t.Error("the bytes are not replaced")
	}
	h.Withdraw(r.Package, r.Version, 404)
	h.Reinstate(r.Package, r.Version)
	if string(h.Generation().File(r.TarballKey())) != "other bytes" {
		t.Error("the bytes are not reinstated")
	}
}
