package hackage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// The index, packed as upstream publishes it, and unpacked.
const (
	indexGzFile  = "01-index.tar.gz"
	indexTarFile = "01-index.tar"
)

// MaxIndex is the largest index that is downloaded, packed or unpacked, in bytes.
// Hackage's was 132 MB and 532 MB in 2026.
const MaxIndex = 16 << 30

// An Index is the verified index of one set of metadata, or what follows a position in
// it, on disk. It asks no network: see Access. All offsets that its methods take or
// give are those in the whole index.
type Index struct {
	// From is the position that Tar begins behind. Everything before it is known only
	// by its midstate. It is zero if Tar is the whole index.
	From index.Position
	// Tar is 01-index.tar.
	Tar Part
	// Packed is 01-index.tar.gz, verbatim as upstream sent it. It is nil if Held.NeedGz
	// was false and there was no other need to download it.
	Packed *Part
}

// A Part is a file that the snapshot names, or what follows a prefix of it, proven by
// the digest that the snapshot signs.
type Part struct {
	// From is the prefix that Body continues; if it is zero, Body is the whole file.
	From midstate.Prefix
	// Body holds Size bytes. It is closed with the Index.
	Body io.ReaderAt
	Size int64
	// Info is length and digest of the whole file.
	Info tuf.FileInfo
	// Stable is the prefix to name as Held.Gz next time: upstream's next edition
	// most likely begins with it. It is zero if the file is small.
	Stable midstate.Prefix

	file *os.File
}

// Index downloads the index that m names into dir, as 01-index.tar.gz with the
// bytes that upstream sent and as 01-index.tar, both checked against the
// snapshot. Files of these names in dir are replaced, and stay when the Index is
// closed; the caller owns dir.
//
// If upstream's index is another one, also when requested past all caches, the
// error is both ErrTorn and state.ErrMismatch: most likely upstream has published a
// newer one since m was read, so reading Metadata anew helps.
func (u *Upstream) Index(ctx context.Context, m *Metadata, dir string) (*Index, error) {
	root, err := openFolderOf(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	packed, err := u.downloadGz(ctx, m, root)
	if err != nil {
		return nil, err
	}
	ix, err := unpackIndex(ctx, m, packed, root)
	if err != nil {
		// Files must be closed before Windows lets them be removed.
		return nil, errors.Join(err, packed.close(), root.RemoveAll(indexGzFile))
	}
	return ix, nil
}

func openFolderOf(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open folder for the index: %w", err)
	}
	return root, nil
}

// downloadGz downloads 01-index.tar.gz.
func (u *Upstream) downloadGz(ctx context.Context, m *Metadata, root *os.Root) (*Part, error) {
	info := m.Snapshot.IndexTarGz()
	if info.Length > MaxIndex {
		return nil, fmt.Errorf("fetch %s: %d bytes are signed, %d are the limit: %w", indexGzFile, info.Length, int64(MaxIndex), ErrTooLarge)
	}
	part, err := download(root, indexGzFile, midstate.Prefix{}, info, func(d *digester, sink func() io.Writer) error {
		return u.fetchSigned(ctx, indexGzFile, info, d, sink)
	})
	if errors.Is(err, state.ErrMismatch) {
		err = fmt.Errorf("%s is not the one that %s version %d names; if upstream has just published a newer index, the next run will read all of it: %w: %w",
			indexGzFile, snapshotFile, m.Snapshot.Version(), ErrTorn, err)
	}
	return part, err
}

// download makes a file of what fetch writes. Each attempt begins at its start; none
// writes more than the one that succeeds.
func download(root *os.Root, name string, from midstate.Prefix, info tuf.FileInfo, fetch func(*digester, func() io.Writer) error) (*Part, error) {
	file, err := create(root, name)
	if err != nil {
		return nil, err
	}
	d := newDigester(from, info.Length)
	if err := fetch(d, func() io.Writer { return io.NewOffsetWriter(file, 0) }); err != nil {
		return nil, errors.Join(err, file.Close(), root.RemoveAll(name))
	}
	return &Part{From: from, Body: file, Size: info.Length - from.Length, Info: info, Stable: d.stable, file: file}, nil
}

// create makes an empty file of an index.
func create(root *os.Root, name string) (*os.File, error) {
	file, err := root.Create(name)
	if err != nil {
		return nil, fmt.Errorf("make a file for the index: %w", err)
	}
	return file, nil
}

// Close closes the files of the index, but leaves them where they are.
func (ix *Index) Close() error { return errors.Join(ix.Tar.close(), ix.Packed.close()) }

func (p *Part) close() error {
	if p == nil || p.file == nil {
		return nil
	}
	return p.file.Close()
}

// Log returns the log from a position on. If the position lies before ix.From
// or behind the end of the index, reading the log gives an error; the latter is
// index.ErrLength.
func (ix *Index) Log(from index.Position, checkpoints ...int64) *index.Log {
	return index.NewLog(ix.section(from.Length, ix.Tar.Info.Length), from, checkpoints...)
}

// LogTo is Log up to a length of the index, which must be a boundary between
// entries. Finish of such a log has nothing to check.
func (ix *Index) LogTo(from index.Position, length int64) *index.Log {
	return index.NewLog(ix.section(from.Length, length), from)
}

// section returns the index from an offset up to a length.
func (ix *Index) section(offset, length int64) io.Reader {
	switch {
	case offset < ix.From.Length:
		return failing{fmt.Errorf("offset %d lies before offset %d, where what was fetched of the index begins", offset, ix.From.Length)}
	case offset > length:
		return failing{fmt.Errorf("offset %d lies beyond the end of the index, which has %d bytes; "+
			"upstream's history differs from the one that was followed so far: %w", offset, ix.Tar.Info.Length, index.ErrLength)}
	}
	return io.NewSectionReader(ix.Tar.Body, offset-ix.From.Length, length-offset)
}

// failing is a reader of nothing but an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Entry returns the entry that begins at span.Offset and whose content has
// span.Size bytes. The error is index.ErrNoEntry if there is no such entry.
func (ix *Index) Entry(span index.Span) (index.Entry, error) {
	if !span.Within(ix.Tar.Info.Length) {
		return index.Entry{}, fmt.Errorf("read index entry of %d bytes at offset %d: %w", span.Size, span.Offset, index.ErrNoEntry)
	}
	return index.ReadEntry(ix.section(span.Offset, ix.Tar.Info.Length), span)
}

// PositionAt returns the position at a length, from a known one before it.
func (ix *Index) PositionAt(from index.Position, length int64) (index.Position, error) {
	log := ix.LogTo(from, length)
	for _, err := range log.Entries() {
		if err != nil {
			return index.Position{}, err
		}
	}
	if end := log.End(); end.Length == length {
		return end, nil
	}
	return index.Position{}, fmt.Errorf("find position: %d bytes of index are no whole number of entries: %w", length, index.ErrPosition)
}
