package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A destination is what a run brings up to date. Each carries its own state.
type destination interface {
	// Load reads the state; state.ErrForm means that there is one that
	// cannot be read.
	Load(ctx context.Context) (state.State, error)
	State() state.State
	// Forget puts the destination back to the start of the index, without
	// taking anything from it.
	Forget(why string)

	// load is Load for a run of a shard, or of none; full says that everything is to
	// be compared, whatever the state says.
	load(ctx context.Context, shard mirror.Shard, full bool) (state.State, error)
	// restart is Forget where upstream wrote its index anew, and that is accepted.
	restart(why string)
	// mayWrite finds out whether the destination can be written; alone says that it
	// is the only one.
	mayWrite(ctx context.Context, alone bool) error
	// due reports whether there is something to write although the index says
	// nothing new.
	due() bool
	// holds reports whether it needs nothing but its position to hold the index that
	// a snapshot names.
	holds(snapshot *tuf.Snapshot) bool
	// inTag reports whether its state stands in a tag of ours, so that it is signed.
	inTag() bool
	// saysSeen reports whether its state would not change if it was brought up to this
	// metadata.
	saysSeen(seen state.Seen) bool
	// wants returns the tarballs that it lacks, and turn which of its pending releases
	// a run asks for.
	wants(ctx context.Context, now time.Time) ([]state.Want, error)
	turn(now time.Time, most int) state.Turn
	// addTo enters into a download that it goes here too.
	addTo(d *download, replaced bool)
	// stateName names what the state stands in, and doubt what to do about it where
	// it is no more than a word.
	stateName(tag string) string
	doubt() (cause, remedy string)
	// report enters what was done to it, and returns how many revisions came.
	report(r *run, facts *report.Run, d *report.Destination) (revisions int)
}

// The kinds of targets, named as their options.
const (
	BucketKind = "bucket"
	FilesKind  = "files-repository"
	HashesKind = "hashes-repository"
)

// A Target is a destination in one run. What goes wrong with it is kept here: one
// target that fails never stops the others.
type Target struct {
	destination        // nil if it could not be opened
	kind        string // as in the option's name
	name        string // as the option's value
	address     string // in an error: that of a bucket elsewhere has its endpoint

	before state.State     // when the run began
	unread error           // why a bucket's state could not be read, if it could not
	index  *hackage.Access // which has all that is behind its position
	tail   *index.Delta    // what that is
	took   time.Duration
	err    error
}

// NewBucket returns the target that a bucket is. Readers find it at publicURL, if that
// is not empty.
func NewBucket(name, publicURL string, b *mirror.Bucket) *Target {
	t := &Target{kind: BucketKind, name: name, address: name}
	if strings.Contains(name, "://") {
		t.address = b.String()
	}
	t.destination = &bucketTarget{Target: t, Bucket: b, publicURL: publicURL}
	return t
}

// NewRepository returns the target that a repository is.
func NewRepository(kind, name string, d *allcabal.Repository) *Target {
	t := &Target{kind: kind, name: name, address: name}
	t.destination = &repositoryTarget{Target: t, Repository: d}
	return t
}

// Unopened returns the target of a destination that could not be opened.
func Unopened(kind, name string, err error) *Target {
	return &Target{kind: kind, name: name, address: name, err: err}
}

// Root returns the root.json that the target holds, if it is a bucket; nil for none. It
// proves nothing by itself.
func (s *Target) Root(ctx context.Context) []byte {
	b, ok := s.destination.(*bucketTarget)
	if !ok || s.err != nil {
		return nil
	}
	raw, err := b.Bucket.Root(ctx)
	if err != nil {
		return nil
	}
	return raw
}

// String names the target.
func (s *Target) String() string { return s.name }

// read reads a target's state and decides whether its position can be used.
func (s *Target) read(ctx context.Context, packages string, shard mirror.Shard, full bool) error {
	read, err := s.load(ctx, shard, full)
	switch {
	case errors.Is(err, state.ErrForm), errors.Is(err, index.ErrPosition):
		s.Forget(err.Error())
		s.unread = err
	case err != nil:
		return err
	case !full && read.Packages != packages && !read.Position.IsZero():
		s.Forget("it was filled with other packages")
		// Older metadata than it has seen stays refused.
	}
	s.before = read
	return nil
}

// rewritten is the error of an index that does not have the target's position.
func (s *Target) rewritten(end index.Position) error {
	position, why := s.State().Position, index.ErrDigest
	if position.Length > end.Length {
		why = index.ErrLength
	}
	damaged, _ := s.doubt()
	return fmt.Errorf("it was built from the first %d bytes of the index, up to %s, and upstream's index, of %d bytes up to %s, does not continue that: %s%w: %w",
		position.Length, position.Time.Format(time.RFC3339), end.Length, end.Time.Format(time.RFC3339), damaged, index.ErrRewritten, why)
}

// atEnd reports whether the target is at the end of the index that the metadata
// names, proven by the midstate of its position alone.
func (s *Target) atEnd(m *hackage.Metadata) bool {
	info, signed := m.Snapshot.IndexTar()
	return signed && !s.due() && s.State().Position.Ends(info.Length, info.SHA256) && s.holds(m.Snapshot)
}

// How many of what is pending in a bucket a run asks upstream for, at most: what it says is
// not signed, and upstream is not to be asked for thousands of things again and
// again that somebody made up. A run in which nothing else is to be done asks for
// fewer.
const (
	quietRetries  = 50
	retriesAtOnce = 2000
)

// signed reports whether the target says what it has seen of the metadata in a tag.
func (s *Target) signed() bool {
	return s.destination != nil && s.inTag() && s.before.Seen.Timestamp > 0
}

// highestSeen returns what the targets have seen of the metadata, each version the highest
// of any.
func highestSeen(targets []*Target) (seen state.Seen) {
	for _, s := range targets {
		other := s.before.Seen
		seen.Root = max(seen.Root, other.Root)
		seen.Timestamp = max(seen.Timestamp, other.Timestamp)
		seen.Snapshot = max(seen.Snapshot, other.Snapshot)
		seen.Mirrors = max(seen.Mirrors, other.Mirrors)
	}
	return seen
}

// trusted returns what a run takes for seen: what the signed tags say. Where there
// is none, a bucket's word counts for itself, so what all of them say alike; but
// one that names no expiry is not asked by, for it could stand still for ever.
func trusted(targets []*Target) state.Seen {
	var tags, buckets []*Target
	for _, s := range targets {
		if s.signed() {
			tags = append(tags, s)
		} else if s.destination != nil && !s.inTag() {
			buckets = append(buckets, s)
		}
	}
	switch {
	case len(tags) > 0:
		seen := highestSeen(tags)
		for _, s := range tags {
			if other := s.before.Seen; other.Timestamp == seen.Timestamp {
				seen.ETag, seen.Digest, seen.Index, seen.Expires = other.ETag, other.Digest, other.Index, other.Expires
				seen.RootExpires, seen.MirrorsExpires = other.RootExpires, other.MirrorsExpires
			}
		}
		return seen
	case len(buckets) == 0:
		return state.Seen{}
	}
	seen := buckets[0].before.Seen
	for _, s := range buckets {
		if s.before.Seen != seen || seen.Expires.IsZero() {
			return state.Seen{}
		}
	}
	return seen
}

// ahead reports whether a target says that it has seen newer metadata.
func (s *Target) ahead(m *hackage.Metadata) bool {
	said, seen := s.before.Seen, m.Seen()
	return said.Root > seen.Root || said.Timestamp > seen.Timestamp || said.Snapshot > seen.Snapshot || said.Mirrors > seen.Mirrors
}

// farthest returns the target that has seen the highest versions.
func farthest(targets []*Target) *Target {
	versions := func(s *Target) int64 {
		seen := s.before.Seen
		return max(seen.Root, seen.Timestamp, seen.Snapshot, seen.Mirrors)
	}
	return slices.MaxFunc(targets, func(a, b *Target) int { return cmp.Compare(versions(a), versions(b)) })
}

// stateOf names what the target's state stands in.
func (s *Target) stateOf(tag string) string {
	return fmt.Sprintf("%s of %s %q", s.stateName(tag), s.kind, s)
}

// A targeted is a target, or one of a kind.
type targeted interface{ target() *Target }

func (s *Target) target() *Target { return s }

// live returns the targets that nothing went wrong with.
func live[T targeted](targets []T) (out []T) {
	for _, s := range targets {
		if s.target().err == nil {
			out = append(out, s)
		}
	}
	return out
}
