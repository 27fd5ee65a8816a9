package hackage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// ErrNoEntry says that at a place of the index no entry of the size begins that
// was asked for.
var ErrNoEntry = errors.New("no such entry of the index begins there")

// A rest stands for what was not fetched of an index.
type rest struct {
	u   *Upstream
	m   *Metadata
	dir string
	// turn is held by whoever looks at whole or makes it.
	turn  chan struct{}
	whole *Index
}

func newRest(u *Upstream, m *Metadata, dir string) *rest {
	return &rest{u: u, m: m, dir: dir, turn: make(chan struct{}, 1)}
}

// close closes the whole index. What it shares with the part stays open.
func (r *rest) close(shared *packedFile) error {
	if r.whole == nil {
		return nil
	}
	if r.whole.packed == shared {
		r.whole.packed = nil
	}
	return r.whole.Close()
}

// Whole returns the index with everything in it: itself if it is that, else one
// that is fetched now, in one go for all who ask, and closed with ix. It is the
// index of the same metadata; once upstream has published a newer one the error
// is ErrTorn, so who will need it should not ask late.
func (ix *Index) Whole(ctx context.Context) (*Index, error) {
	if ix.rest == nil {
		return ix, nil
	}
	r := ix.rest
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if r.whole != nil {
		return r.whole, nil
	}
	whole, err := r.fetch(ctx, ix)
	if err != nil {
		return nil, fmt.Errorf("fetch the whole index: %w", err)
	}
	r.whole = whole
	return whole, nil
}

// fetch makes the whole index, of the packed one if that came whole.
func (r *rest) fetch(ctx context.Context, ix *Index) (*Index, error) {
	if ix.Gz() == "" {
		return r.u.Index(ctx, r.m, r.dir)
	}
	root, err := openFolderOf(r.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	return unpackIndex(ctx, r.m, ix.packed, root)
}

// fetched returns the whole index if it is there already.
func (ix *Index) fetched() *Index {
	select {
	case ix.rest.turn <- struct{}{}:
		defer func() { <-ix.rest.turn }()
		return ix.rest.whole
	default:
		return nil // somebody is at it
	}
}

// aroundEntry is how many bytes are asked for beside an entry's content and its
// header, for headers of a long name.
const aroundEntry = 4 << 10

// EntryAt returns the entry that begins at span.Offset and whose content has
// span.Size bytes. It may also lie before ix.From: then one request brings it,
// or, if what comes is not such an entry, the whole index is fetched.
//
// What comes by a request of its own is not proven by the snapshot, unlike all
// else: the caller must know the content's digest from elsewhere and compare it.
// The error is ErrNoEntry if there is no such entry, and ErrTooLarge beyond
// index.MaxEntry.
func (ix *Index) EntryAt(ctx context.Context, span index.Span) (index.Entry, error) {
	switch {
	case span.Size < 0 || span.Size > index.MaxEntry:
		return index.Entry{}, fmt.Errorf("read index entry at offset %d: %d bytes, %d are the limit: %w", span.Offset, span.Size, index.MaxEntry, ErrTooLarge)
	case span.Offset < 0 || span.Offset >= ix.info.Length-span.Size:
		return index.Entry{}, fmt.Errorf("read index entry at offset %d: %w", span.Offset, ErrNoEntry)
	case span.Offset >= ix.From.Length:
		return readEntry(ix.Log(index.Position{Prefix: midstate.Prefix{Length: span.Offset}}), span)
	}
	if whole := ix.fetched(); whole != nil {
		return whole.EntryAt(ctx, span)
	}
	e, err := ix.fetchEntry(ctx, span)
	if err == nil || ctx.Err() != nil {
		return e, err
	}
	u := ix.rest.u
	u.o.Notify(Retry{What: u.src.name(indexTarFile), Attempt: 1, Err: fmt.Errorf("the whole index is fetched instead of one entry: %w", err)})
	whole, err := ix.Whole(ctx)
	if err != nil {
		return index.Entry{}, err
	}
	return whole.EntryAt(ctx, span)
}

// TarPart returns some bytes of 01-index.tar, and PackedPart of 01-index.tar.gz,
// wherever they are. What a request brings is not proven.
func (ix *Index) TarPart(ctx context.Context, at, size int64) ([]byte, error) {
	return ix.part(ctx, indexTarFile, ix.tar, ix.From.Length, ix.info.Length, at, size)
}

// PackedPart is described with TarPart.
func (ix *Index) PackedPart(ctx context.Context, at, size int64) ([]byte, error) {
	if ix.packed == nil {
		return nil, errors.New("the packed index was not fetched")
	}
	return ix.part(ctx, indexGzFile, ix.packed.Body, ix.packed.From.Length, ix.packed.Info.Length, at, size)
}

// part reads what is here, which begins at from, and asks for what is not.
func (ix *Index) part(ctx context.Context, key string, here io.ReaderAt, from, total, at, size int64) ([]byte, error) {
	if at >= from {
		content := make([]byte, size)
		_, err := io.NewSectionReader(here, at-from, size).ReadAt(content, 0)
		return content, err
	}
	var part bytes.Buffer
	err := ix.rest.u.fetchPart(ctx, request{key: key, offset: at, limit: size, total: total}, func() io.Writer {
		part.Reset()
		return &part
	})
	return part.Bytes(), err
}

// fetchEntry asks for the part of the index that an entry is in. The index may
// have grown since.
func (ix *Index) fetchEntry(ctx context.Context, span index.Span) (index.Entry, error) {
	var part bytes.Buffer
	r := request{key: indexTarFile, offset: span.Offset}
	r.limit = min(span.Size+aroundEntry, ix.info.Length-span.Offset)
	err := ix.rest.u.fetchPart(ctx, r, func() io.Writer {
		part.Reset()
		return &part
	})
	if err != nil {
		return index.Entry{}, err
	}
	return readEntry(index.NewLog(&part, index.Position{Prefix: midstate.Prefix{Length: span.Offset}}), span)
}

// readEntry reads the first entry of a log, which must be the one at span.
func readEntry(l *index.Log, span index.Span) (index.Entry, error) {
	for e, err := range l.Entries() {
		switch {
		case errors.Is(err, index.ErrDamaged):
			return index.Entry{}, fmt.Errorf("%w: %w", err, ErrNoEntry)
		case err != nil:
			return index.Entry{}, err
		case e.Offset != span.Offset || e.Size != span.Size:
			return index.Entry{}, fmt.Errorf("read index entry at offset %d: another is there: %w", span.Offset, ErrNoEntry)
		}
		return e, nil // nobody reads on in this log, so the content stays
	}
	return index.Entry{}, fmt.Errorf("read index entry at offset %d: the index ends there: %w", span.Offset, ErrNoEntry)
}
