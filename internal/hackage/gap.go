package hackage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// ErrNoTar says that a snapshot does not name 01-index.tar.
var ErrNoTar = errors.New("snapshot.json does not name 01-index.tar")

// A Gap is what an index has behind a position.
type Gap struct {
	// Bytes is its length, without the closing zero blocks.
	Bytes int64
	// Entries counts the files of packages in it, -1 if it is too long to be
	// looked through.
	Entries int
	// First is the time of the first of them, Last that of the last if all were
	// counted.
	First, Last time.Time
	// Proven says that the position's midstate and the gap come to the digest that
	// the snapshot names.
	Proven bool
}

// Gap tells with one request what the index of a set of metadata has behind a
// position. It reads at most so many bytes; of a longer gap it knows how long it is
// and when it begins. A position without a midstate is believed, and what follows it
// is not proven then.
//
// Errors are index.ErrLength for a position behind the end, index.ErrDigest for one
// that the index does not have, ErrNoTar, and what keeps the part from being had.
func (u *Upstream) Gap(ctx context.Context, m *Metadata, from index.Position, most int64) (Gap, error) {
	info, signed := m.Snapshot.IndexTar()
	size := info.Length - from.Length
	switch {
	case !signed:
		return Gap{}, ErrNoTar
	case from.Ends(info.Length, info.SHA256):
		return Gap{Proven: true}, nil
	case size <= 0:
		return Gap{}, fmt.Errorf("%d bytes where %d are signed: %w", from.Length, info.Length, index.ErrLength)
	}
	r := request{key: indexTarFile, offset: from.Length, limit: min(size, most), total: info.Length}
	part, err := u.part(ctx, r)
	if err != nil {
		return Gap{}, err
	}
	log := index.NewLog(bytes.NewReader(part), from)
	if r.limit < size {
		return beginning(log, size)
	}
	return measure(log, from, func() error { return log.Finish(info.Length, info.SHA256) })
}

// beginning tells of a gap of which only the beginning is here.
func beginning(log *index.Log, size int64) (Gap, error) {
	gap := Gap{Bytes: max(0, size-index.Closing), Entries: -1}
	for e, err := range log.Entries() {
		if err != nil {
			return gap, err
		}
		gap.First = e.Time
		break
	}
	return gap, nil
}

// measure tells of a gap that is here.
func measure(log *index.Log, from index.Position, finish func() error) (gap Gap, err error) {
	for e, err := range log.Entries() {
		if err != nil {
			return gap, err
		}
		if gap.Entries == 0 {
			gap.First = e.Time
		}
		gap.Entries++
		gap.Last = e.Time
	}
	gap.Bytes = log.End().Length - from.Length
	if from.Midstate == [32]byte{} && !from.IsZero() {
		return gap, nil
	}
	err = finish()
	gap.Proven = err == nil
	return gap, err
}

// Since is Gap for who knows only the time of the newest entry that is there: it
// looks for newer ones among the last bytes of the index, so many at most. Nothing
// proves what it finds. ErrFarBack says that all of those are newer.
func (u *Upstream) Since(ctx context.Context, m *Metadata, newest time.Time, most int64) (Gap, error) {
	info, signed := m.Snapshot.IndexTar()
	if !signed {
		return Gap{}, ErrNoTar
	}
	at := max(0, info.Length-most) / tarBlock * tarBlock
	part, err := u.part(ctx, request{key: indexTarFile, offset: at, limit: info.Length - at, total: info.Length})
	if err != nil {
		return Gap{}, err
	}
	start := firstHeader(part)
	return newer(index.NewLog(bytes.NewReader(part[start:]), index.Position{Prefix: midstate.Prefix{Length: at + int64(start)}}), newest)
}

// ErrFarBack says that the oldest entry that is missing lies further back than was
// looked.
var ErrFarBack = errors.New("more is missing than was looked for")

// newer counts the entries of a log that are newer than a time. A log that does not
// begin with the index must have an older one.
func newer(log *index.Log, newest time.Time) (gap Gap, err error) {
	older, from := false, int64(0)
	for e, err := range log.Entries() {
		switch {
		case err != nil:
			return gap, err
		case !e.Time.After(newest):
			older = true
			continue
		case gap.Entries == 0:
			gap.First, from = e.Time, e.Offset
		}
		gap.Entries++
		gap.Last = e.Time
	}
	if gap.Entries > 0 {
		gap.Bytes = log.End().Length - from
	}
	if !older && from > 0 {
		return gap, ErrFarBack
	}
	return gap, nil
}

// The parts of a tar file's header that tell it from other blocks.
const (
	tarBlock    = 512
	tarSum      = 148 // where the sum of its bytes stands, in octal digits
	tarSumWidth = 8
)

// firstHeader returns where the first header of a tar file begins in a part of one
// that begins at a block; the length if there is none. The sum of a header's bytes
// stands in it, as if the sum itself were blanks.
func firstHeader(raw []byte) int {
	for at := 0; at+tarBlock <= len(raw); at += tarBlock {
		block := raw[at : at+tarBlock]
		digits := bytes.Trim(block[tarSum:tarSum+tarSumWidth], " \x00")
		said, err := strconv.ParseInt(string(digits), 8, 64)
		sum := int64(tarSumWidth * ' ')
		for i, b := range block {
			if i < tarSum || i >= tarSum+tarSumWidth {
				sum += int64(b)
			}
		}
		if err == nil && said == sum {
			return at
		}
	}
	return len(raw)
}
