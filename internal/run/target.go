package run

import (
	"context"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
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
	// holds reports whether it needs nothing but its position to hold the index that
	// a snapshot names.
	holds(snapshot *tuf.Snapshot) bool
	// inTag reports whether its state stands in a tag of ours, so that it is signed.
	inTag() bool
	// saysSeen reports whether its state would not change if it was brought up to this
	// metadata.
	saysSeen(seen state.Seen) bool
	// wants returns the tarballs that it lacks by what the index holds behind its
	// position, and turn which of its pending releases a run asks for.
	wants(ctx context.Context, delta *index.Delta, now time.Time) ([]state.Want, error)
	turn(now time.Time, most int) state.Rotation
	// addTo enters into a download that it goes here too.
	addTo(d *download, replaced bool)
	// root returns the root.json that it holds, nil for none.
	root(ctx context.Context) []byte
	// stateName names what the state stands in, and ifDamaged says what may have
	// happened to it, and what to do then, where nobody signed it.
	stateName(tag string) string
	ifDamaged() (cause, remedy string)
	// report enters what was done to it, and returns how many revisions came.
	report(r *run, did account, facts *report.Run, d *report.Destination) (revisions int)
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

	before state.State // as it was read last; zero until then
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
	if s.destination == nil || s.err != nil {
		return nil
	}
	return s.root(ctx)
}

// String names the target.
func (s *Target) String() string { return s.name }

// How many of what is pending in a bucket a run asks upstream for, at most: what it says is
// not signed, and upstream is not to be asked for thousands of things again and
// again that somebody made up. A run in which nothing else is to be done asks for
// fewer.
const (
	quietRetries  = 50
	retriesAtOnce = 2000
)

// opened returns the targets of a kind that could be opened.
func opened[T destination](targets []*Target) (all []T) {
	for _, s := range targets {
		if d, ok := s.destination.(T); ok {
			all = append(all, d)
		}
	}
	return all
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

// These are theirs, so that nothing leads around in a circle.
var _, _ interface {
	Load(ctx context.Context) (state.State, error)
	State() state.State
	Forget(why string)
} = (*mirror.Bucket)(nil), (*allcabal.Repository)(nil)
