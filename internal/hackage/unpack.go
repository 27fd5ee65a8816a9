package hackage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"

	"github.com/hackage-mirror/hackage-mirror/internal/bounded"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// maxRatio bounds what a packed index may grow to if the snapshot does not say.
// Hackage's grows fourfold; deflate could do a thousandfold. A megabyte is always
// allowed, because a tiny index is mostly padding.
const maxRatio = 250

// unpackedLimit returns the most bytes that the index may unpack to.
func unpackedLimit(m *Metadata) int64 {
	if info, ok := m.Snapshot.IndexTar(); ok {
		return min(info.Length, MaxIndex)
	}
	return min(max(1<<20, maxRatio*m.Snapshot.IndexTarGz().Length), MaxIndex)
}

// unpackIndex unpacks the verified packed index, which becomes the Index's.
func unpackIndex(ctx context.Context, m *Metadata, packed *Part, root *os.Root) (*Index, error) {
	file, err := create(root, indexTarFile)
	if err != nil {
		return nil, err
	}
	info, err := unpack(ctx, file, io.NewSectionReader(packed.Body, 0, packed.Size), unpackedLimit(m))
	if err == nil {
		err = checkUnpacked(m, info)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("unpack %s: %w", indexGzFile, err), file.Close(), root.RemoveAll(indexTarFile))
	}
	return &Index{Tar: Part{Body: file, Size: info.Length, Info: info, file: file}, Packed: packed}, nil
}

// unpack writes at most limit bytes and returns their length and digest.
func unpack(ctx context.Context, to io.Writer, from io.Reader, limit int64) (tuf.FileInfo, error) {
	z, err := gzip.NewReader(bounded.Reader(ctx, from))
	if err != nil {
		return tuf.FileInfo{}, err
	}
	digest := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, digest), io.LimitReader(z, limit))
	if err != nil {
		return tuf.FileInfo{}, err
	}
	if n == limit {
		// Also reads the checksum at the end, which nothing has asked for yet.
		switch extra, err := io.ReadFull(z, make([]byte, 1)); {
		case extra > 0:
			return tuf.FileInfo{}, fmt.Errorf("it grows beyond %d bytes: %w", limit, ErrTooLarge)
		case err != io.EOF:
			return tuf.FileInfo{}, err
		}
	}
	return tuf.FileInfo{Length: n, SHA256: [sha256.Size]byte(digest.Sum(nil))}, nil
}

// checkUnpacked holds the unpacked index against the snapshot, if that names it.
// The packed one did fit, so upstream has signed two things that do not.
func checkUnpacked(m *Metadata, got tuf.FileInfo) error {
	want, ok := m.Snapshot.IndexTar()
	if !ok || got == want {
		return nil
	}
	return fmt.Errorf("%d bytes with SHA-256 %x, but %s version %d signs %d bytes with SHA-256 %x for %s: %w",
		got.Length, got.SHA256, snapshotFile, m.Snapshot.Version(), want.Length, want.SHA256, indexTarFile, state.ErrMismatch)
}
