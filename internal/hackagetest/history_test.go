package hackagetest_test

import (
	"archive/tar"
	"bytes"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

func TestTruncate(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	long := h.Generation().File("01-index.tar")
	h.Truncate(2)
	short := h.Generation().File("01-index.tar")
	if len(short) >= len(long) || !bytes.HasPrefix(long, short[:len(short)-1024]) {
		t.Errorf("index of %d bytes cut to %d", len(long), len(short))
	}
	mustVerify(t, h)
	cut := h.Generation()
	h.Prefer("alpha", "alpha >9")
	h.Truncate(1)
	h.Prefer("alpha", "other")
	if string(cut.File("01-index.tar")) != string(short) {
		t.Error("an older generation changed")
	}
}

func TestRewrite(t *testing.T) {
	t.Parallel()
	small := hackagetest.Small()
	before := small.Generation()
	for _, n := range []int{0, -1} {
		h := small.Clone()
		h.Rewrite(n)
		mustVerify(t, h)
		raw, old := h.Generation().File("01-index.tar"), before.File("01-index.tar")
		if len(raw) != len(old) || bytes.Equal(raw, old) {
			t.Errorf("rewrite of entry %d: %d bytes, %d before", n, len(raw), len(old))
		}
		headers, _ := readIndex(t, raw)
		was := before.Entries()
		if i := (n + len(was)) % len(was); !headers[i].ModTime.Before(was[i].Time) {
			t.Errorf("entry %d has its old time", i)
		}
	}
}

func TestClone(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	before := h.Generation()
	twin := h.Clone()
	h.Upload("later", "1", nil, nil)
	h.RotateKeys()
	for _, path := range before.Paths() {
		if !bytes.Equal(twin.Generation().File(path), before.File(path)) {
			t.Errorf("%s differs", path)
		}
	}
	twin.Upload("twin", "1", nil, nil)
	if r := h.Generation().Releases(); slices.Contains(r, index.Release{Package: "twin", Version: "1"}) {
		t.Error("a clone's upload is not its own")
	}
}

func TestTorn(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	old := h.Generation()
	h.Upload("later", "1", nil, nil)
	torn := old.WithFrom(h.Generation(), "timestamp.json", "package/later-1.tar.gz")
	if _, err := verify(torn.File, h.KeyIDs(), 2); err == nil || !strings.Contains(err.Error(), "snapshot.json is not what was signed") {
		t.Errorf("a torn set: %v", err)
	}
	if torn.File("package/later-1.tar.gz") == nil || old.File("package/later-1.tar.gz") != nil {
		t.Error("Take took the wrong way")
	}
	if g := torn.With("root.json", nil).With("x", []byte("y")); g.File("root.json") != nil || string(g.File("x")) != "y" {
		t.Error("With did not change the files")
	}
}

func TestRaw(t *testing.T) {
	t.Parallel()
	h := hackagetest.New(hackagetest.Options{})
	long := strings.Repeat("d/", 60) + "long.cabal"
	h.Raw(tar.Header{Name: "../../etc/passwd"}, []byte("x"))
	h.Raw(tar.Header{Name: "foo/1.0/", Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	h.Raw(tar.Header{Name: "foo/1.0/foo.cabal", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, nil)
	h.Raw(tar.Header{Name: "nul\x00/1.0/nul.cabal", Uname: "u"}, nil)
	h.Raw(tar.Header{Name: long}, nil)
	h.RawBytes(bytes.Repeat([]byte{'?'}, 512))
	mustVerify(t, h)
	raw := h.Generation().File("01-index.tar")
	headers, _ := readIndex(t, slices.Concat(raw[:len(raw)-1536], raw[len(raw)-1024:]))
	want := []tar.Header{
		{Name: "../../etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "foo/1.0/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "foo/1.0/foo.cabal", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd", Mode: 0o644},
		{Name: "nul", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: long, Typeflag: tar.TypeReg, Mode: 0o644},
	}
	for i, got := range headers {
		w := want[i]
		if got.Name != w.Name || got.Typeflag != w.Typeflag || got.Linkname != w.Linkname || got.Mode != w.Mode {
			t.Errorf("entry %d is %+v, want %+v", i, got, w)
		}
	}
	if len(headers) != len(want) || !bytes.Contains(raw, []byte("nul\x00/1.0/nul.cabal")) {
		t.Errorf("%d entries, want %d, with the NUL in a name", len(headers), len(want))
	}
}

// What an entry declares and does not have is zeros.
func TestLargeEntry(t *testing.T) {
	t.Parallel()
	const size = 5<<20 + 7
	h := hackagetest.New(hackagetest.Options{})
	h.Raw(tar.Header{Name: "big/1.0/big.cabal", Size: size}, []byte("name: big\n"))
	h.Upload("behind", "1.0", nil, nil)
	s := h.Serve()
	defer s.Close()
	response := get(t, s.URL+"/01-index.tar", nil)
	r := tar.NewReader(response.Body)
	header, err := r.Next()
	if err != nil || header.Size != size {
		t.Fatalf("entry of %d bytes, %v", header.Size, err)
	}
	head := make([]byte, 10)
	if _, err := io.ReadFull(r, head); err != nil || string(head) != "name: big\n" {
		t.Errorf("content starts %q, %v", head, err)
	}
	if n, err := io.Copy(io.Discard, r); err != nil || n != size-10 {
		t.Errorf("%d bytes follow, %v", n, err)
	}
	if header, err := r.Next(); err != nil || header.Name != "behind/1.0/behind.cabal" {
		t.Errorf("next entry %+v, %v", header, err)
	}
	mustVerify(t, h)
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := hackagetest.Small()
	h.Deprecate([]byte(`[]`))
	if err := h.Write(dir); err != nil {
		t.Fatal(err)
	}
	compareFolder(t, dir, h.Generation())
	if err := os.WriteFile(filepath.Join(dir, "note.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	kept, err := os.Stat(filepath.Join(dir, "mirrors.json"))
	if err != nil {
		t.Fatal(err)
	}

	h.Withdraw("Extra", "1.0", 410)
	h.Upload("later", "1", nil, nil)
	h.Deprecate(nil)
	h.OmitTar(true)
	if err := h.Write(dir); err != nil {
		t.Fatal(err)
	}
	if now, err := os.Stat(filepath.Join(dir, "mirrors.json")); err != nil || !now.ModTime().Equal(kept.ModTime()) {
		t.Errorf("an unchanged file was written again: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "note.txt")); err != nil {
		t.Errorf("a foreign file is gone: %v", err)
	}
	compareFolder(t, dir, h.Generation())
	if err := h.Write(filepath.Join(dir, "mirrors.json")); err == nil {
		t.Error("a repository was written into a file")
	}
}

// compareFolder checks that dir holds the files of g and no other.
func compareFolder(t *testing.T, dir string, g *hackagetest.Generation) {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		path, _ := filepath.Rel(dir, name)
		path = filepath.ToSlash(path)
		found[path] = true
		raw, err := os.ReadFile(name)
		if !bytes.Equal(raw, g.File(path)) {
			t.Errorf("%s is another file", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, g.Paths()) {
		t.Errorf("folder holds %q, want %q", got, g.Paths())
	}
}

func TestPadded(t *testing.T) {
	t.Parallel()
	h := hackagetest.New(hackagetest.Options{})
	r := h.Upload("padded", "1", nil, []byte("tarball"), hackagetest.Padded(3<<20))
	s := h.Serve()
	defer s.Close()
	want := append([]byte("tarball"), make([]byte, 3<<20-7)...)
	if raw := body(t, get(t, s.URL+"/"+r.TarballKey(), nil)); !bytes.Equal(raw, want) || !bytes.Equal(h.Generation().Tarball(r), want) {
		t.Errorf("%d bytes are served, not those that were padded", len(raw))
	}
	if raw := body(t, get(t, s.URL+"/"+r.TarballKey(), map[string]string{"Range": "bytes=5-9"})); string(raw) != "ll\x00\x00\x00" {
		t.Errorf("a part is %q", raw)
	}
	mustVerify(t, h)
}

func TestMistakesPanic(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(h *hackagetest.Hackage){
		"upload twice":     func(h *hackagetest.Hackage) { h.Upload("alpha", "0.2", nil, nil) },
		"revise nothing":   func(h *hackagetest.Hackage) { h.Revise("beta", "1", nil) },
		"replace nothing":  func(h *hackagetest.Hackage) { h.Replace("beta", "1", nil) },
		"withdraw nothing": func(h *hackagetest.Hackage) { h.Withdraw("beta", "1", 404) },
		"withdraw with ok": func(h *hackagetest.Hackage) { h.Withdraw("alpha", "0.2", 200) },
		"truncate all":     func(h *hackagetest.Hackage) { h.Truncate(1000) },
		"odd JSON":         func(h *hackagetest.Hackage) { h.Sign(hackagetest.Root, map[string]any{"a": make(chan int)}) },
		"odd pattern":      func(h *hackagetest.Hackage) { h.Handler().Fault("package/", hackagetest.Stall(0)) },
		"endless name":     func(h *hackagetest.Hackage) { h.Raw(tar.Header{Name: strings.Repeat("x", 300)}, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			do(hackagetest.Small())
		})
	}
}
