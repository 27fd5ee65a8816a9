package hackage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// The parts of a file that are looked at, in bytes: what it begins with, and of the
// index also the end, in which the longest entry on Hackage has room.
const (
	headSize = 512 // a block of a tar file
	endSize  = 512 << 10
)

// Served is what was seen of the index that a repository has.
type Served struct {
	// End says that the last entries of 01-index.tar were looked at. Not every
	// server gives parts of files.
	End bool
	// Newest are the releases of those entries that have a tarball, the newest
	// first.
	Newest []Upload
}

// An Upload is a release with the tarball that the index signs.
type Upload struct {
	Release index.Release
	Target  index.Target
}

// ErrForm is that of a file that does not begin or end as the signed one must.
var ErrForm = errors.New("so it cannot be the signed one")

// Served reads the metadata, as Metadata does, and looks whether the index that they
// sign is there: whether its files have the signed lengths, and begin and end as such
// files do. That proves no byte between. A repository that is being written to gets
// time to end that. The metadata are nil if it is they that cannot be read; else the
// error is tuf.ErrLength, ErrForm, ErrMissing, or what keeps a file from being read.
func (u *Upstream) Served(ctx context.Context) (m *Metadata, s Served, err error) {
	_, _, err = inRounds(ctx, u, func(int) (none struct{}, err error) {
		s = Served{}
		if m, err = u.Metadata(ctx, state.Seen{}); err == nil {
			err = u.lookAtIndex(ctx, m, &s)
		}
		return none, err
	}, func(_ int, err error) bool { return m != nil && (isMismatch(err) || errors.Is(err, ErrForm)) })
	return m, s, err
}

// lookAtIndex is Served for a set of metadata.
func (u *Upstream) lookAtIndex(ctx context.Context, m *Metadata, s *Served) error {
	if err := u.lookAt(ctx, indexGzFile, m.Snapshot.IndexTarGz().Length, isGzip); err != nil {
		return err
	}
	info, signed := m.Snapshot.IndexTar()
	if !signed || info.Length <= index.Closing {
		return nil
	}
	if err := u.lookAt(ctx, indexTarFile, info.Length, func(head []byte) bool { return index.FirstHeader(head) == 0 }); err != nil {
		return err
	}
	end, log, err := u.tail(ctx, info, endSize)
	switch {
	case errors.Is(err, errPart):
		return nil
	case err != nil:
		return err
	}
	if err := s.read(end, log, info.Length); err != nil {
		return fmt.Errorf("fetch %s: its end is not that of an index (%w), %w", u.src.name(indexTarFile), err, ErrForm)
	}
	return nil
}

// read reads the end of an index, and the log in it.
func (s *Served) read(end []byte, log *index.Log, length int64) error {
	if log.End().Length == length && bytes.Equal(end[len(end)-index.Closing:], make([]byte, index.Closing)) {
		return nil // one entry is longer than that
	}
	for e, err := range log.Entries() {
		if err != nil {
			return err
		}
		if e.Kind != index.PackageJSON {
			continue
		}
		if target, err := index.ParsePackageJSON(e.Release, e.Content); err == nil {
			s.Newest = slices.DeleteFunc(s.Newest, func(u Upload) bool { return u.Release == e.Release })
			s.Newest = slices.Insert(s.Newest, 0, Upload{e.Release, target})
		}
	}
	if got := log.End().Length + index.Closing; got != length {
		return fmt.Errorf("it ends at byte %d of %d", got, length)
	}
	s.End = true
	return nil
}

// Has looks whether the tarball of an upload is there, as Served does for the index.
func (u *Upstream) Has(ctx context.Context, upload Upload) error {
	return u.lookAt(ctx, upload.Release.TarballKey(), upload.Target.Length, isGzip)
}

func isGzip(head []byte) bool { return bytes.HasPrefix(head, []byte{0x1f, 0x8b}) }

// lookAt looks whether a file has a length and a beginning. If the server gives no
// parts, it is asked for the whole file, and left when that has begun.
func (u *Upstream) lookAt(ctx context.Context, key string, length int64, begins func([]byte) bool) error {
	head, err := u.part(ctx, request{key: key, limit: min(length, headSize), total: length})
	if errors.Is(err, errPart) {
		head, err = u.beginning(ctx, request{key: key, limit: length, exact: true})
	}
	switch {
	case err != nil:
		return err
	case !begins(head):
		return fmt.Errorf("fetch %s: it does not begin as such a file does, %w", u.src.name(key), ErrForm)
	}
	return nil
}

// part returns a part of a file.
func (u *Upstream) part(ctx context.Context, r request) ([]byte, error) {
	var part bytes.Buffer
	err := u.fetchPart(ctx, r, func() io.Writer {
		part.Reset()
		return &part
	})
	return part.Bytes(), err
}

// beginning returns what a file begins with.
func (u *Upstream) beginning(ctx context.Context, r request) ([]byte, error) {
	var head headWriter
	_, err := u.fetch(ctx, r, func() io.Writer {
		head = nil
		return &head
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return head, err
}

// A headWriter holds no more than the head of a file.
type headWriter []byte

var errEnough = errors.New("no more is wanted")

// Write implements io.Writer.
func (h *headWriter) Write(p []byte) (int, error) {
	n := min(len(p), headSize-len(*h))
	if *h = append(*h, p[:n]...); len(*h) == headSize {
		return n, errEnough
	}
	return n, nil
}
