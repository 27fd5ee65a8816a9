package index_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// slot returns the header block of an empty regular file.
func slot(t testing.TB, name string) []byte {
	t.Helper()
	raw, ends := pack(t, file{name: name})
	return raw[:ends[0]]
}

// fixChecksum makes a changed header valid again.
func fixChecksum(block []byte) {
	copy(block[148:156], "        ")
	sum := 0
	for _, b := range block {
		sum += int(b)
	}
	copy(block[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

// withSize returns a header that declares a size of any form.
func withSize(t testing.TB, field []byte) []byte {
	t.Helper()
	block := slot(t, "a/1.0/a.cabal")
	copy(block[124:136], field)
	fixChecksum(block)
	return block
}

// base256 is GNU's form of numbers that octal digits cannot say.
func base256(n int64) []byte {
	field := make([]byte, 12)
	if n < 0 {
		field = bytes.Repeat([]byte{0xff}, 12)
	}
	binary.BigEndian.PutUint64(field[4:], uint64(n))
	field[0] |= 0x80
	return field
}

// TestAbsurdSizes declares sizes that no content follows: an error, and no
// memory for what is not there.
func TestAbsurdSizes(t *testing.T) {
	for name, field := range map[string][]byte{
		"negative":         base256(-1),
		"most negative":    base256(-1 << 63),
		"largest":          base256(1<<63 - 1),
		"largest but some": base256(1<<63 - 1000),
		"octal":            []byte("77777777777\x00"),
		"just allowed":     fmt.Appendf(nil, "%011o\x00", index.MaxEntry),
		"not a number":     []byte("wxyzwxyzwxy\x00"),
		"beyond 64 bits":   bytes.Repeat([]byte{0xbf}, 12),
	} {
		raw := slices.Concat(withSize(t, field), make([]byte, 2048))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := run(index.NewLog(bytes.NewReader(raw), index.Position{}))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, index.ErrDamaged) || !strings.Contains(err.Error(), "offset 0:") {
			t.Errorf("%s: error is %v, want ErrDamaged with offset 0", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
}

func TestBadChecksum(t *testing.T) {
	t.Parallel()
	raw, ends := pack(t, small()...)
	raw[ends[3]+10] ^= 1
	l := index.NewLog(bytes.NewReader(raw), index.Position{})
	lines, err := run(l)
	if len(lines) != 4 || !errors.Is(err, index.ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprintf("offset %d:", ends[3])) {
		t.Errorf("after %d entries the error is %v, want ErrDamaged with offset %d", len(lines), err, ends[3])
	}
	if l.End().Length != ends[3] {
		t.Errorf("log ends at %d, want %d", l.End().Length, ends[3])
	}
}

// TestLongNameWithoutEntry ends the index behind a header that names an entry
// to come; archive/tar alone takes that for a good end.
func TestLongNameWithoutEntry(t *testing.T) {
	t.Parallel()
	head := slot(t, "a/1.0/a.cabal")
	for _, kind := range []byte{'L', 'x'} {
		orphan := slot(t, "orphan")
		orphan[156] = kind
		fixChecksum(orphan)
		for _, zeros := range []int{0, 512, 1024} {
			raw := slices.Concat(head, orphan, make([]byte, zeros))
			_, err := run(index.NewLog(bytes.NewReader(raw), index.Position{}))
			if !errors.Is(err, index.ErrDamaged) || !strings.Contains(err.Error(), "offset 512:") {
				t.Errorf("%c with %d zeros behind: error is %v, want ErrDamaged with offset 512", kind, zeros, err)
			}
		}
	}
}

// gnuSparse returns an entry of GNU's old sparse form with that much real data.
func gnuSparse(t testing.TB, size int) []byte {
	t.Helper()
	block := slot(t, "a/1.0/a.cabal")
	block[156] = 'S'
	copy(block[257:265], "ustar  \x00")
	clear(block[345:512])
	copy(block[124:136], fmt.Sprintf("%011o\x00", size))
	copy(block[386:398], fmt.Sprintf("%011o\x00", 4096))
	copy(block[398:410], fmt.Sprintf("%011o\x00", size))
	copy(block[483:495], fmt.Sprintf("%011o\x00", 4096+size))
	fixChecksum(block)
	return append(block, blocks(strings.Repeat("s", size))...)
}

// paxSparse returns an entry of PAX's sparse form 1.0, whose map stands before
// the data.
func paxSparse(t testing.TB, size int) []byte {
	t.Helper()
	var records strings.Builder
	for _, r := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=a/1.0/a.cabal", fmt.Sprintf("GNU.sparse.realsize=%d", 4096+size)} {
		fmt.Fprintf(&records, "%d %s\n", len(r)+4, r) // all of them have two digits
	}
	extended := slot(t, "extended")
	extended[156] = 'x'
	copy(extended[124:136], fmt.Sprintf("%011o\x00", records.Len()))
	fixChecksum(extended)
	content := string(blocks(fmt.Sprintf("1\n4096\n%d\n", size))) + strings.Repeat("s", size)
	head := slot(t, "GNUSparseFile.0/a.cabal")
	copy(head[124:136], fmt.Sprintf("%011o\x00", len(content)))
	fixChecksum(head)
	return slices.Concat(extended, blocks(records.String()), head, blocks(content))
}

// blocks pads content to whole blocks.
func blocks(content string) []byte {
	return append([]byte(content), make([]byte, (512-len(content)%512)%512)...)
}

// TestSparse passes over files with holes, whose extent only archive/tar knows,
// with each length that makes it skip in another way.
func TestSparse(t *testing.T) {
	t.Parallel()
	for form, entry := range map[string]func(testing.TB, int) []byte{"GNU": gnuSparse, "PAX": paxSparse} {
		for _, size := range []int{0, 1, 2, 511, 512, 513, 514, 1023, 1024, 5000} {
			name := fmt.Sprintf("%s, %d bytes", form, size)
			odd := entry(t, size)
			rest, _ := pack(t, file{name: "b/1.0/b.cabal", body: "behind", second: 9})
			raw := slices.Concat(odd, rest)
			at := int64(len(odd))
			l := index.NewLog(bytes.NewReader(raw), index.Position{}, at)
			want := []string{fmt.Sprintf("%d-%d b/1.0/b.cabal 9 %q", at, at+1024, "behind")}
			if got := mustRun(t, l); !slices.Equal(got, want) || l.Skipped().ByReason["sparse file"] != 1 {
				t.Errorf("%s: entries are %q, want %q; skipped %+v", name, got, want, l.Skipped())
			}
			if err := l.Finish(int64(len(raw)), sha256.Sum256(raw)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			from, ok := l.At(at)
			tail := index.NewLog(bytes.NewReader(rest), from)
			mustRun(t, tail)
			if err := tail.Finish(int64(len(raw)), sha256.Sum256(raw)); !ok || err != nil {
				t.Errorf("%s: tail behind it: %v, %v", name, ok, err)
			}
		}
	}
}
