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

// Held says what destinations hold of the index already.
type Held struct {
	// Tar is the oldest position among them; if it is zero, all of the index is
	// wanted.
	Tar index.Position
	// Gz is the shortest prefix that a bucket holds of 01-index.tar.gz; if it is
	// zero, all of that is wanted.
	Gz midstate.Prefix
	// NeedGz says that a bucket wants 01-index.tar.gz at all.
	NeedGz bool
}

// IndexFrom is Index for destinations that hold most of it: it downloads only what
// follows, with one request for a part of 01-index.tar, and another for one of
// 01-index.tar.gz if that is needed. Each is proven as it arrives by SHA-256, which
// goes on from the midstate and must come to the digest that the snapshot names, so
// what is returned is as good as the whole. It is not proven that an entry begins at
// the position, unless it comes of a run: see Access.FullAfter.
//
// Where a part is not available or does not prove itself, the whole is downloaded, as
// Index does: the server gives no parts, upstream has rewritten its index, or
// what held says is wrong. Options.Notify is told why. Then From is zero, and the
// log tells which positions are true. Only the packed index is downloaded whole if
// only its part is at fault, which a new compression explains.
//
// The whole is also downloaded when parts would not save anything, or if the
// snapshot does not name 01-index.tar.
func (u *Upstream) IndexFrom(ctx context.Context, m *Metadata, dir string, held Held) (*Index, error) {
	if info, signed := m.Snapshot.IndexTar(); signed && held.Tar.Length > info.Length {
		u.notifyWhole(indexTarFile, held.Tar.Length, fmt.Errorf("%d bytes are signed: %w", info.Length, tuf.ErrLength))
	}
	if !held.shouldFetchPart(m) {
		return u.Index(ctx, m, dir)
	}
	ix, err := u.indexFrom(ctx, m, dir, held)
	if err == nil || ctx.Err() != nil {
		return ix, err
	}
	u.notifyWhole(indexTarFile, held.Tar.Length, err)
	return u.Index(ctx, m, dir)
}

// Read is IndexFrom for an upstream whose files may not fit together yet: the
// caches before Hackage hold an older index than its snapshot names for a minute
// and more. It waits for that, and reads the metadata anew in between, so what it
// returns is one set of both.
func (u *Upstream) Read(ctx context.Context, m *Metadata, dir string, held Held) (*Metadata, *Index, error) {
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
		return u.IndexFrom(ctx, m, dir, held)
	}, func(round int, err error) bool {
		return fromIndex && (errors.Is(err, ErrTorn) || turnedAway(round, err))
	})
	return m, ix, err
}

// notifyWhole tells why a file comes whole.
func (u *Upstream) notifyWhole(key string, from int64, err error) {
	u.o.Notify(Retry{What: u.src.name(key), Attempt: 1, Err: fmt.Errorf("all of it is fetched instead of what follows %d bytes: %w", from, err)})
}

// shouldFetchPart reports whether parts of the index are enough, and less than the
// whole.
func (h Held) shouldFetchPart(m *Metadata) bool {
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

// indexFrom downloads parts, both at once.
func (u *Upstream) indexFrom(ctx context.Context, m *Metadata, dir string, held Held) (*Index, error) {
	root, err := openFolderOf(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	info, _ := m.Snapshot.IndexTar()
	ix := &Index{From: held.Tar}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error {
		part, err := u.downloadPart(ctx, root, indexTarFile, info, held.Tar.Prefix)
		if err != nil {
			return err
		}
		ix.Tar = *part
		return ix.startsAtEntry()
	})
	if held.NeedGz {
		both.Go(func() (err error) {
			ix.Packed, err = u.downloadPart(ctx, root, indexGzFile, m.Snapshot.IndexTarGz(), held.Gz)
			if err != nil && ctx.Err() == nil {
				u.notifyWhole(indexGzFile, held.Gz.Length, err)
				ix.Packed, err = u.downloadGz(ctx, m, root)
			}
			return err
		})
	}
	if err := both.Wait(); err != nil {
		return nil, errors.Join(err, ix.Close(), root.RemoveAll(indexTarFile+partSuffix), root.RemoveAll(indexGzFile+partSuffix))
	}
	return ix, nil
}

// startsAtEntry refuses a part of the index in which no entry is the first.
func (ix *Index) startsAtEntry() error {
	for _, err := range ix.Log(ix.From).Entries() {
		return err
	}
	return nil
}

// partSuffix ends the name of a file that is a part. The whole may come to lie beside
// it.
const partSuffix = ".tail"

// downloadPart downloads what follows a prefix of a file.
func (u *Upstream) downloadPart(ctx context.Context, root *os.Root, key string, info tuf.FileInfo, from midstate.Prefix) (*Part, error) {
	return download(root, key+partSuffix, from, info, func(d *digester, sink func() io.Writer) error {
		r := request{key: key, offset: from.Length, limit: info.Length - from.Length, total: info.Length}
		if err := u.fetchPart(ctx, r, d.before(sink)); err != nil {
			return err
		}
		return d.check(u.src.name(key), info)
	})
}
