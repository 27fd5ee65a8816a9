package mirror

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// legacy writes 00-index.tar.gz of a Hackage as it is now and returns its path.
func legacy(t *testing.T, h *hackagetest.Hackage, take func(string) bool) string {
	t.Helper()
	r := newRig(t, h)
	u := r.upstream()
	m, err := u.Metadata(t.Context(), state.Seen{})
	if err != nil {
		t.Fatal(err)
	}
	ix, err := u.Index(t.Context(), m, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ix.Close() }()
	path := filepath.Join(t.TempDir(), legacyGz)
	if err := WriteLegacy(t.Context(), path, ix, take); err != nil {
		t.Fatal(err)
	}
	return path
}

// unpack returns names in order and contents.
func unpack(t *testing.T, raw []byte) (names []string, contents map[string][]byte) {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if !zipped.ModTime.IsZero() || zipped.Name != "" || zipped.Comment != "" {
		t.Errorf("gzip's header says %+v", zipped.Header)
	}
	contents = map[string][]byte{}
	archive := tar.NewReader(zipped)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return names, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Uname != "" || header.Mode != 0o644 {
			t.Errorf("%s is owned by %d %q with mode %o", header.Name, header.Uid, header.Uname, header.Mode)
		}
		names = append(names, header.Name)
		if contents[header.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLegacyIndexHoldsTheNewestSorted(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	h.Prefer("alpha", "")
	path := legacy(t, h, all)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	names, contents := unpack(t, raw)
	if !slices.IsSorted(names) {
		t.Errorf("not sorted: %q", names)
	}
	want := h.Generation().Tree()
	if !maps.EqualFunc(contents, want, bytes.Equal) {
		t.Errorf("it holds %q, want the newest of %q", names, slices.Sorted(maps.Keys(want)))
	}
	out, err := exec.Command("tar", "-tzf", path).Output()
	if err != nil {
		t.Fatalf("tar does not read it: %v", err)
	}
	if listed := strings.Fields(string(out)); !slices.Equal(listed, names) {
		t.Errorf("tar lists %q, want %q", listed, names)
	}
	_, some := unpack(t, mustRead(t, legacy(t, h, func(pkg string) bool { return pkg == "alpha" })))
	if len(some) != 3 {
		t.Errorf("of alpha alone there are %d files", len(some))
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Buckets that came to an index in one step or in many hold the same bytes.
func TestLegacyIndexIsReproducible(t *testing.T) {
	t.Parallel()
	once := newRig(t, hackagetest.Small())
	grow(once.hackage)
	once.mustRun()
	often := newRig(t, hackagetest.Small())
	often.mustRun()
	grow(often.hackage)
	often.mustRun()
	first, second := once.store.Contents()[legacyGz], often.store.Contents()[legacyGz]
	if !bytes.Equal(first, second) {
		t.Errorf("%d and %d bytes of the same index differ", len(first), len(second))
	}
	if again := mustRead(t, legacy(t, once.hackage, all)); !bytes.Equal(first, again) {
		t.Error("written twice, the bytes differ")
	}
}

// One package with an odd name or date must not stop the whole file.
func TestLegacyIndexTakesLongNamesAndFarDates(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("long-name-", 10) + "x"
	h := hackagetest.New(hackagetest.Options{})
	h.Upload("future", "1", nil, nil)
	var entry bytes.Buffer
	archive := tar.NewWriter(&entry)
	if err := archive.WriteHeader(&tar.Header{Name: name + "/1/" + name + ".cabal", Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	h.RawBytes(entry.Bytes())
	h.Raw(tar.Header{Name: "future/1/future.cabal", ModTime: time.Date(2345, 1, 1, 0, 0, 0, 0, time.UTC)}, []byte("name: future\n"))
	_, contents := unpack(t, mustRead(t, legacy(t, h, all)))
	if len(contents) != 2 || string(contents["future/1/future.cabal"]) != "name: future\n" {
		t.Errorf("it holds %d files", len(contents))
	}
}
