package hackagetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
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
	top := r.String() + "/"
	// The time is that which cabal sdist gives to every file.
	at := time.Unix(1_000_000_000, 0)
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	t := tar.NewWriter(z)
	put := func(header tar.Header, content string) {
		header.ModTime, header.Format, header.Size = at, tar.FormatUSTAR, int64(len(content))
		err := t.WriteHeader(&header)
		if err == nil {
			_, err = io.WriteString(t, content)
		}
		if err != nil {
			panic(fmt.Sprintf("hackagetest: make a tarball of %s: %v", r, err))
		}
	}
	put(tar.Header{Name: top, Mode: 0o755, Typeflag: tar.TypeDir}, "")
	put(tar.Header{Name: top + r.Package + ".cabal", Mode: 0o644}, string(cabal))
	put(tar.Header{Name: top + "Setup.hs", Mode: 0o644}, "import Distribution.Simple\nmain = defaultMain\n")
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		panic(fmt.Sprintf("hackagetest: make a tarball of %s: %v", r, err))
	}
	return out.Bytes()
}
