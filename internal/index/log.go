package index

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
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
)

// A Log reads an index, or its tail behind a position, once from front to back.
// It is for one goroutine.
type Log struct {
	from Position
	tape *tape
	// tar reads the headers that are not plain. It is nil before the first of
	// them, and again once the end of what it read last is known.
	tar    *tar.Reader
	plain  tar.Header // the plain header read last
	buf    bytes.Buffer
	passed Skipped
	odd    oddity // the entry that was skipped last
	done   bool
	err    error
}

// NewLog returns a log over r, whose first byte is byte from.Length of the
// index. The checkpoints are lengths of prefixes that At will be asked about,
// in any order.
func NewLog(r io.Reader, from Position, checkpoints ...int64) *Log {
	return &Log{from: from, tape: newTape(r, from, checkpoints)}
}

// Entries returns the entries ahead, in the order of the log. It ends with the
// log, or with an error, which names the offset in the index and wraps
// ErrDamaged or what reading failed with. A loop that was left early can be
// taken up again by another call.
func (l *Log) Entries() iter.Seq2[Entry, error] {
	return l.entries(func(Entry) bool { return true })
}

// entries is Entries with the content of the wanted ones only. The rest is hashed
// where it lies, without a copy.
func (l *Log) entries(want func(Entry) bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range l.steps(want) {
			if (err != nil || e.Kind != 0) && !yield(e, err) {
				return
			}
		}
	}
}

// steps is entries with those that are skipped, which have no Kind; odd
// tells of them.
func (l *Log) steps(want func(Entry) bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for l.err == nil && !l.done {
			e, err := l.next(want)
			switch {
			case err == io.EOF:
				l.done = true
			case err != nil:
				l.err = l.explain(err)
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
	h, err := l.header()
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Offset: l.tape.edge.Length, Time: l.time(h), Size: h.Size}
	var reason string
	if e.Kind, e.Release, reason = classify(h); reason != "" {
		e.Kind = 0
		l.odd = oddity{path: h.Name, reason: reason}
		l.passed.add(l.odd)
	}
	if !plain(h) {
		l.tape.open(unknown, e.Time)
		return e, nil
	}
	l.tar = nil
	l.tape.open(h.Size, e.Time)
	e.End = l.tape.end
	if e.Kind == 0 || !want(e) {
		return e, nil
	}
	l.buf.Reset()
	if err := l.tape.copyTo(&l.buf, h.Size); err != nil {
		return Entry{}, err
	}
	e.Content = l.buf.Bytes()
	return e, nil
}

// header reads on to the next header, and reads that.
func (l *Log) header() (*tar.Header, error) {
	if l.tar == nil {
		if err := l.tape.close(); err != nil {
			return nil, err
		}
		block, err := l.tape.block()
		if err != nil {
			return nil, err
		}
		if readPlain(block, &l.plain) {
			return &l.plain, l.tape.copyTo(io.Discard, blockSize)
		}
		l.tar = tar.NewReader(l.tape)
	}
	h, err := l.tar.Next()
	// ErrInsecurePath comes with a header, and only when GODEBUG asks for it.
	if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
		return nil, l.closing(err)
	}
	return h, nil
}

// closing tells the end of the log from an end that came too early: within the
// padding of an entry, or behind a long name that nothing follows.
func (l *Log) closing(err error) error {
	if err == io.EOF && (l.tape.pos < l.tape.end || l.tape.loose) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// explain says where the log could not be read on.
func (l *Log) explain(err error) error {
	if l.tape.err != nil {
		return fmt.Errorf("read index at offset %d: %w", l.tape.reached(), l.tape.err)
	}
	return fmt.Errorf("read index entry at offset %d: %w: %w", l.tape.edge.Length, ErrDamaged, err)
}

// classify says what an entry is, or why it is skipped.
func classify(h *tar.Header) (Kind, Release, string) {
	switch {
	case isSparse(h):
		return 0, Release{}, reasonSparse
	case !plain(h):
		return 0, Release{}, reasonType
	}
	kind, r, reason := parsePath(h.Name)
	if reason == "" && h.Size > MaxEntry {
		reason = reasonTooLarge
	}
	return kind, r, reason
}

// plain reports whether an entry is a regular file whose size is that of its
// content in the index.
func plain(h *tar.Header) bool { return h.Typeflag == tar.TypeReg && !isSparse(h) }

// isSparse reports whether an entry is a file with holes, in GNU's old form or
// in that of PAX.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// lastSecond is the end of the year 9999, behind which a time has no RFC 3339
// form.
const lastSecond = 253402300799

// time returns an entry's time in the bounds that Entry names. A global header
// has none and takes that of the entry before it.
func (l *Log) time(h *tar.Header) time.Time {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return l.tape.last
	}
	return time.Unix(min(max(h.ModTime.Unix(), 0), lastSecond), 0).UTC()
}

// End returns the position behind the newest entry that was read whole, also of
// one that was skipped. After a full run that is the end of the log.
func (l *Log) End() Position { return l.tape.edge }

// At returns the position at a checkpoint, and whether that length is a
// boundary between entries of this log, as far as it was read. Where the log
// began is one.
func (l *Log) At(length int64) (Position, bool) {
	p, ok := l.tape.seen[length]
	return p, ok
}

// Passed tells of the entries that were skipped so far.
func (l *Log) Skipped() Skipped {
	p := l.passed
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
	if l.tape.pos != length {
		return fmt.Errorf("check index: %w: %d bytes instead of %d", ErrLength, l.tape.pos, length)
	}
	if sum := l.tape.sum.Sum(nil); !bytes.Equal(sum, digest[:]) {
		return fmt.Errorf("check index: %w: %x instead of %x", ErrDigest, sum, digest)
	}
	return nil
}

// drain takes in the zeros behind the last entry, up to one more byte than the
// signed length has.
func (l *Log) drain(length int64) error {
	t := l.tape
	for t.pos <= length {
		chunk, err := t.chunk(math.MaxInt64)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return l.explain(t.fail(err))
		}
		if i := firstNonZero(chunk); i < len(chunk) {
			return fmt.Errorf("check index: %w: data at offset %d, after its closing blocks", ErrDamaged, t.pos+int64(i))
		}
		t.pass(chunk)
	}
	return nil
}
