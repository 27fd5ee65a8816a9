package hackage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// An Access is an Index with the way to what was not downloaded of it. Whoever gets one
// may ask the network; whoever gets its Index may not.
type Access struct {
	*Index
	u    *Upstream
	m    *Metadata
	dir  string
	busy chan struct{} // held by whoever makes full
	full atomic.Pointer[Access]
}

// Access returns the way to the rest of an index of m, which is downloaded into dir
// when it is needed.
func (u *Upstream) Access(m *Metadata, dir string, ix *Index) *Access {
	return &Access{Index: ix, u: u, m: m, dir: dir, busy: make(chan struct{}, 1)}
}

// Close closes the index, and the full one.
func (a *Access) Close() error {
	var err error
	if full := a.full.Load(); full != nil {
		err = full.Tar.close()
		if full.Packed != a.Packed {
			err = errors.Join(err, full.Packed.close())
		}
	}
	return errors.Join(err, a.Index.Close())
}

// Full returns the index with everything in it: a itself if it is that, else one
// that is downloaded now, in one go for all who ask, and closed with a. It is the
// index of the same metadata; once upstream has published a newer one the error
// is ErrTorn, so who will need it should not ask late.
func (a *Access) Full(ctx context.Context) (*Access, error) {
	if a.From.IsZero() {
		return a, nil
	}
	select {
	case a.busy <- struct{}{}:
		defer func() { <-a.busy }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if full := a.full.Load(); full != nil {
		return full, nil
	}
	ix, err := a.download(ctx)
	if err != nil {
		return nil, fmt.Errorf("fetch the whole index: %w", err)
	}
	full := a.u.Access(a.m, a.dir, ix)
	a.full.Store(full)
	return full, nil
}

// download makes the full index, of the packed one if that came whole.
func (a *Access) download(ctx context.Context) (*Index, error) {
	if a.Packed == nil || !a.Packed.From.IsZero() {
		return a.u.Index(ctx, a.m, a.dir)
	}
	root, err := openFolderOf(a.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	return unpackIndex(ctx, a.m, a.Packed, root)
}

// FullAfter is Full for who could not read Index, and tells why.
func (a *Access) FullAfter(ctx context.Context, err error) (*Access, error) {
	a.u.notifyWhole(indexTarFile, a.From.Length, err)
	return a.Full(ctx)
}

// Entry is Index.Entry for an entry that may also lie before From: then one request
// brings it, or, if what comes is not such an entry, the full index is downloaded.
//
// What comes by a request of its own is not proven by the snapshot, unlike all
// else: the caller must know the content's digest from elsewhere and compare it.
func (a *Access) Entry(ctx context.Context, span index.Span) (index.Entry, error) {
	if span.Offset >= a.From.Length || !span.Within(a.Tar.Info.Length) {
		return a.Index.Entry(span)
	}
	if full := a.full.Load(); full != nil {
		return full.Index.Entry(span)
	}
	// The index may have grown since, so its length does not matter.
	part, err := a.u.part(ctx, request{
		key: indexTarFile, offset: span.Offset, limit: min(span.Size+index.AroundEntry, a.Tar.Info.Length-span.Offset),
	})
	if err == nil {
		var e index.Entry
		if e, err = index.ReadEntry(bytes.NewReader(part), span); err == nil {
			return e, nil
		}
	}
	if ctx.Err() != nil {
		return index.Entry{}, err
	}
	a.u.o.Notify(Retry{What: a.u.src.name(indexTarFile), Attempt: 1, Err: fmt.Errorf("the whole index is fetched instead of one entry: %w", err)})
	full, err := a.Full(ctx)
	if err != nil {
		return index.Entry{}, err
	}
	return full.Index.Entry(span)
}

// TarPart returns some bytes of 01-index.tar, and PackedPart of 01-index.tar.gz,
// wherever they are. What a request brings is not proven.
func (a *Access) TarPart(ctx context.Context, at, size int64) ([]byte, error) {
	return a.bytes(ctx, indexTarFile, &a.Tar, at, size)
}

// PackedPart is described with TarPart.
func (a *Access) PackedPart(ctx context.Context, at, size int64) ([]byte, error) {
	if a.Packed == nil {
		return nil, errors.New("the packed index was not fetched")
	}
	return a.bytes(ctx, indexGzFile, a.Packed, at, size)
}

// bytes reads what is here, and asks for what is not.
func (a *Access) bytes(ctx context.Context, key string, here *Part, at, size int64) ([]byte, error) {
	if at < here.From.Length {
		return a.u.part(ctx, request{key: key, offset: at, limit: size, total: here.Info.Length})
	}
	content := make([]byte, size)
	_, err := io.NewSectionReader(here.Body, at-here.From.Length, size).ReadAt(content, 0)
	return content, err
}
