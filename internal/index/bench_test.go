package index_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// benchIndex is an index of the shape of Hackage's: each release has a .cabal of
// 3 kB and a package.json, every other a revision.
func benchIndex(b *testing.B, releases int) (raw []byte, entries int) {
	b.Helper()
	var files []file
	cabal := strings.Repeat("build-depends: base\r\n", 143)
	for i := range releases {
		r := index.Release{Package: fmt.Sprintf("package-x%d", i/8), Version: fmt.Sprintf("0.%d.0", i%8)}
		files = append(files,
			file{name: r.CabalPath(), body: cabal, second: int64(i), owner: "Jane"},
			file{name: r.Package + "/" + r.Version + "/package.json", body: packageJSON(r, "tarball", "0123456789abcdef0123456789abcdef"), second: int64(i)})
		if i%2 == 0 {
			files = append(files, file{name: r.CabalPath(), body: cabal, second: int64(i), owner: "Joe"})
		}
	}
	raw, _ = pack(b, files...)
	return raw, len(files)
}

func BenchmarkEntries(b *testing.B) {
	raw, entries := benchIndex(b, 4000)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range index.NewLog(bytes.NewReader(raw), index.Position{}).Entries() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	perEntry(b, entries)
}

func BenchmarkScan(b *testing.B) {
	raw, entries := benchIndex(b, 4000)
	digest := sha256.Sum256(raw)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		l := index.NewLog(bytes.NewReader(raw), index.Position{})
		if _, err := index.Scan(l, nil); err != nil {
			b.Fatal(err)
		}
		if err := l.Finish(int64(len(raw)), digest); err != nil {
			b.Fatal(err)
		}
	}
	perEntry(b, entries)
}

// BenchmarkSHA256 is the floor: hashing the same bytes and nothing else.
func BenchmarkSHA256(b *testing.B) {
	raw, entries := benchIndex(b, 4000)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		sha256.Sum256(raw)
	}
	perEntry(b, entries)
}

func perEntry(b *testing.B, entries int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(entries), "ns/entry")
}
