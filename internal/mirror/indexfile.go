package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// Held returns what the bucket has of the index already: its position, or what
// its 01-index.tar begins with if that is less, and what its 01-index.tar.gz
// begins with. Only what follows has to be fetched. Zero stands
// for all of it.
func (b *Bucket) Held() (tar index.Position, gz midstate.Prefix) {
	if b.isShard() {
		return b.state.Position, midstate.Prefix{} // a shard publishes nothing
	}
	held := b.state.Held
	if held.Tar.Length < b.state.Position.Length {
		return index.Position{Prefix: held.Tar.Prefix}, held.Gz.Prefix
	}
	return b.state.Position, held.Gz.Prefix
}

// smallIndex is the length of an index in bytes up to which 00-index.tar.gz is
// made anew with every change, because it costs next to nothing.
const smallIndex = 4 << 20

// LegacyDue reports whether 00-index.tar.gz is to be made of an index that ends
// at a position: if that is small, or the bucket has none, or has one whose
// newest entry is of an earlier week, which begins on Monday in UTC. It is a file
// for clients of many years ago, and making it takes the whole index. It is asked
// before the bucket's writer begins.
func (b *Bucket) LegacyDue(end index.Position) bool {
	week := func(t time.Time) time.Time { return t.UTC().Truncate(7 * 24 * time.Hour) }
	return end.Length <= b.smallIndex || week(b.state.Legacy).Before(week(end.Time))
}

// prepareIndex makes the index files ready. What is to be built on them next goes into
// the state.
//
// Small ones are put together. Of large ones the packed index is the last, because it
// is what new clients read, and to put the other takes longer than all that follows.
func (pub *publishing) prepareIndex(ctx context.Context, set *pointerSet) error {
	ix := pub.index
	tar := indexFile{
		key: indexTar, contentType: typeTar, info: ix.Tar.Info,
		held: pub.state.Held.Tar, from: ix.From.Length, body: ix.Tar.Body, sample: ix.TarPart,
		whole: func(ix *hackage.Access) io.ReaderAt { return ix.Tar.Body },
	}
	packed := ix.Packed
	if packed == nil {
		whole, err := ix.Full(ctx)
		if err != nil {
			return err
		}
		packed = whole.Packed
	}
	gz := indexFile{
		key: indexGz, contentType: typeGzip, info: packed.Info,
		held: pub.state.Held.Gz, from: packed.From.Length, body: packed.Body, sample: ix.PackedPart,
		whole: func(ix *hackage.Access) io.ReaderAt { return ix.Packed.Body },
	}
	set.held = &state.Held{}
	tar.next, gz.next = &set.held.Tar, &set.held.Gz
	if err := gz.setNext(packed.Stable); err != nil {
		return err
	}
	if end := pub.state.Position; end.Ends(tar.info.Length, tar.info.SHA256) {
		if err := tar.setNext(end.Prefix); err != nil {
			return err
		}
	}
	var files []pointer
	for _, f := range []indexFile{tar, gz} {
		files = append(files, pointer{key: f.key, put: func(ctx context.Context, etag string) (string, error) {
			return pub.putIndexFile(ctx, f, etag)
		}})
	}
	if set.stages = [][]pointer{{files[0]}, {files[1]}}; tar.info.Length <= pub.smallIndex {
		set.stages = [][]pointer{files}
	}
	return nil
}

// An indexFile goes on where the one in place ended.
type indexFile struct {
	key, contentType string
	info             tuf.FileInfo     // of the whole
	held             state.FilePrefix // of the one in place; zero if that is not known
	from             int64            // where in the file body begins
	body             io.ReaderAt
	whole            func(*hackage.Access) io.ReaderAt // picks the file of the whole index
	next             *state.FilePrefix                 // what the next one can be built on
	// sample returns some bytes of the file from wherever they are.
	sample func(ctx context.Context, at, size int64) ([]byte, error)
}

// longEnough is how long the beginning of a file in place must be, in bytes,
// to build on it although the whole is here: to send less takes more requests.
const longEnough = 8 << 20

// builds reports whether the file can be built on the one in place, and should.
func (f indexFile) builds() bool {
	return f.held.Length > 0 && f.from <= f.held.Length && f.held.Length <= f.info.Length &&
		(f.from > 0 || f.held.Length >= longEnough)
}

// setNext keeps a prefix of the file with its CRC, which goes on from that of the one
// in place.
func (f indexFile) setNext(to midstate.Prefix) error {
	f.next.Prefix, f.next.CRC64 = to, 0
	at, sum := int64(0), uint64(0)
	if f.held.CRC64 != 0 && f.held.Length <= to.Length && f.builds() {
		at, sum = f.held.Length, f.held.CRC64
	}
	if at < f.from {
		return nil // what lies before is not here
	}
	w := &crcWriter{sum}
	if _, err := io.CopyBuffer(w, io.NewSectionReader(f.body, at-f.from, to.Length-at), make([]byte, 1<<20)); err != nil {
		return fmt.Errorf("read %q for its checksum: %w", f.key, err)
	}
	f.next.CRC64 = w.sum
	return nil
}

type crcWriter struct{ sum uint64 }

func (w *crcWriter) Write(p []byte) (int, error) {
	w.sum = bucket.CRC64(w.sum, p)
	return len(p), nil
}

// sampleSize is how many bytes of a file in place are read back before it is built
// on, where the store cannot prove it.
const sampleSize = 1 << 20

// base returns the beginning to build on. The sample is taken at another place
// each time that upstream signs anew.
func (f indexFile) base(version int64) bucket.Base {
	places := max(1, f.held.Length/sampleSize)
	at := version % places * sampleSize
	return bucket.Base{
		Prefix: f.held.Prefix, CRC64: f.held.CRC64,
		Sample: func(ctx context.Context) (int64, []byte, error) {
			content, err := f.sample(ctx, at, min(sampleSize, f.held.Length-at))
			return at, content, err
		},
	}
}

// putIndexFile puts a file on the one in place. If that is not what it is said to
// be, or the store cannot copy, the file is put whole.
func (pub *publishing) putIndexFile(ctx context.Context, f indexFile, etag string) (string, error) {
	var why error
	if f.builds() {
		put, err := pub.putPointer(ctx, f.key, f.object(f.base(pub.Metadata.Timestamp.Version())), etag, pub.mayReplace)
		// A base that somebody made up does not fit the body.
		if !errors.Is(err, bucket.ErrBase) && !errors.Is(err, bucket.ErrBody) {
			return put, err
		}
		why = err
	}
	if f.from > 0 {
		whole, err := pub.index.Full(ctx)
		if err != nil {
			return "", errors.Join(err, why)
		}
		f.body, f.from = f.whole(whole), 0
	}
	if why != nil {
		// What was built on did not hold, and so does what goes on from it.
		f.held = state.FilePrefix{}
		if err := f.setNext(f.next.Prefix); err != nil {
			return "", err
		}
	}
	return pub.putPointer(ctx, f.key, f.object(bucket.Base{}), etag, pub.mayReplace)
}

// object is the file behind a base.
func (f indexFile) object(base bucket.Base) bucket.Object {
	return bucket.Object{
		Body: io.NewSectionReader(f.body, base.Length-f.from, f.info.Length-base.Length), Base: base,
		Size: f.info.Length, SHA256: f.info.SHA256,
		ContentType: f.contentType, CacheControl: briefly,
	}
}

// putLegacy puts 00-index.tar.gz.
func (pub *publishing) putLegacy(ctx context.Context, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open 00-index: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	size, sum, err := bucket.Digest(ctx, file)
	if err != nil {
		return fmt.Errorf("read %q: %w", path, err)
	}
	legacy := indexFile{contentType: typeGzip, info: tuf.FileInfo{Length: size, SHA256: sum}, body: file}
	return pub.putOther(ctx, legacyGz, legacy.object(bucket.Base{}))
}
