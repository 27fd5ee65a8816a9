package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/paste"
	"github.com/hackage-mirror/hackage-mirror/internal/selection"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// A destination is a bucket or a repository, and what was seen of it.
type destination struct {
	kind, name string
	read       func(context.Context) error
	err        error // why it cannot be read

	metadata *hackage.Metadata // of a bucket; verified, expired or not
	served   hackage.Served    // what there is of the index that they sign
	absent   []absence         // tarballs that should be there
	// state is what a bucket's hackage-mirror.json says, or a tag.
	state    state.State
	stated   bool  // there is one that can be read
	unstated error // why it cannot be read
	said     *status.Status
	unsaid   error
	tag      *allcabal.TagInfo

	lag      lag
	problems []problem
	notes    []string
}

// A problem is something that a person should look at.
type problem struct {
	text           string
	stale, filling bool
}

// readBucket reads what is signed in a bucket, and what it says of itself.
func (d *destination) readBucket(ctx context.Context, b Bucket) error {
	from, closer, err := b.Open(ctx)
	if err != nil {
		return ofMirror(err)
	}
	defer func() { _ = closer.Close() }() // it was only read
	d.metadata, d.served, err = from.Served(ctx)
	if err != nil && (d.metadata != nil || !errors.Is(err, state.ErrMissing)) {
		return ofMirror(err)
	}
	d.readUnsigned(ctx, from)
	switch {
	case err != nil && d.filling():
		return fmt.Errorf("%w; it says of itself: %s", errFilling, shown(d.said.Sentence))
	case err != nil && d.stated:
		return errFilling
	case err == nil:
		err = d.lookForTarballs(ctx, from)
	}
	return ofMirror(err)
}

// errFilling is why a bucket that has a state, and nothing signed, cannot be read.
var errFilling = errors.New("its first fill has not come to its end, so clients cannot use it yet")

// mostTarballs bounds how many of the newest tarballs are looked for.
const mostTarballs = 5

// An absence is a tarball that a bucket should have, and why it does not.
type absence struct {
	release index.Release
	err     error
}

// lookForTarballs looks for those of the newest releases, but for those that the
// bucket says it leaves out, or has in its ledger.
func (d *destination) lookForTarballs(ctx context.Context, from *hackage.Upstream) error {
	selected, err := selection.Parse(paste.Items(d.state.Packages))
	if err != nil {
		selected = func(string) bool { return true } // it is the bucket's own word
	}
	asked := 0
	for _, upload := range d.served.Newest {
		_, pending := d.state.Ledger[upload.Release]
		if pending || !selected(upload.Release.Package) {
			continue
		}
		if asked++; asked > mostTarballs {
			break
		}
		if err := from.Has(ctx, upload); ctx.Err() != nil {
			return err
		} else if err != nil {
			d.absent = append(d.absent, absence{upload.Release, ofMirror(err)})
		}
	}
	return nil
}

// filling reports whether a bucket says of itself that it is being filled.
func (d *destination) filling() bool {
	return d.stated && d.said != nil && d.said.Health == status.Filling
}

// readUnsigned reads what a bucket says of itself.
func (d *destination) readUnsigned(ctx context.Context, from *hackage.Upstream) {
	raw, err := from.Unsigned(ctx, mirror.StateKey, mirror.MaxState)
	if err == nil {
		var file state.File
		file, err = state.ParseFile(raw)
		d.state, d.stated = file.State, err == nil
	}
	d.unstated = unread(err)
	raw, err = from.Unsigned(ctx, status.Key, status.MaxSize)
	if err == nil {
		d.said, err = status.Parse(raw)
	}
	d.unsaid = unread(err)
}

// unread is the error of a file that is there.
func unread(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return ofMirror(err)
}

// ofMirror says of a mirror what the room that reads it says of an upstream.
func ofMirror(err error) error {
	if err == nil {
		return nil
	}
	words := strings.NewReplacer(
		": check upstream-user and upstream-password", ", and status asks without",
		"open upstream", "open", "lower the concurrency", "try again later",
		"upstream", "the mirror",
	).Replace(err.Error())
	return &reworded{words, err}
}

// A reworded error says the same in other words.
type reworded struct {
	words string
	error
}

func (r *reworded) Error() string { return r.words }

// Unwrap returns the error in its own words.
func (r *reworded) Unwrap() error { return r.error }

// readRepository reads the tag of a repository.
func (d *destination) readRepository(ctx context.Context, r Repository) (err error) {
	repo, closer, err := r.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	d.name = repo.String()
	seen, err := repo.Inspect(ctx)
	if err != nil {
		return err
	}
	d.tag, d.state, d.stated = &seen, seen.State, !seen.Older
	return nil
}

// A lag is how far a destination is behind upstream.
type lag struct {
	known bool
	// atMost says that the time is only known not to be longer.
	atMost bool
	// time is for how long the oldest entry has been missing.
	time time.Duration
	hackage.Gap
	err error // why it is not known, or not exactly
}

// mostOfGap bounds what is read of upstream's index, in bytes: some 1,500 entries.
const mostOfGap = 4 << 20

// compare finds out what a destination lacks.
func (d *destination) compare(ctx context.Context, u upstreamView) {
	if d.err != nil {
		return
	}
	if d.metadata != nil && sameIndex(d.metadata, u.metadata) {
		d.lag = lag{known: true, Gap: hackage.Gap{Proven: true}}
		return
	}
	var gap hackage.Gap
	var err error
	if position, ok := d.position(); ok {
		gap, err = u.from.Gap(ctx, u.metadata, position, mostOfGap)
	} else {
		gap, err = u.from.Since(ctx, u.metadata, d.newest(), mostOfGap)
	}
	d.lag = lag{known: err == nil, Gap: gap, err: explained(ctx, err)}
	if d.lag.known && gap.Entries != 0 && gap.First.IsZero() {
		d.lag.known, d.lag.err = false, errors.New("no entry follows its position")
	}
}

// sameIndex reports whether two sets of metadata sign the same index.
func sameIndex(a, b *hackage.Metadata) bool {
	tarA, okA := a.Snapshot.IndexTar()
	tarB, okB := b.Snapshot.IndexTar()
	if okA && okB {
		return tarA == tarB
	}
	return a.Snapshot.IndexTarGz() == b.Snapshot.IndexTarGz()
}

// position is how far into the index a destination is. What a bucket says counts only if
// it is that of the index which is signed there.
func (d *destination) position() (index.Position, bool) {
	if d.metadata == nil {
		return d.state.Position, d.stated
	}
	info, signed := d.metadata.Snapshot.IndexTar()
	if d.stated && signed && d.state.Position.Ends(info.Length, info.SHA256) {
		return d.state.Position, true
	}
	return index.Position{Prefix: midstate.Prefix{Length: info.Length - index.Closing}}, signed && info.Length >= index.Closing
}

// newest is the time of the newest entry that a destination says it has, zero if it does
// not say so.
func (d *destination) newest() time.Time {
	switch {
	case d.stated && !d.state.Position.Time.IsZero():
		return d.state.Position.Time
	case d.tag != nil:
		return d.tag.Time
	case d.said != nil:
		return d.said.Index.State
	}
	return time.Time{}
}
