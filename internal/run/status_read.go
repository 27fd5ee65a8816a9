package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/paste"
	"github.com/hackage-mirror/hackage-mirror/internal/selection"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// A view is what a look sees of one place.
type view struct {
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

// list makes a view of each place.
func (l *look) list() error {
	for _, text := range l.o.buckets() {
		p := &view{kind: bucketKind, name: bucketName(text)}
		p.read = func(ctx context.Context) error { return l.readBucket(ctx, p, text) }
		l.places = append(l.places, p)
	}
	remotes, err := l.sync.remotes()
	if err != nil {
		return err
	}
	for _, m := range remotes {
		name, err := m.Check()
		if err != nil {
			return fmt.Errorf("%s: %w", m.kind, err)
		}
		p := &view{kind: m.kind, name: name}
		p.read = func(ctx context.Context) error { return l.readRepository(ctx, p, m) }
		l.places = append(l.places, p)
	}
	return nil
}

// readBucket reads what is signed in a bucket, and what it says of itself.
func (l *look) readBucket(ctx context.Context, p *view, text string) error {
	from, closer, err := l.openBucket(ctx, text)
	if err != nil {
		return ofMirror(err)
	}
	defer func() { _ = closer.Close() }() // it was only read
	p.metadata, p.served, err = from.Served(ctx)
	if err != nil && (p.metadata != nil || !errors.Is(err, hackage.ErrMissing)) {
		return ofMirror(err)
	}
	p.readUnsigned(ctx, from)
	switch {
	case err != nil && p.filling():
		return fmt.Errorf("%w; it says of itself: %s", errFilling, shown(p.said.Sentence))
	case err != nil && p.stated:
		return errFilling
	case err == nil:
		err = p.lookForTarballs(ctx, from)
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
// bucket says it leaves out or owes.
func (p *view) lookForTarballs(ctx context.Context, from *hackage.Upstream) error {
	take, err := selection.Parse(paste.Items(p.state.Packages))
	if err != nil {
		take = func(string) bool { return true } // it is the bucket's own word
	}
	asked := 0
	for _, upload := range p.served.Newest {
		_, owed := p.state.Ledger[upload.Release]
		if owed || !take(upload.Release.Package) {
			continue
		}
		if asked++; asked > mostTarballs {
			break
		}
		if err := from.Has(ctx, upload); ctx.Err() != nil {
			return err
		} else if err != nil {
			p.absent = append(p.absent, absence{upload.Release, ofMirror(err)})
		}
	}
	return nil
}

// filling reports whether a bucket says of itself that it is being filled.
func (p *view) filling() bool { return p.stated && p.said != nil && p.said.Health == status.Filling }

// readUnsigned reads what a bucket says of itself.
func (p *view) readUnsigned(ctx context.Context, from *hackage.Upstream) {
	raw, err := from.Unsigned(ctx, mirror.StateKey, mirror.MaxState)
	if err == nil {
		var file state.File
		file, err = state.ParseFile(raw)
		p.state, p.stated = file.State, err == nil
	}
	p.unstated = unread(err)
	raw, err = from.Unsigned(ctx, status.Key, status.MaxSize)
	if err == nil {
		p.said, err = status.Parse(raw)
	}
	p.unsaid = unread(err)
}

// unread is the error of a file that is there.
func unread(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return ofMirror(err)
}

// openBucket opens a bucket for reading: on the web as any client of it does.
func (l *look) openBucket(ctx context.Context, text string) (*hackage.Upstream, io.Closer, error) {
	scheme, _, isURL := strings.Cut(text, "://")
	if isURL && isWeb(scheme) || !isURL && !begun(text) {
		from, err := hackage.Open(text, l.patience())
		return from, io.NopCloser(nil), err
	}
	options, err := l.sync.bucketOptions(l.env)
	if err != nil {
		return nil, nil, err
	}
	options.Attempts = cmp.Or(options.Attempts, 3)
	store, err := open.Bucket(ctx, text, options)
	if err != nil {
		return nil, nil, err
	}
	return hackage.OpenFiles(stored{store}, l.patience()), store, nil
}

// begun reports whether a folder is a bucket in which nothing is signed yet.
func begun(folder string) bool {
	return exists(filepath.Join(folder, mirror.StateKey)) && !exists(filepath.Join(folder, "root.json"))
}

// stored is a bucket as the files of a repository.
type stored struct{ bucket.Store }

// Open implements hackage.Files.
func (s stored) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	body, info, err := s.Get(ctx, key)
	return body, info.Size, err
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
func (l *look) readRepository(ctx context.Context, p *view, m remote) (err error) {
	o := m.Options
	o.Dir = filepath.Join(l.dir, m.kind)
	if err := os.Mkdir(o.Dir, 0o700); err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	o.Getenv = l.env.Getenv
	repo, err := gitrepo.Open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	p.name = repo.String()
	keys, fingerprints, err := l.sync.trusted()
	if err != nil {
		return err
	}
	seen, err := allcabal.New(allcabal.Options{
		Repo: repo, Keys: newKeyring(keys, fingerprints, l.env.Now), Hashes: m.hashes,
		Branch: l.sync.Branch, Tag: l.sync.Tag, Now: l.env.Now,
	}).Inspect(ctx)
	if err != nil {
		return err
	}
	p.tag, p.state, p.stated = &seen, seen.State, !seen.Older
	return nil
}

// A lag is how far a place is behind upstream.
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

// compare finds out what a place lacks.
func (p *view) compare(ctx context.Context, u upstreamView) {
	if p.err != nil {
		return
	}
	if p.metadata != nil && sameIndex(p.metadata, u.metadata) {
		p.lag = lag{known: true, Gap: hackage.Gap{Proven: true}}
		return
	}
	var gap hackage.Gap
	var err error
	if position, ok := p.position(); ok {
		gap, err = u.from.Gap(ctx, u.metadata, position, mostOfGap)
	} else {
		gap, err = u.from.Since(ctx, u.metadata, p.newest(), mostOfGap)
	}
	p.lag = lag{known: err == nil, Gap: gap, err: explained(ctx, err)}
	if p.lag.known && gap.Entries != 0 && gap.First.IsZero() {
		p.lag.known, p.lag.err = false, errors.New("no entry follows its position")
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

// position is how far into the index a place is. What a bucket says counts only if
// it is that of the index which is signed there.
func (p *view) position() (index.Position, bool) {
	if p.metadata == nil {
		return p.state.Position, p.stated
	}
	info, signed := p.metadata.Snapshot.IndexTar()
	if p.stated && signed && p.state.Position.Ends(info.Length, info.SHA256) {
		return p.state.Position, true
	}
	return index.Position{Prefix: midstate.Prefix{Length: info.Length - index.Closing}}, signed && info.Length >= index.Closing
}

// newest is the time of the newest entry that a place says it has, zero if it does
// not say so.
func (p *view) newest() time.Time {
	switch {
	case p.stated && !p.state.Position.Time.IsZero():
		return p.state.Position.Time
	case p.tag != nil:
		return p.tag.Time
	case p.said != nil:
		return p.said.Index.State
	}
	return time.Time{}
}
