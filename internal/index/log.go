package index

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// What a log can turn out to be, besides unreadable. All are found with
// errors.Is.
var (
	// ErrDamaged means that the bytes are not a tar file, or end within an
	// entry.
	ErrDamaged = errors.New("index is damaged")
	// ErrLength means that the index is not as long as it was signed.
	ErrLength = errors.New("the index does not have the signed length")
	// ErrDigest means that the index, or the prefix that its position
	// stands for, is not the signed one.
	ErrDigest = errors.New("the index does not have the signed SHA-256")
	// ErrRewritten means that the index does not continue the one that a
	// destination was built from.
	ErrRewritten = errors.New("the index was rewritten")
)

// A Log reads an index, or what follows a position, once from front to back.
// It is for one goroutine.
type Log struct {
	from    Position
	in      *hashingReader
	plain   tar.Header   // the plain header read last
	headers bytes.Buffer // the headers read last that are not plain
	content bytes.Buffer
	// end is where the entry read last ends, padding included, and last its time.
	end  int64
	last time.Time
	// edge is the newest boundary between entries that was passed.
	edge Position
	// checkpoints are those still to be passed, ascending; boundaries are those passed that are
	// boundaries.
	checkpoints []int64
	boundaries  map[int64]Position
	skipped     Skipped
	odd         oddity // the entry that was skipped last
	done        bool
	err         error
}

// NewLog returns a log over r, whose first byte is byte from.Length of the
// index. The checkpoints are lengths of prefixes that At will be asked about,
// in any order.
func NewLog(r io.Reader, from Position, checkpoints ...int64) *Log {
	l := newLog(r, bufferSize, from)
	l.watch(checkpoints...)
	return l
}

// LogWithin returns a log over a part of an index that begins at a block, from its first
// header on. Nothing proves what comes of it.
func LogWithin(part []byte, offset int64) *Log {
	start := FirstHeader(part)
	return NewLog(bytes.NewReader(part[start:]), Position{Prefix: midstate.Prefix{Length: offset + int64(start)}})
}

func newLog(r io.Reader, buffer int, from Position) *Log {
	return &Log{
		from: from, end: from.Length, last: from.Time, edge: from, boundaries: make(map[int64]Position),
		in: &hashingReader{src: bufio.NewReaderSize(r, buffer), sum: from.Resume(), pos: from.Length},
	}
}

// watch adds checkpoints. Those that were passed already are not found.
func (l *Log) watch(checkpoints ...int64) {
	l.checkpoints = slices.Sorted(slices.Values(append(l.checkpoints, checkpoints...)))
	l.passCheckpoints()
}

// passCheckpoints moves the checkpoints up to the newest boundary out of the way.
func (l *Log) passCheckpoints() {
	for len(l.checkpoints) > 0 && l.checkpoints[0] <= l.edge.Length {
		if l.checkpoints[0] == l.edge.Length {
			l.boundaries[l.edge.Length] = l.edge
		}
		l.checkpoints = l.checkpoints[1:]
	}
}

// Entries returns the entries that were not read yet, in the order of the log. It ends with the
// log, or with an error, which names the offset in the index and wraps
// ErrDamaged or what reading failed with. A loop that was left early can be
// taken up again by another call.
func (l *Log) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range l.steps(func(Entry) bool { return true }) {
			if (err != nil || e.Kind != 0) && !yield(e, err) {
				return
			}
		}
	}
}

// steps is Entries with those that are skipped, which have no Kind; odd tells of them.
// Only the wanted ones have their content: the rest is hashed where it lies, without a
// copy.
func (l *Log) steps(want func(Entry) bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for l.err == nil && !l.done {
			e, err := l.next(want)
			switch {
			case err == io.EOF:
				l.done = true
			case err != nil:
				l.err = l.located(err)
			case !yield(e, nil):
				return
			}
		}
		if l.err != nil {
			yield(Entry{}, l.err)
		}
	}
}

// next reads one entry. One that is skipped has no Kind.
func (l *Log) next(want func(Entry) bool) (Entry, error) {
	h, size, err := l.header()
	if err != nil {
		return Entry{}, err
	}
	l.end, l.last = padded(l.in.pos, size), l.time(h)
	e := Entry{Offset: l.edge.Length, End: l.end, Time: l.last, Size: h.Size}
	var reason string
	if e.Kind, e.Release, reason = classify(h); reason != "" {
		e.Kind = 0
		l.odd = oddity{path: h.Name, reason: reason}
		l.skipped.add(l.odd)
	}
	if e.Kind == 0 || !want(e) {
		return e, l.read(io.Discard, 0)
	}
	l.content.Reset()
	err = l.read(&l.content, size)
	e.Content = l.content.Bytes()
	return e, err
}

// read reads n bytes of an entry, and remembers the position at its end.
func (l *Log) read(w io.Writer, n int64) error {
	if err := l.in.copyTo(w, n); err != nil {
		return err
	}
	if l.in.pos == l.end && l.edge.Length < l.end {
		l.edge = Position{midstate.Of(l.in.sum), l.last}
		l.passCheckpoints()
	}
	return nil
}

// located says where the log could not be read on.
func (l *Log) located(err error) error {
	if l.in.err != nil {
		return fmt.Errorf("read index at offset %d: %w", l.in.reached(), l.in.err)
	}
	return fmt.Errorf("read index entry at offset %d: %w: %w", l.edge.Length, ErrDamaged, err)
}

// classify says what an entry is, or why it is skipped.
func classify(h *tar.Header) (Kind, Release, string) {
	switch {
	case isSparse(h):
		return 0, Release{}, reasonSparse
	case h.Typeflag != tar.TypeReg:
		return 0, Release{}, reasonType
	}
	kind, r, reason := parsePath(h.Name)
	if reason == "" && h.Size > MaxEntry {
		reason = reasonTooLarge
	}
	return kind, r, reason
}

// lastSecond is the end of the year 9999, behind which a time has no RFC 3339
// form.
const lastSecond = 253402300799

// time returns an entry's time in the bounds that Entry names. A global header
// has none and takes that of the entry before it.
func (l *Log) time(h *tar.Header) time.Time {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return l.last
	}
	return time.Unix(min(max(h.ModTime.Unix(), 0), lastSecond), 0).UTC()
}

// End returns the position behind the newest entry that was read whole, also of
// one that was skipped. After a full run that is the end of the log.
func (l *Log) End() Position { return l.edge }

// At returns the position at a checkpoint, and whether that length is a
// boundary between entries of this log, as far as it was read. Where the log
// began is one.
func (l *Log) At(length int64) (Position, bool) {
	p, ok := l.boundaries[length]
	return p, ok
}

// Skipped tells of the entries that were skipped so far.
func (l *Log) Skipped() Skipped {
	p := l.skipped
	p.ByReason = maps.Clone(p.ByReason)
	p.Samples = slices.Clone(p.Samples)
	return p
}

// Finish reads what follows the last entry, and checks the length in bytes and
// the digest of the whole index. Only zeros may follow: tar's two closing
// blocks, and any padding. Errors wrap ErrLength, ErrDigest, ErrDamaged, or
// what reading failed with. The entries must have been read to their end.
func (l *Log) Finish(length int64, digest [sha256.Size]byte) error {
	if l.err != nil {
		return l.err
	}
	if !l.done {
		return errors.New("check index: its entries were not read to the end")
	}
	if err := l.drain(length); err != nil {
		return err
	}
	if l.in.pos != length {
		return fmt.Errorf("check index: %w: %d bytes instead of %d", ErrLength, l.in.pos, length)
	}
	if sum := l.in.sum.Sum(nil); !bytes.Equal(sum, digest[:]) {
		return fmt.Errorf("check index: %w: %x instead of %x", ErrDigest, sum, digest)
	}
	return nil
}

// drain reads the zeros behind the last entry, up to one more byte than the
// signed length has.
func (l *Log) drain(length int64) error {
	r := l.in
	for r.pos <= length {
		chunk, err := r.chunk(math.MaxInt64)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return l.located(err)
		}
		if i := firstNonZero(chunk); i < len(chunk) {
			return fmt.Errorf("check index: %w: data at offset %d, after its closing blocks", ErrDamaged, r.pos+int64(i))
		}
		r.pass(chunk)
	}
	return nil
}
