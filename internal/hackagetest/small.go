package hackagetest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

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
	h.Upload("two-words", "1.2.3.4", nil, nil, By("somebody"))
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
	noise := rand.NewChaCha8([32]byte{7})
	for n := range 24 {
		raw := make([]byte, each)
		_, _ = noise.Read(raw) // never fails
		cabal := fmt.Sprintf("name: wide%d\nversion: 1\n-- %s\n", n, base64.StdEncoding.EncodeToString(raw))
		h.Upload(fmt.Sprintf("wide%d", n), "1", []byte(cabal), nil)
	}
	return h
}
