package mirror

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// write fills a spool in pieces and returns what is read back.
func fill(t *testing.T, s *spool, size, piece int) []byte {
	t.Helper()
	want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
	for rest := want; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
		if n, err := s.Write(rest[:min(piece, len(rest))]); err != nil || n != min(piece, len(rest)) {
			t.Fatalf("write of %d bytes gives %d, %v", min(piece, len(rest)), n, err)
		}
	}
	// Several read it at once, each from the start.
	for range 2 {
		got, err := io.ReadAll(s.reader())
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d of %d bytes come back, %v", len(got), size, err)
		}
	}
	return want
}

// held counts the files in a folder.
func held(t *testing.T, dir string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func TestSpoolGoesToDiskOnlyWhenItIsLarge(t *testing.T) {
	t.Parallel()
	s := &spool{dir: t.TempDir()}
	for _, test := range []struct{ size, piece, files int }{
		{0, 1, 0},
		{1, 1, 0},
		{spoolMemory, 1000, 0},
		{spoolMemory + 1, 1000, 1},
		{3 * spoolMemory, 7777, 1},
		{2 * spoolMemory, 2 * spoolMemory, 1},
		{10, 3, 0},
	} {
		fill(t, s, test.size, test.piece)
		if n := held(t, s.dir); n != test.files {
			t.Errorf("%d bytes take %d files, want %d", test.size, n, test.files)
		}
		if err := s.reset(); err != nil {
			t.Fatal(err)
		}
		if n := held(t, s.dir); n != 0 {
			t.Errorf("after a reset %d files are left", n)
		}
	}
}

func TestSpoolKeepsItsError(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gone")
	s := &spool{dir: dir}
	if _, err := s.Write(make([]byte, spoolMemory+1)); err == nil {
		t.Fatal("a folder that is not there took a file")
	}
	if s.err == nil {
		t.Error("the error is not kept")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.reset(); err != nil {
		t.Fatal(err)
	}
	fill(t, s, spoolMemory+1, 100_000)
	if err := s.reset(); err != nil {
		t.Error(err)
	}
}
