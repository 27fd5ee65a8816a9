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
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// Have returns what the bucket has of the index already: its position, or what
// its 01-index.tar begins with if that is less, and what its 01-index.tar.gz
// begins with. Only what follows has to be fetched to bring it up. Zero stands
// for all of it.
func (b *Bucket) Have() (tar index.Position, gz hackage.Prefix) {
	if b.key != StateKey {
		return b.state.Position, hackage.Prefix{} // a shard publishes nothing
	}
	held := b.state.Held
	if held.Tar.Length < b.state.Position.Length {
		return index.Position{Length: held.Tar.Length, Midstate: held.Tar.Midstate}, held.Gz
	}
	return b.state.Position, held.Gz
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

// putIndex puts the index files. The packed index is the last of them, because
// it is what clients read. It notes in the state what is to be built on them.
func (b *Bucket) putIndex(ctx context.Context, p Publication, final *state.State) error {
	if p.Index == nil {
		return nil
	}
	if p.Legacy != "" {
		if err := b.putLegacy(ctx, p.Legacy); err != nil {
			return err
		}
		final.Legacy = final.Position.Time
	}
	body, _ := p.Index.Tar()
	tar := grown{
		key: indexTar, contentType: typeTar, info: p.Index.TarInfo(),
		held: b.state.Held.Tar, from: p.Index.From.Length, body: body,
		whole: func(ix *hackage.Index) (io.ReaderAt, bool) { body, _ := ix.Tar(); return body, true },
	}
	if err := b.putGrown(ctx, p.Index, tar); err != nil {
		return err
	}
	packed, err := packedOf(ctx, p.Index)
	if err != nil {
		return err
	}
	gz := grown{
		key: indexGz, contentType: typeGzip, info: packed.Info,
		held: b.state.Held.Gz, from: packed.From.Length, body: packed.Body,
		whole: func(ix *hackage.Index) (io.ReaderAt, bool) { packed, ok := ix.Packed(); return packed.Body, ok },
	}
	if err := b.putGrown(ctx, p.Index, gz); err != nil {
		return err
	}
	final.Held = state.Held{Gz: packed.Mark}
	if end := final.Position; end.Ends(tar.info.Length, tar.info.SHA256) {
		final.Held.Tar = hackage.Prefix{Length: end.Length, Midstate: end.Midstate}
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
	info             tuf.FileInfo   // of the whole
	held             hackage.Prefix // what the one in place begins with; zero if that is not known
	from             int64          // where in the file body begins
	body             io.ReaderAt
	whole            func(*hackage.Index) (io.ReaderAt, bool) // takes the file out of the whole index
}

// worthBuilding is how long the beginning of a file in place must be, in bytes,
// to build on it although the whole is at hand: to send less takes more requests.
const worthBuilding = 8 << 20

// builds reports whether the file can be built on the one in place, and should.
func (g grown) builds() bool {
	return g.held.Length > 0 && g.from <= g.held.Length && g.held.Length <= g.info.Length &&
		(g.from > 0 || g.held.Length >= worthBuilding)
}

// putGrown puts a file on the one in place. If that is not what it is said to
// be, or the store cannot copy, the file is put whole.
func (b *Bucket) putGrown(ctx context.Context, ix *hackage.Index, g grown) error {
	var why error
	if g.builds() {
		why = b.putPart(ctx, g, bucket.Base{Length: g.held.Length, Midstate: g.held.Midstate})
		// A base that somebody made up does not fit the body.
		if !errors.Is(why, bucket.ErrBase) && !errors.Is(why, bucket.ErrBody) {
			return why
		}
	}
	if g.from > 0 {
		whole, err := ix.Whole(ctx)
		if err != nil {
			return errors.Join(err, why)
		}
		body, ok := g.whole(whole)
		if !ok {
			return fmt.Errorf("put %q into %q: the whole index has none", g.key, b)
		}
		g.body, g.from = body, 0
	}
	return b.putPart(ctx, g, bucket.Base{})
}

// putPart puts the file behind a base.
func (b *Bucket) putPart(ctx context.Context, g grown, base bucket.Base) error {
	size := g.info.Length - base.Length
	_, err := b.store.Put(ctx, g.key, bucket.Object{
		Body: io.NewSectionReader(g.body, base.Length-g.from, size), Base: base,
		Size: g.info.Length, SHA256: g.info.SHA256,
		ContentType: g.contentType, CacheControl: briefly,
	}, bucket.Always())
	if err != nil {
		return fmt.Errorf("put %q into %q: %w", g.key, b, err)
	}
	b.count(0, 0, size)
	return nil
}

// putLegacy puts 00-index.tar.gz.
func (b *Bucket) putLegacy(ctx context.Context, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open 00-index for %q: %w", b, err)
	}
	defer func() { _ = file.Close() }() // only read
	info, err := digestOf(file)
	if err != nil {
		return err
	}
	return b.putPart(ctx, grown{key: legacyGz, contentType: typeGzip, info: info, body: file}, bucket.Base{})
}
