package hackagetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// plainCabal is a .cabal file that cabal accepts.
func plainCabal(r index.Release) []byte {
	return fmt.Appendf(nil, "cabal-version: 2.0\nname: %s\nversion: %s\nsynopsis: A package for tests\n"+
		"license: BSD3\nbuild-type: Simple\n\nlibrary\n  build-depends: base\n  default-language: Haskell2010\n",
		r.Package, r.Version)
}

// Sdist returns a small valid tarball of a release that holds the given .cabal
// file, the same bytes each time.
func Sdist(r index.Release, cabal []byte) []byte {
	file := func(path string, mode int64, kind byte, content string) entry {
		// The time is that which cabal sdist gives to every file.
		return newEntry(tar.Header{Name: r.String() + "/" + path, Mode: mode, Typeflag: kind, ModTime: time.Unix(1_000_000_000, 0)}, []byte(content))
	}
	return newTar(
		file("", 0o755, tar.TypeDir, ""),
		file(r.Package+".cabal", 0o644, tar.TypeReg, string(cabal)),
		file("Setup.hs", 0o644, tar.TypeReg, "import Distribution.Simple\nmain = defaultMain\n"),
	).compressed().bytes()
}

// Small returns a Hackage of eight packages that have in small what is odd in
// the large: two releases of one package, a revision, a preferred-versions, a
// .cabal file with CRLF, one with a Latin-1 byte, one without a final newline,
// two packages that differ only by case, and one in the reference tool's form.
// All releases are signed and can be downloaded.
func Small() *Hackage {
	h := New(Options{Seed: "small"})
	h.Upload("alpha", "0.1.0.0", nil, nil)
	h.Upload("crlf", "1.0", []byte("cabal-version: 2.0\r\nname: crlf\r\nversion: 1.0\r\nlicense: BSD3\r\n"+
		"build-type: Simple\r\n\r\nlibrary\r\n  default-language: Haskell2010\r\n"), nil)
	h.Upload("latin1", "0.3", []byte("name: latin1\nversion: 0.3\nauthor: Andr\xe9\nlicense: BSD3\n"+
		"cabal-version: >= 1.10\nbuild-type: Simple\n\nlibrary\n  default-language: Haskell2010\n"), nil)
	h.Upload("no-newline", "2.0", []byte("cabal-version: 2.0\nname: no-newline\nversion: 2.0\nlicense: BSD3\n"+
		"build-type: Simple\n\nlibrary\n  default-language: Haskell2010"), nil)
	h.Upload("Extra", "1.0", nil, nil)
	h.Upload("extra", "1.0", nil, nil)
	h.Upload("two-words", "1.2.3.4", nil, nil)
	h.Upload("tool", "0", nil, nil, In(Reference))
	h.Upload("alpha", "0.2", nil, nil)
	h.Revise("alpha", "0.1.0.0", revised(index.Release{Package: "alpha", Version: "0.1.0.0"}))
	h.Prefer("alpha", "alpha <0.2")
	return h
}

// revised is plainCabal's first revision.
func revised(r index.Release) []byte {
	return bytes.Replace(plainCabal(r), []byte("\nlicense:"), []byte("\nx-revision: 1\nlicense:"), 1)
}

// Wide returns Small with 24 packages more, each with a .cabal file of somewhat
// more than so many bytes that nobody can compress: its index is not small when
// it is packed, so that only what is new of it is worth fetching.
func Wide(each int) *Hackage {
	h := Small()
	for n := range 24 {
		name := fmt.Sprintf("wide%d", n)
		// Six bits of each byte are noise.
		h.Upload(name, "1", fmt.Appendf(nil, "name: %s\nversion: 1\n-- %s\n", name, bytes.ReplaceAll(Noise(name, each*4/3), []byte{'\n'}, []byte{'+'})), nil)
	}
	return h
}
