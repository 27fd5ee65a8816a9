package hackage

import (
	"io"
	"os"

	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// Packed is the packed index, 01-index.tar.gz, or what is new of it, verbatim as
// upstream sent it and proven against the snapshot.
type Packed struct {
	// From is the prefix that Body continues; if it is zero, Body is the whole
	// file.
	From midstate.Prefix
	// Body holds Size bytes. It is closed with the Index.
	Body io.ReaderAt
	Size int64
	// Info is length and digest of the whole file.
	Info tuf.FileInfo
	// Mark is the prefix to name as Have.Gz next time: upstream's next edition
	// most likely begins with it. It is zero if the file is small.
	Mark midstate.Prefix
}

// Packed returns the packed index. It has none if Have.NeedGz was false and there
// was no other need to fetch it.
func (ix *Index) Packed() (Packed, bool) {
	if ix.packed == nil {
		return Packed{}, false
	}
	return ix.packed.Packed, true
}

// A packedFile is Packed in a file.
type packedFile struct {
	Packed
	file *os.File
}

// Close closes the file.
func (p *packedFile) Close() error { return p.file.Close() }
