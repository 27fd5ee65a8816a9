package hackage

import (
	"archive/tar"
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

// MaxIndex is the largest index that is fetched, packed or unpacked, in bytes.
// Hackage's was 132 MB and 532 MB in 2026.
const MaxIndex = 16 << 30

// An Index is the verified index of one set of metadata, on disk. All offsets
// that its methods take or give are those in the whole index, which need not
// begin where the file does: see From.
type Index struct {
	// From is the position that the file on disk starts at. Everything before
	// it is known only by its midstate. It is zero if the file is the whole
	// index.
	From index.Position

	tar    *os.File
	size   int64 // of the file
	info   tuf.FileInfo
	packed *packedFile // nil if it was not fetched
	rest   *rest       // nil if the file is the whole index
}

// Index fetches the index that m names into dir, as 01-index.tar.gz with the
// bytes that upstream sent and as 01-index.tar, both checked against the
// snapshot. Files of these names in dir are replaced, and stay when the Index is
// closed; the caller owns dir.
//
// If upstream's index is another one, also when asked for past all caches, the
// error is both ErrTorn and ErrMismatch: most likely upstream has published a
// newer one since m was read, so reading Metadata anew helps.
func (u *Upstream) Index(ctx context.Context, m *Metadata, dir string) (*Index, error) {
	root, err := openFolderOf(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	packed, err := u.fetchIndex(ctx, m, root)
	if err != nil {
		return nil, err
	}
	ix, err := unpackIndex(ctx, m, packed, root)
	if err != nil {
		// Files must be closed before Windows lets them be removed.
		return nil, errors.Join(err, packed.Close(), root.RemoveAll(indexGzFile))
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

// fetchIndex fetches 01-index.tar.gz into a file.
func (u *Upstream) fetchIndex(ctx context.Context, m *Metadata, root *os.Root) (*packedFile, error) {
	info := m.Snapshot.IndexTarGz()
	if info.Length > MaxIndex {
		return nil, fmt.Errorf("fetch %s: %d bytes are signed, %d are the limit: %w", indexGzFile, info.Length, int64(MaxIndex), ErrTooLarge)
	}
	file, err := create(root, indexGzFile)
	if err != nil {
		return nil, err
	}
	d := newDigester(midstate.Prefix{}, info.Length)
	err = u.fetchMarked(ctx, indexGzFile, info, d, func() io.Writer { return &restarted{file: file} })
	if errors.Is(err, state.ErrMismatch) {
		err = fmt.Errorf("%s is not the one that %s version %d names; if upstream has just published a newer index, the next run will read all of it: %w: %w",
			indexGzFile, snapshotFile, m.Snapshot.Version(), ErrTorn, err)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close(), root.RemoveAll(indexGzFile))
	}
	return &packedFile{
		Packed: Packed{Body: file, Size: info.Length, Info: info, Mark: d.mark},
		file:   file,
	}, nil
}

// create makes an empty file of an index.
func create(root *os.Root, name string) (*os.File, error) {
	file, err := root.Create(name)
	if err != nil {
		return nil, fmt.Errorf("make a file for the index: %w", err)
	}
	return file, nil
}

// restarted empties its file before the first write of an attempt.
type restarted struct {
	file  *os.File
	begun bool
}

func (r *restarted) Write(p []byte) (int, error) {
	if !r.begun {
		r.begun = true
		if _, err := r.file.Seek(0, io.SeekStart); err != nil {
			return 0, err
		}
		if err := r.file.Truncate(0); err != nil {
			return 0, err
		}
	}
	return r.file.Write(p)
}

// Gz returns the path of the packed index, verbatim as upstream sent it; empty
// if it was not fetched as a whole.
func (ix *Index) Gz() string {
	if ix.packed == nil || !ix.packed.From.IsZero() {
		return ""
	}
	return ix.packed.file.Name()
}

// Tar returns the file from ix.From on and its length in bytes.
func (ix *Index) Tar() (io.ReaderAt, int64) { return ix.tar, ix.size }

// TarInfo returns length and digest of the whole unpacked index.
func (ix *Index) TarInfo() tuf.FileInfo { return ix.info }

// Close closes the files of the index, but leaves them where they are.
func (ix *Index) Close() error {
	err := ix.tar.Close()
	if ix.rest != nil {
		err = errors.Join(err, ix.rest.close(ix.packed))
	}
	if ix.packed != nil {
		err = errors.Join(err, ix.packed.Close())
	}
	return err
}

// Log returns the log from a position on. If the position lies before ix.From
// or behind the end of the index, reading the log gives an error; the latter is
// index.ErrLength.
func (ix *Index) Log(from index.Position, checkpoints ...int64) *index.Log {
	r, err := ix.section(from.Length, ix.info.Length-from.Length)
	if err != nil {
		return index.NewLog(failing{err}, from, checkpoints...)
	}
	return index.NewLog(r, from, checkpoints...)
}

// Entry returns the content of the entry whose headers begin at span.Offset.
func (ix *Index) Entry(span index.Span) ([]byte, error) {
	content, err := ix.entry(span)
	if err != nil {
		return nil, fmt.Errorf("read index entry at offset %d: %w", span.Offset, err)
	}
	return content, nil
}

func (ix *Index) entry(span index.Span) ([]byte, error) {
	if span.Size < 0 || span.Size > index.MaxEntry {
		return nil, fmt.Errorf("%d bytes, %d are the limit: %w", span.Size, index.MaxEntry, ErrTooLarge)
	}
	r, err := ix.section(span.Offset, ix.info.Length-span.Offset)
	if err != nil {
		return nil, err
	}
	// Long names stand in headers of their own before the one that tells the
	// size, so the place of the content is not fixed.
	t := tar.NewReader(r)
	header, err := t.Next()
	if err != nil {
		return nil, err
	}
	if header.Size != span.Size {
		return nil, fmt.Errorf("it has %d bytes instead of %d", header.Size, span.Size)
	}
	content := make([]byte, span.Size)
	_, err = io.ReadFull(t, content)
	return content, err
}

// section returns n bytes of the index from an offset on.
func (ix *Index) section(offset, n int64) (*io.SectionReader, error) {
	switch {
	case offset < ix.From.Length:
		return nil, fmt.Errorf("offset %d lies before offset %d, where what was fetched of the index begins", offset, ix.From.Length)
	case n < 0:
		return nil, fmt.Errorf("offset %d lies beyond the end of the index, which has %d bytes; "+
			"upstream's history differs from the one that was followed so far: %w", offset, ix.info.Length, index.ErrLength)
	}
	return io.NewSectionReader(ix.tar, offset-ix.From.Length, n), nil
}

// LogTo is Log up to a length of the index, which must be a boundary between
// entries. Finish of such a log has nothing to check.
func (ix *Index) LogTo(from index.Position, length int64) *index.Log {
	r, err := ix.section(from.Length, length-from.Length)
	if err != nil {
		return index.NewLog(failing{err}, from)
	}
	return index.NewLog(r, from)
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

// failing is a reader of nothing but an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
