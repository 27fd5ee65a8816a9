package hackage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
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
	gap, _, err := count(log, time.Time{})
	if err != nil {
		return gap, err
	}
	if gap.Bytes = log.End().Length - from.Length; from.Midstate != [32]byte{} || from.IsZero() {
		err = log.Finish(info.Length, info.SHA256)
		gap.Proven = err == nil
	}
	return gap, err
}

// beginning tells of a gap of which only the beginning is here.
func beginning(log *index.Log, size int64) (Gap, error) {
	gap := Gap{Bytes: max(0, size-index.Closing), Entries: -1}
	for e, err := range log.Entries() {
		gap.First = e.Time
		return gap, err
	}
	return gap, nil
}

// count tells of the entries of a log that are newer than a time, and whether there is
// an older one.
func count(log *index.Log, newest time.Time) (gap Gap, older bool, err error) {
	from := int64(0)
	for e, err := range log.Entries() {
		switch {
		case err != nil:
			return gap, older, err
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
	return gap, older, nil
}

// Since is Gap for who knows only the time of the newest entry that is there: it
// looks for newer ones among the last bytes of the index, so many at most. Nothing
// proves what it finds. ErrFarBack says that all of those are newer.
func (u *Upstream) Since(ctx context.Context, m *Metadata, newest time.Time, most int64) (Gap, error) {
	info, signed := m.Snapshot.IndexTar()
	if !signed {
		return Gap{}, ErrNoTar
	}
	_, log, err := u.tail(ctx, info, most)
	if err != nil {
		return Gap{}, err
	}
	begins := log.End().Length == 0
	gap, older, err := count(log, newest)
	if err == nil && gap.Entries > 0 && !older && !begins {
		err = ErrFarBack
	}
	return gap, err
}

// ErrFarBack says that the oldest entry that is missing lies further back than was
// looked.
var ErrFarBack = errors.New("more is missing than was looked for")

// tail returns the last bytes of the index, so many at most, and the log in them.
func (u *Upstream) tail(ctx context.Context, info tuf.FileInfo, most int64) ([]byte, *index.Log, error) {
	at := max(0, info.Length-most)
	at -= at % headSize
	end, err := u.part(ctx, request{key: indexTarFile, offset: at, limit: info.Length - at, total: info.Length})
	return end, index.LogWithin(end, at), err
}
