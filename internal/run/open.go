package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshauth"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/paste"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/selection"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// open makes upstream and all destinations ready. A destination that cannot be
// opened fails alone.
func (r *syncer) open(ctx context.Context) (err error) {
	if r.take, err = selection.Parse(r.o.Packages); err != nil {
		return err
	}
	if r.shard, err = r.o.shard(); err != nil {
		return err
	}
	remotes, err := r.o.remotes()
	if err != nil {
		return err
	}
	if r.shard.Number > 0 {
		remotes = nil // the job that gathers the shards fills the repositories
	}
	if len(remotes) > 0 && r.o.SigningKey.IsSet() { // before anything is made
		if r.signer, err = openpgp.NewSigner(r.o.SigningKey.Bytes(), r.o.SigningPassphrase.Bytes(), r.env.Now); err != nil {
			return err
		}
	}
	if err := r.openUpstream(); err != nil {
		return err
	}
	if err := r.openBuckets(ctx); err != nil {
		return err
	}
	return r.openRepositories(ctx, remotes)
}

// openUpstream makes upstream ready.
func (r *syncer) openUpstream() (err error) {
	options := r.o.upstreamOptions(r.env)
	options.User, options.Password = r.o.UpstreamUser, r.o.UpstreamPassword.Bytes()
	options.KnownRoots = r.knownRoots
	options.Notify = func(retry hackage.Retry) {
		again := "trying again"
		if wait := retry.Wait.Round(time.Second); wait > 0 {
			again += " in " + report.Took(wait)
		}
		r.progress.Note(fmt.Sprintf("%s: attempt %d failed: %v; %s", retry.What, retry.Attempt, retry.Err, again))
	}
	if r.env.tune != nil {
		r.env.tune(&options)
	}
	r.upstream, err = hackage.Open(r.o.Upstream, options)
	return err
}

// upstreamOptions say whom to trust, and who asks.
func (o *Options) upstreamOptions(env Env) hackage.Options {
	pinned := tuf.HackagePinned()
	if len(o.RootKeys) > 0 {
		pinned.KeyIDs = o.RootKeys
	}
	pinned.Threshold = o.KeyThreshold
	return hackage.Options{Pinned: pinned, UserAgent: hackage.UserAgent(env.Version), Now: env.Now}
}

// knownRoots returns the root.json files of the buckets. They prove nothing by
// themselves; upstream's room checks each against the pinned keys.
func (r *syncer) knownRoots(ctx context.Context) [][]byte {
	var roots [][]byte
	for _, s := range r.buckets() {
		if raw, err := s.bucket.Root(ctx); err == nil {
			roots = append(roots, raw)
		}
	}
	return roots
}

// The kinds of sites, named as their options.
const (
	bucketKind = "bucket"
	filesKind  = "files-repository"
	hashesKind = "hashes-repository"
)

// openBuckets makes the buckets ready.
func (r *syncer) openBuckets(ctx context.Context) error {
	defaults, err := r.o.bucketOptions(r.env)
	if err != nil {
		return err
	}
	defaults.Notify, defaults.Full = r.progress.Note, r.o.Full
	for _, text := range r.o.Bucket {
		s, err := r.openBucket(ctx, text, defaults)
		if err != nil {
			s.err = err
		}
		r.sites = append(r.sites, s)
	}
	return nil
}

// bucketOptions are what opens buckets, with the access key of the environment.
func (o *Options) bucketOptions(env Env) (s3.Options, error) {
	defaults, err := o.bucketDefaults()
	options := s3.Options{Defaults: defaults, Credentials: env.credentials()}
	if err != nil {
		return options, err
	}
	options.Region = cmp.Or(options.Region, env.region())
	if env.tuneBucket != nil {
		env.tuneBucket(&options)
	}
	return options, nil
}

// openBucket makes a bucket ready.
func (r *syncer) openBucket(ctx context.Context, text string, defaults s3.Options) (*site, error) {
	s := &site{kind: bucketKind, name: bucketName(text), publicURL: r.o.PublicURL}
	address, err := bucket.ParseAddress(text)
	if err == nil && address.PublicURL != "" {
		s.publicURL = address.PublicURL
	}
	store, err := open.Bucket(ctx, text, defaults)
	if err != nil {
		return s, err
	}
	r.closers = append(r.closers, store.Close)
	s.bucket = mirror.New(store, r.env.Version, r.env.Now)
	if address.Folder == "" {
		s.bucket.Pace(r.env.pause)
	}
	if r.shard.Number > 0 {
		s.bucket.Restrict(r.shard)
	}
	s.destination = s.bucket
	return s, nil
}

// credentials returns the access key that the environment holds. Without one the
// store looks in the other usual places.
func (e Env) credentials() s3.Credentials {
	key := s3.Credentials{
		ID: paste.Line(e.Getenv("AWS_ACCESS_KEY_ID")), Secret: paste.Line(e.Getenv("AWS_SECRET_ACCESS_KEY")), Token: paste.Line(e.Getenv("AWS_SESSION_TOKEN")),
	}
	if key.ID == "" || key.Secret == "" {
		return s3.Credentials{}
	}
	return key
}

// region returns that of the environment, without what forms add to it.
func (e Env) region() string {
	return cmp.Or(paste.Line(e.Getenv("AWS_REGION")), paste.Line(e.Getenv("AWS_DEFAULT_REGION")))
}

// bucketName is a bucket's address without its parameters.
func bucketName(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	name, _, _ := strings.Cut(text, "?")
	return name
}

// openRepositories makes the git repositories ready.
func (r *syncer) openRepositories(ctx context.Context, remotes []remote) error {
	connections := sshauth.NewConnections(r.dir)
	r.closers = append(r.closers, connections.Close)
	for _, m := range remotes {
		m.Connections = connections
		name, err := m.Check()
		if err != nil {
			return fmt.Errorf("%s: %w", m.kind, err)
		}
		s := &site{kind: m.kind, name: name}
		r.sites = append(r.sites, s)
		if s.err = r.openRepository(ctx, s, m); errors.Is(s.err, context.Canceled) {
			return s.err
		}
	}
	return nil
}

// openRepository makes one git repository ready.
func (r *syncer) openRepository(ctx context.Context, s *site, m remote) error {
	o := m.Options
	o.Dir = filepath.Join(r.dir, s.kind)
	if err := os.Mkdir(o.Dir, 0o700); err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	o.Getenv, o.Notify = r.env.Getenv, r.progress.Note
	o.Create, o.InitialBranch = !r.dryRun, allcabal.DisplayBranch
	repo, err := r.openRemote(ctx, o)
	if err != nil {
		return err
	}
	s.name = repo.String()
	if r.dryRun && vacant(s.name) {
		// A real run would make it; an empty one of our own stands in.
		o.URL, o.Create = filepath.Join(o.Dir, "remote"), true
		if repo, err = r.openRemote(ctx, o); err != nil {
			return err
		}
	}
	keys, err := r.keyring()
	if err != nil {
		return err
	}
	if keys == nil {
		r.warn(fmt.Sprintf("%s %q: without a signing-key or trusted-keys, signatures are not checked", s.kind, s))
	}
	s.repo = allcabal.New(allcabal.Options{
		Repo: repo, Signer: r.signer, Keys: keys, Hashes: m.hashes,
		Keep: r.o.Keep, Adopt: r.o.Adopt, DryRun: r.dryRun, Notify: r.warn,
		Branch: r.o.Branch, Tag: r.o.Tag, History: allcabal.History(r.o.History),
		PublicURL: r.publicURL, Tool: program + " " + r.env.Version, Now: r.env.Now,
	})
	s.destination = s.repo
	return nil
}

// openRemote opens a remote until the run ends.
func (r *syncer) openRemote(ctx context.Context, o gitrepo.Options) (*gitrepo.Repo, error) {
	repo, err := gitrepo.Open(ctx, o)
	if err == nil {
		r.closers = append(r.closers, repo.Close)
	}
	return repo, err
}

// vacant reports whether a remote is a folder that is missing or empty. The
// names of other remotes are no absolute paths.
func vacant(remote string) bool {
	if !filepath.IsAbs(remote) {
		return false
	}
	entries, err := os.ReadDir(remote)
	return len(entries) == 0 && (err == nil || errors.Is(err, fs.ErrNotExist))
}

// close ends what open began, the last first.
func (r *syncer) close() error {
	var errs []error
	for i := len(r.closers) - 1; i >= 0; i-- {
		errs = append(errs, r.closers[i]())
	}
	return errors.Join(errs...)
}
