package index_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// A synthetic is an index of as many releases as wanted, of eight to a package,
// which is made while it is read, without closing blocks. Each release takes the
// same number of bytes.
type synthetic struct {
	releases int

	made, read int
	raw        bytes.Buffer
}

// perRelease is the bytes of two entries of one block of content.
const perRelease = 4 * 512

func newSynthetic(releases int) *synthetic { return &synthetic{releases: releases} }

func (s *synthetic) Read(p []byte) (int, error) {
	if s.raw.Len() == 0 && s.made < s.releases {
		s.make()
	}
	n, err := s.raw.Read(p)
	s.read += n
	return n, err
}

// make makes the entries of the next release.
func (s *synthetic) make() {
	r := index.Release{
		Package: fmt.Sprintf("package-of-number-x%d", s.made/8),
		Version: fmt.Sprintf("0.%d.%d.1", s.made%3, s.made%8),
	}
	s.made++
	s.raw.Reset()
	s.add(r.CabalPath(), "name: x")
	s.add(r.Package+"/"+r.Version+"/package.json", packageJSON(r, r.String(), ""))
}

// add adds an entry with its padding.
func (s *synthetic) add(name, body string) {
	var block [2 * 512]byte
	copy(block[:], name)
	copy(block[100:], "0000644")
	copy(block[124:], fmt.Sprintf("%011o", len(body)))
	copy(block[136:], "00000000000")
	block[156] = '0'
	copy(block[257:], "ustar\x0000")
	fixChecksum(block[:512])
	copy(block[512:], body)
	s.raw.Write(block[:])
}

// positions returns the positions behind fractions of the releases.
func (s *synthetic) positions(t testing.TB, fractions []float64) []index.Position {
	t.Helper()
	var at []index.Position
	log, sum := newSynthetic(s.releases), sha256.New()
	for _, f := range fractions {
		p := index.Position{Prefix: midstate.Prefix{Length: int64(f*float64(s.releases)) * perRelease}}
		if _, err := io.CopyN(sum, log, p.Length-int64(log.read)); err != nil {
			t.Fatal(err)
		}
		p.Prefix = midstate.Of(sum)
		at = append(at, p)
	}
	return at
}
