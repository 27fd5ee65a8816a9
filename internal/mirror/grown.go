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

// Have returns what the bucket has of the index already: its position, or what
// its 01-index.tar begins with if that is less, and what its 01-index.tar.gz
// begins with. Only what follows has to be fetched to bring it up. Zero stands
// for all of it.
func (b *Bucket) Have() (tar index.Position, gz midstate.Prefix) {
	if b.key != StateKey {
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
// before the bucket's Feed begins.
func (b *Bucket) LegacyDue(end index.Position) bool {
	week := func(t time.Time) time.Time { return t.UTC().Truncate(7 * 24 * time.Hour) }
	return end.Length <= b.small || week(b.state.Legacy).Before(week(end.Time))
}

// prepareIndex makes the index files ready. The packed index is the last of them,
// because it is what clients read. What is to be built on them next goes into the
// state.
func (pub *publishing) prepareIndex(ctx context.Context) error {
	if pub.Legacy != "" {
		if err := pub.putLegacy(ctx, pub.Legacy); err != nil {
			return err
		}
		pub.final.Legacy = pub.final.Position.Time
	}
	body, _ := pub.Index.Tar()
	tar := grown{
		key: indexTar, contentType: typeTar, info: pub.Index.TarInfo(),
		held: pub.state.Held.Tar, from: pub.Index.From.Length, body: body, sample: pub.Index.TarPart,
		whole: func(ix *hackage.Index) (io.ReaderAt, bool) { body, _ := ix.Tar(); return body, true },
	}
	packed, err := packedOf(ctx, pub.Index)
	if err != nil {
		return err
	}
	gz := grown{
		key: indexGz, contentType: typeGzip, info: packed.Info,
		held: pub.state.Held.Gz, from: packed.From.Length, body: packed.Body, sample: pub.Index.PackedPart,
		whole: func(ix *hackage.Index) (io.ReaderAt, bool) { packed, ok := ix.Packed(); return packed.Body, ok },
	}
	pub.final.Held = state.Held{}
	tar.next, gz.next = &pub.final.Held.Tar, &pub.final.Held.Gz
	if err := gz.note(packed.Mark); err != nil {
		return err
	}
	if end := pub.final.Position; end.Ends(tar.info.Length, tar.info.SHA256) {
		if err := tar.note(end.Prefix); err != nil {
			return err
		}
	}
	for _, g := range []grown{tar, gz} {
		pub.pointers = append(pub.pointers, pointer{key: g.key, put: func(ctx context.Context, etag string) (string, error) {
			return pub.putGrown(ctx, g, etag)
		}})
	}
	return nil
}

// packedOf returns the packed index, or what was fetched of it.
func packedOf(ctx context.Context, ix *hackage.Index) (hackage.Packed, error) {
	if packed, ok := ix.Packed(); ok {
		return packed, nil
	}
	whole, err := ix.Whole(ctx)
	if err != nil {
		return hackage.Packed{}, err
	}
	packed, ok := whole.Packed()
	if !ok {
		return packed, errors.New("the whole index has no 01-index.tar.gz")
	}
	return packed, nil
}

// A grown file is one that goes on where the one in place ended.
type grown struct {
	key, contentType string
	info             tuf.FileInfo    // of the whole
	held             state.Beginning // of the one in place; zero if that is not known
	from             int64           // where in the file body begins
	body             io.ReaderAt
	whole            func(*hackage.Index) (io.ReaderAt, bool) // takes the file out of the whole index
	next             *state.Beginning                         // where the one of this file is noted
	// sample brings some bytes of the file from wherever they are.
	sample func(ctx context.Context, at, size int64) ([]byte, error)
}

// worthBuilding is how long the beginning of a file in place must be, in bytes,
// to build on it although the whole is at hand: to send less takes more requests.
const worthBuilding = 8 << 20

// builds reports whether the file can be built on the one in place, and should.
func (g grown) builds() bool {
	return g.held.Length > 0 && g.from <= g.held.Length && g.held.Length <= g.info.Length &&
		(g.from > 0 || g.held.Length >= worthBuilding)
}

// note notes a prefix of the file with its CRC, which goes on from that of the one
// in place.
func (g grown) note(to midstate.Prefix) error {
	g.next.Prefix, g.next.CRC64 = to, 0
	at, sum := int64(0), uint64(0)
	if g.held.CRC64 != 0 && g.held.Length <= to.Length && g.builds() {
		at, sum = g.held.Length, g.held.CRC64
	}
	if at < g.from {
		return nil // what lies before is not here
	}
	w := &crcWriter{sum}
	if _, err := io.CopyBuffer(w, io.NewSectionReader(g.body, at-g.from, to.Length-at), make([]byte, 1<<20)); err != nil {
		return fmt.Errorf("read %q for its checksum: %w", g.key, err)
	}
	g.next.CRC64 = w.sum
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
func (g grown) base(turn int64) bucket.Base {
	places := max(1, g.held.Length/sampleSize)
	at := turn % places * sampleSize
	return bucket.Base{
		Prefix: g.held.Prefix, CRC64: g.held.CRC64,
		Sample: func(ctx context.Context) (int64, []byte, error) {
			content, err := g.sample(ctx, at, min(sampleSize, g.held.Length-at))
			return at, content, err
		},
	}
}

// putGrown puts a file on the one in place. If that is not what it is said to
// be, or the store cannot copy, the file is put whole.
func (pub *publishing) putGrown(ctx context.Context, g grown, etag string) (string, error) {
	var why error
	if g.builds() {
		turn := pub.Metadata.Timestamp.Version()
		grown, err := pub.point(ctx, g.key, g.object(g.base(turn)), etag, pub.found)
		// A base that somebody made up does not fit the body.
		if !errors.Is(err, bucket.ErrBase) && !errors.Is(err, bucket.ErrBody) {
			return grown, err
		}
		why = err
	}
	if g.from > 0 {
		whole, err := pub.Index.Whole(ctx)
		if err != nil {
			return "", errors.Join(err, why)
		}
		body, ok := g.whole(whole)
		if !ok {
			return "", fmt.Errorf("put %q into %q: the whole index has none", g.key, pub)
		}
		g.body, g.from = body, 0
	}
	if why != nil {
		// What was built on did not hold, and so does what goes on from it.
		g.held = state.Beginning{}
		if err := g.note(g.next.Prefix); err != nil {
			return "", err
		}
	}
	return pub.point(ctx, g.key, g.object(bucket.Base{}), etag, pub.found)
}

// object is the file behind a base.
func (g grown) object(base bucket.Base) bucket.Object {
	return bucket.Object{
		Body: io.NewSectionReader(g.body, base.Length-g.from, g.info.Length-base.Length), Base: base,
		Size: g.info.Length, SHA256: g.info.SHA256,
		ContentType: g.contentType, CacheControl: briefly,
	}
}

// putLegacy puts 00-index.tar.gz.
func (b *Bucket) putLegacy(ctx context.Context, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open 00-index: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	info, err := digestOf(file)
	if err != nil {
		return err
	}
	legacy := grown{key: legacyGz, contentType: typeGzip, info: info, body: file}
	etag, err := b.point(ctx, legacyGz, legacy.object(bucket.Base{}), b.state.Pointers[legacyGz], nil)
	if err == nil {
		b.know(legacyGz, etag)
	}
	return err
}
