package index

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// plainBlock is a header as the Hackage server writes it.
func plainBlock(t testing.TB, name string) []byte {
	t.Helper()
	var raw bytes.Buffer
	w := tar.NewWriter(&raw)
	err := w.WriteHeader(&tar.Header{
		Name: name, Size: 1234, Mode: 0o644, Uid: 77, Uname: "Jane", Gname: "Hackage", Format: tar.FormatUSTAR,
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw.Bytes()
}

// seal makes a changed header valid again.
func seal(block []byte) {
	copy(block[148:156], fmt.Sprintf("%06o\x00 ", checksum(block)))
}

// checkPlain holds what is read of a block here against archive/tar.
func checkPlain(t *testing.T, block []byte) (plain bool) {
	t.Helper()
	var got tar.Header
	if !readPlain(block, &got) {
		return false
	}
	want, err := tar.NewReader(bytes.NewReader(block)).Next()
	if err != nil {
		t.Errorf("%q is plain, but archive/tar says: %v", block, err)
		return true
	}
	if got.Name != want.Name || got.Size != want.Size || !got.ModTime.Equal(want.ModTime) || got.Typeflag != want.Typeflag || len(want.PAXRecords) > 0 {
		t.Errorf("%q is read as %+v, by archive/tar as %+v", block, got, *want)
	}
	return true
}

func TestReadPlain(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"foo/1.0/foo.cabal", "foo/1.0/package.json", strings.Repeat("x", 100),
		strings.Repeat("long", 30) + "/1.0/" + strings.Repeat("x", 100), "ä/1/ä.cabal", "a\x01b",
	} {
		block := plainBlock(t, "x")
		clear(block[:100])
		if prefix, last, cut := strings.Cut(name, "/1.0/"); cut && len(name) > 100 {
			copy(block[345:500], prefix+"/1.0")
			name = last
		}
		copy(block[:100], name)
		seal(block)
		if !checkPlain(t, block) {
			t.Errorf("%q is not plain", name)
		}
	}
}

// Whatever differs from the one form is left to archive/tar.
func TestReadPlainLeaves(t *testing.T) {
	t.Parallel()
	good := plainBlock(t, "foo/1.0/foo.cabal")
	for name, change := range map[string]func(block []byte) []byte{
		"nothing":             func([]byte) []byte { return nil },
		"a part of it":        func(b []byte) []byte { return b[:511] },
		"zeros":               func([]byte) []byte { return make([]byte, 512) },
		"checksum":            func(b []byte) []byte { b[0] ^= 1; return b },
		"no checksum":         func(b []byte) []byte { clear(b[148:156]); return b },
		"link":                func(b []byte) []byte { b[156] = tar.TypeLink; seal(b); return b },
		"extended":            func(b []byte) []byte { b[156] = tar.TypeXHeader; seal(b); return b },
		"long name":           func(b []byte) []byte { b[156] = tar.TypeGNULongName; seal(b); return b },
		"sparse":              func(b []byte) []byte { b[156] = tar.TypeGNUSparse; seal(b); return b },
		"of old":              func(b []byte) []byte { b[156] = 0; seal(b); return b },
		"GNU":                 func(b []byte) []byte { copy(b[257:], "ustar  \x00"); seal(b); return b },
		"star":                func(b []byte) []byte { copy(b[508:], "tar\x00"); seal(b); return b },
		"other version":       func(b []byte) []byte { copy(b[263:], "01"); seal(b); return b },
		"folder":              func(b []byte) []byte { copy(b, "foo/1.0/foo.cabal/"); seal(b); return b },
		"size in base 256":    func(b []byte) []byte { b[124] = 0x80; seal(b); return b },
		"size of no digits":   func(b []byte) []byte { copy(b[124:], "9"); seal(b); return b },
		"two sizes":           func(b []byte) []byte { copy(b[124:], "123 456"); seal(b); return b },
		"mode of no digits":   func(b []byte) []byte { b[100] = 'x'; seal(b); return b },
		"owner of no digits":  func(b []byte) []byte { b[108] = 'x'; seal(b); return b },
		"group of no digits":  func(b []byte) []byte { b[116] = 'x'; seal(b); return b },
		"time of no digits":   func(b []byte) []byte { b[136] = '-'; seal(b); return b },
		"device of no digits": func(b []byte) []byte { b[329] = 'x'; seal(b); return b },
		"minor of no digits":  func(b []byte) []byte { b[337] = 'x'; seal(b); return b },
	} {
		if readPlain(change(bytes.Clone(good)), &tar.Header{}) {
			t.Errorf("%s is taken for a plain header", name)
		}
	}
}

// Of headers that were changed in one to three places, those that are taken are
// read as archive/tar does.
func TestReadPlainOfChangedHeaders(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	good := plainBlock(t, "foo/1.0/foo.cabal")
	bytesOf := []byte("\x00 0789/\x80\xffx-")
	taken := 0
	const tries = 10_000
	for range tries {
		block := bytes.Clone(good)
		for range 1 + random.IntN(3) {
			block[random.IntN(len(block))] = bytesOf[random.IntN(len(bytesOf))]
		}
		if random.IntN(10) > 0 {
			seal(block)
		}
		if checkPlain(t, block) {
			taken++
		}
	}
	if taken < tries/4 || taken > tries*9/10 {
		t.Errorf("%d of %d were taken, so the test says little", taken, tries)
	}
}

func FuzzReadPlain(f *testing.F) {
	f.Add(plainBlock(f, "foo/1.0/foo.cabal"), true)
	f.Add(plainBlock(f, strings.Repeat("long/", 30)+"x"), false)
	f.Fuzz(func(t *testing.T, block []byte, valid bool) {
		if valid && len(block) >= blockSize {
			seal(block[:blockSize])
		}
		checkPlain(t, block)
	})
}
