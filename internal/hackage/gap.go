package hackage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
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
	var part bytes.Buffer
	r := request{key: indexTarFile, offset: from.Length, limit: min(size, most), total: info.Length}
	err := u.fetchPart(ctx, r, func() io.Writer {
		part.Reset()
		return &part
	})
	if err != nil {
		return Gap{}, err
	}
	log := index.NewLog(&part, from)
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
