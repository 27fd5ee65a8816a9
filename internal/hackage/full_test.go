//go:build unix

package hackage

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// fullIndex is an index of Hackage's size, packed, and what it unpacks to: the
// 01-index.tar.gz that HACKAGE_INDEX names.
func fullIndex(b *testing.B) (path string, info tuf.FileInfo) {
	b.Helper()
	if path = os.Getenv("HACKAGE_INDEX"); path == "" {
		b.Skip("NOT MEASURED: set HACKAGE_INDEX to a 01-index.tar.gz of Hackage's size")
	}
	info, err := gunzipped(path)
	if err != nil {
		b.Fatal(err)
	}
	return path, info
}

// gunzipped is the floor: to unpack and to hash, and nothing else.
func gunzipped(path string) (info tuf.FileInfo, err error) {
	in, err := os.Open(path)
	if err != nil {
		return info, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	z, err := gzip.NewReader(in)
	if err != nil {
		return info, err
	}
	digest := sha256.New()
	info.Length, err = io.CopyBuffer(struct{ io.Writer }{digest}, struct{ io.Reader }{z}, make([]byte, 1<<20))
	digest.Sum(info.SHA256[:0])
	return info, err
}

// BenchmarkFullIndex reads the packed index as a run does that has nothing yet:
// unpacked into a file, proven, and every entry parsed. It says how many times
// longer that takes than to unpack and hash alone, in processor time.
func BenchmarkFullIndex(b *testing.B) {
	path, info := fullIndex(b)
	var floor, ours float64
	for b.Loop() {
		begun := processorTime(b)
		if _, err := gunzipped(path); err != nil {
			b.Fatal(err)
		}
		floor += processorTime(b) - begun
		begun = processorTime(b)
		readFull(b, path, info)
		ours += processorTime(b) - begun
	}
	b.ReportMetric(floor/float64(b.N), "floor-s/op")
	b.ReportMetric(ours/float64(b.N), "ours-s/op")
	b.ReportMetric(ours/floor, "times-floor")
}

func readFull(b *testing.B, path string, want tuf.FileInfo) {
	b.Helper()
	in, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(filepath.Join(b.TempDir(), indexTarFile))
	if err != nil {
		b.Fatal(err)
	}
	info, err := unpack(b.Context(), out, in, MaxIndex)
	if err != nil || info != want {
		b.Fatalf("unpacked %+v: %v", info, err)
	}
	ix := &Index{Tar: Part{Body: out, Size: info.Length, Info: info, file: out}}
	l := ix.Log(index.Position{})
	tail, err := index.Scan(l, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(l.Finish(info.Length, info.SHA256), ix.Close(), os.Remove(out.Name())); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(tail.Order)), "releases")
}

// processorTime is what this process has taken of the processors, in seconds.
func processorTime(b *testing.B) float64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
