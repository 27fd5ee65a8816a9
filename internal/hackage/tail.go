package hackage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// Have says what destinations have of the index already.
type Have struct {
	// Tar is the oldest position among them; if it is zero, all of the index is
	// wanted.
	Tar index.Position
	// Gz is the shortest prefix that a bucket holds of 01-index.tar.gz; if it is
	// zero, all of that is wanted.
	Gz midstate.Prefix
	// NeedGz says that a bucket wants 01-index.tar.gz at all.
	NeedGz bool
}

// The files that parts of the index are kept in. The whole may come to lie beside
// them.
const (
	tarTailFile = indexTarFile + ".tail"
	gzTailFile  = indexGzFile + ".tail"
)

// IndexFrom is Index for destinations that have most of it: it fetches only what
// follows, with one request for a part of 01-index.tar, and another for one of
// 01-index.tar.gz if that is needed. Each is proven by SHA-256, which goes on
// from the midstate and must come to the digest that the snapshot names, so what
// is returned is as good as the whole.
//
// Where a part is not available or does not prove itself, the whole is fetched, as
// Index does: the server gives no parts, upstream has rewritten its index, or
// what have says is wrong. Options.Notify is told why. Then From is zero, and the
// log tells which positions are true. Only the packed index is fetched whole if
// only its part is at fault, which a new compression explains.
//
// The whole is also fetched when parts would not save anything, or if the
// snapshot does not name 01-index.tar.
func (u *Upstream) IndexFrom(ctx context.Context, m *Metadata, dir string, have Have) (*Index, error) {
	if info, signed := m.Snapshot.IndexTar(); signed && have.Tar.Length > info.Length {
		u.instead(indexTarFile, have.Tar.Length, fmt.Errorf("%d bytes are signed: %w", info.Length, tuf.ErrLength))
	}
	if !have.worth(m) {
		return u.Index(ctx, m, dir)
	}
	ix, err := u.indexTail(ctx, m, dir, have)
	if err == nil || ctx.Err() != nil {
		return ix, err
	}
	u.instead(indexTarFile, have.Tar.Length, err)
	return u.Index(ctx, m, dir)
}

// Read is IndexFrom for an upstream whose files may not fit together yet: the
// caches before Hackage hold an older index than its snapshot names for a minute
// and more. It waits for that, and reads the metadata anew in between, so what it
// returns is one set of both.
func (u *Upstream) Read(ctx context.Context, m *Metadata, dir string, have Have) (*Metadata, *Index, error) {
	fromIndex := false
	ix, _, err := inRounds(ctx, u, func(round int) (*Index, error) {
		if fromIndex = false; round > 1 {
			seen := m.Seen()
			seen.ETag, seen.Digest = "", ""
			newer, err := u.Metadata(ctx, seen)
			if err != nil {
				return nil, err
			}
			m = newer
		}
		fromIndex = true
		return u.IndexFrom(ctx, m, dir, have)
	}, func(round int, err error) bool {
		return fromIndex && (errors.Is(err, ErrTorn) || turnedAway(round, err))
	})
	return m, ix, err
}

// instead tells why a file comes whole.
func (u *Upstream) instead(key string, behind int64, err error) {
	u.o.Notify(Retry{What: u.src.name(key), Attempt: 1, Err: fmt.Errorf("all of it is fetched instead of what follows %d bytes: %w", behind, err)})
}

// worth reports whether parts of the index are enough, and less than the whole.
func (h Have) worth(m *Metadata) bool {
	tar, signed := m.Snapshot.IndexTar()
	gz := m.Snapshot.IndexTarGz().Length
	if !signed || tar.Length > MaxIndex || h.Tar.IsZero() || h.Tar.Length >= tar.Length {
		return false
	}
	part := tar.Length - h.Tar.Length
	if !h.NeedGz {
		return part < gz
	}
	// Without a prefix, all of the packed index comes and holds everything.
	return h.Gz.Within(gz-1) && !h.Gz.IsZero() && part+gz-h.Gz.Length < gz
}

// indexTail fetches parts.
func (u *Upstream) indexTail(ctx context.Context, m *Metadata, dir string, have Have) (*Index, error) {
	root, err := openFolderOf(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	info, _ := m.Snapshot.IndexTar()
	ix := &Index{From: have.Tar, size: info.Length - have.Tar.Length, info: info, rest: newRest(u, m, dir)}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		ix.tar, err = u.tarTail(ctx, info, root, have.Tar)
		return err
	})
	if have.NeedGz {
		both.Go(func() (err error) {
			ix.packed, err = u.gzTail(ctx, m, root, have.Gz)
			return err
		})
	}
	if err = both.Wait(); err == nil {
		return ix, nil
	}
	if ix.tar != nil {
		err = errors.Join(err, ix.tar.Close(), root.RemoveAll(tarTailFile))
	}
	if ix.packed != nil {
		err = errors.Join(err, ix.packed.Close(), root.RemoveAll(gzTailFile))
	}
	return nil, err
}

// tarTail fetches what follows a position, and reads it once: the entries must
// go on there, and end in the signed digest.
func (u *Upstream) tarTail(ctx context.Context, info tuf.FileInfo, root *os.Root, from index.Position) (*os.File, error) {
	file, err := create(root, tarTailFile)
	if err != nil {
		return nil, err
	}
	size := info.Length - from.Length
	r := request{key: indexTarFile, offset: from.Length, limit: size, total: info.Length}
	err = u.fetchPart(ctx, r, func() io.Writer { return &restarted{file: file} })
	if err == nil {
		err = proveTail(io.NewSectionReader(file, 0, size), info, from)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close(), root.RemoveAll(tarTailFile))
	}
	return file, nil
}

// proveTail reads a log behind a position.
func proveTail(r io.Reader, info tuf.FileInfo, from index.Position) error {
	l := index.NewLog(r, from)
	for _, err := range l.Entries() {
		if err != nil {
			return err
		}
	}
	return l.Finish(info.Length, info.SHA256)
}

// gzTail fetches what follows a prefix of the packed index, or all of it if that
// does not prove itself.
func (u *Upstream) gzTail(ctx context.Context, m *Metadata, root *os.Root, from midstate.Prefix) (*packedFile, error) {
	info := m.Snapshot.IndexTarGz()
	file, err := create(root, gzTailFile)
	if err != nil {
		return nil, err
	}
	size := info.Length - from.Length
	r := request{key: indexGzFile, offset: from.Length, limit: size, total: info.Length}
	d := newDigester(from, info.Length)
	err = u.fetchPart(ctx, r, d.before(func() io.Writer { return &restarted{file: file} }))
	if err == nil {
		if err = d.check(info); err != nil {
			err = fmt.Errorf("fetch %s: %w", u.src.name(indexGzFile), err)
		}
	}
	if err == nil {
		return &packedFile{Packed: Packed{From: from, Body: file, Size: size, Info: info, Mark: d.mark}, file: file}, nil
	}
	if closeErr := errors.Join(file.Close(), root.RemoveAll(gzTailFile)); closeErr != nil || ctx.Err() != nil {
		return nil, errors.Join(err, closeErr)
	}
	u.instead(indexGzFile, from.Length, err)
	return u.fetchIndex(ctx, m, root)
}
