package index

import (
	"bufio"
	"errors"
	"hash"
	"io"
	"math"
	"slices"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// A tape lies between a Log, or archive/tar for it, and the bytes of an index.
// It counts and hashes each byte once, and stops the hash exactly where an entry
// ends, to note the position there.
//
// The end of a regular file's entry is known from its header. That of other
// entries is not: their size may be that of a file with holes, or mean nothing.
// There archive/tar itself says how much it will skip, because it skips by
// Seek when the reader below has one; see Seek and settle.
type tape struct {
	src *bufio.Reader
	sum hash.Hash
	// pos counts the bytes taken in, from the start of the whole index.
	pos int64
	// end is where the open entry ends, padding included, or unknown. When
	// no entry is open, it is where the last one ended.
	end int64
	// loose is set by bytes behind end that are not zero: headers that no
	// entry has followed yet.
	loose bool
	// last is the time of the open entry.
	last time.Time
	// edge is the newest boundary between entries that was passed.
	edge Position
	// points are the checkpoints ahead, ascending; seen are those passed
	// that were boundaries.
	points []int64
	seen   map[int64]Position
	// err is what reading src ended with, unless it was io.EOF.
	err error
}

// bufferSize makes the reads below a tape large: entries are small, and there
// are hundreds of thousands. More than this makes no difference that can be
// measured.
const bufferSize = 128 << 10

// unknown is the end of an entry that only archive/tar can tell.
const unknown = -1

func newTape(r io.Reader, from Position, checkpoints []int64) *tape {
	t := &tape{
		src:  bufio.NewReaderSize(r, bufferSize),
		sum:  from.Resume(),
		pos:  from.Length,
		end:  from.Length,
		last: from.Time,
		edge: from,
		seen: make(map[int64]Position),
	}
	t.watch(checkpoints...)
	return t
}

// open begins the entry whose headers were just read. A size of unknown means
// that archive/tar has to tell.
func (t *tape) open(size int64, last time.Time) {
	t.last = last
	if size == unknown {
		t.end = unknown
		return
	}
	t.end = padded(t.pos, size)
	if t.end == t.pos {
		t.reach()
	}
}

// padded returns the end of the block in which size bytes from pos end. A size
// that no file has gives the largest end there is, and the file will then turn
// out to be cut.
func padded(pos, size int64) int64 {
	if size > math.MaxInt64-blockSize-pos {
		return math.MaxInt64 - math.MaxInt64%blockSize
	}
	end := pos + size + blockSize - 1
	return end - end%blockSize
}

// reach notes the boundary that pos has come to.
func (t *tape) reach() {
	t.loose = false
	t.edge = Position{midstate.Of(t.sum), t.last}
	t.note()
}

// watch adds checkpoints. Those that were passed already are not seen.
func (t *tape) watch(checkpoints ...int64) {
	t.points = slices.Sorted(slices.Values(append(t.points, checkpoints...)))
	t.note()
}

// note moves the checkpoints up to the newest boundary out of the way.
func (t *tape) note() {
	for len(t.points) > 0 && t.points[0] <= t.edge.Length {
		if t.points[0] == t.edge.Length {
			t.seen[t.edge.Length] = t.edge
		}
		t.points = t.points[1:]
	}
}

// Read gives archive/tar its next bytes, never across the end of an entry.
func (t *tape) Read(p []byte) (int, error) {
	t.settle(len(p))
	if left := t.end - t.pos; left > 0 && int64(len(p)) > left {
		p = p[:left]
	}
	n, err := t.src.Read(p)
	t.take(p[:n])
	return n, t.fail(err)
}

// Seek skips forward; archive/tar asks for it to leave all but the last byte of
// an entry's content, if that is more than one byte.
func (t *tape) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || offset < 0 {
		return t.pos, errors.ErrUnsupported
	}
	if t.end == unknown && offset > 0 {
		t.end = padded(t.pos, offset+1)
	}
	err := t.copyTo(io.Discard, offset)
	return t.pos, err
}

// close skips what is left of the open entry, whose end is known.
func (t *tape) close() error { return t.copyTo(io.Discard, t.end-t.pos) }

// block returns the block that lies ahead, or less of it at the end.
func (t *tape) block() ([]byte, error) {
	block, err := t.src.Peek(blockSize)
	if err == io.EOF {
		err = nil
	}
	return block, t.fail(err)
}

// copyTo copies n bytes that do not cross the end of an entry to a writer that
// cannot fail.
func (t *tape) copyTo(w io.Writer, n int64) error {
	for n > 0 {
		chunk, err := t.chunk(n)
		if err != nil {
			return noEOF(t.fail(err))
		}
		n -= int64(len(chunk))
		_, _ = w.Write(chunk)
		t.pass(chunk)
	}
	return nil
}

// settle finds the end of an entry that archive/tar leaves by reading want
// bytes: it would have used Seek if more than one byte of content remained. So
// it reads either that byte, or the padding, or the next header, which is a
// whole block.
func (t *tape) settle(want int) {
	if t.end != unknown {
		return
	}
	if t.pos%blockSize == 0 && want == 1 {
		t.end = padded(t.pos, 1)
		return
	}
	t.end = padded(t.pos, 0)
	if t.end == t.pos {
		t.reach()
	}
}

// take counts and hashes p, which does not cross the end of an entry.
func (t *tape) take(p []byte) {
	if t.pos >= t.end && !t.loose {
		t.loose = firstNonZero(p) < len(p)
	}
	t.sum.Write(p) // a hash.Hash never fails
	t.pos += int64(len(p))
	if t.pos == t.end && len(p) > 0 {
		t.reach()
	}
}

// chunk returns at least one and at most limit bytes that lie ahead.
func (t *tape) chunk(limit int64) ([]byte, error) {
	if t.src.Buffered() == 0 {
		if _, err := t.src.Peek(1); err != nil {
			return nil, err
		}
	}
	return t.src.Peek(int(min(limit, int64(t.src.Buffered()))))
}

// pass takes a chunk and moves behind it.
func (t *tape) pass(chunk []byte) {
	t.take(chunk)
	t.src.Discard(len(chunk)) // the bytes are in the buffer, so this cannot fail
}

// reached is where the source has come to.
func (t *tape) reached() int64 { return t.pos + int64(t.src.Buffered()) }

// fail remembers what the source failed with, to tell it from a damaged index.
func (t *tape) fail(err error) error {
	if err != nil && err != io.EOF {
		t.err = err
	}
	return err
}

// noEOF makes an end that comes too early an error that says so.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// firstNonZero returns the place of p's first byte that is not zero, or its
// length.
func firstNonZero(p []byte) int {
	for i, b := range p {
		if b != 0 {
			return i
		}
	}
	return len(p)
}
