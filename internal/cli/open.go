package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshauth"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/options"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/run"
	"github.com/hackage-mirror/hackage-mirror/internal/selection"
	"github.com/hackage-mirror/hackage-mirror/internal/temp"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// An opening makes ready what a run works on, and ends it afterwards.
type opening struct {
	run.Config
	o       *options.Sync
	env     Env
	closers []func() error
}

// newOpening returns the opening of a run that starts now.
func newOpening(o *options.Sync, env Env) *opening {
	bar := env.progress(o.Verbose)
	accepted, _ := o.Accepted() // Check refuses what is none
	return &opening{o: o, env: env, Config: run.Config{
		Address: o.Upstream, Pinned: pinned(o), Patterns: o.Packages, PublicURL: o.MirrorURL(), Branch: o.Branch, Tag: o.Tag, Accepted: accepted,
		AcceptRewrite: o.AcceptRewrite, Full: o.Full, DryRun: o.DryRun, Verbose: o.Verbose, Detailed: o.JSON || report.WantsFiles(env.Getenv),
		TimeLimit: o.TimeLimit, Concurrency: o.Concurrency, BatchSize: env.batch,
		Tool: program + " " + env.Version, Page: report.RunPage(env.Getenv), GitHub: env.Getenv("GITHUB_SERVER_URL"), OnRunner: env.Getenv("GITHUB_ACTIONS") == "true",
		Began: env.Now(), Now: env.Now, Progress: bar, Warn: func(text string) {
			if !env.console.Tell(report.Warning, text) {
				bar.Log("warning: " + text)
			}
		},
	}}
}

// open makes everything ready. What the run cannot do without is in Unopened.
func (op *opening) open(ctx context.Context) run.Config {
	folder, err := temp.Make()
	if err == nil {
		op.Dir = folder.Path
		op.closers = append(op.closers, folder.Close)
		if err = op.openAll(ctx); err != nil {
			err = &unready{err}
		}
	}
	op.Unopened = err
	return op.Config
}

// openAll makes upstream and all destinations ready. A destination that cannot be
// opened fails alone.
func (op *opening) openAll(ctx context.Context) (err error) {
	if op.Selected, err = selection.Parse(op.o.Packages); err != nil {
		return err
	}
	if op.Shard, err = op.o.ShardOf(); err != nil {
		return err
	}
	remotes, err := op.o.Remotes()
	if err != nil {
		return err
	}
	if op.Shard.Number > 0 {
		remotes = nil // the job that gathers the shards writes the repositories
	}
	if len(remotes) > 0 && op.o.SigningKey.IsSet() { // before anything is made
		if op.Signer, err = openpgp.NewSigner(op.o.SigningKey.Bytes(), op.o.SigningPassphrase.Bytes(), op.Now); err != nil {
			return err
		}
	}
	if op.Upstream, err = op.openUpstream(); err != nil {
		return err
	}
	if err := op.openBuckets(ctx); err != nil {
		return err
	}
	return op.openRepositories(ctx, remotes)
}

// openUpstream makes upstream ready. The root.json files of the buckets are looked at
// by it, which checks each against the pinned keys.
func (op *opening) openUpstream() (*hackage.Upstream, error) {
	options := upstreamOptions(op.o, op.env)
	options.User, options.Password = op.o.UpstreamUser, op.o.UpstreamPassword.Bytes()
	options.KnownRoots = func(ctx context.Context) (roots [][]byte) {
		for _, t := range op.Targets {
			if raw := t.Root(ctx); raw != nil {
				roots = append(roots, raw)
			}
		}
		return roots
	}
	options.Notify = func(retry hackage.Retry) {
		again := "trying again"
		if wait := retry.Wait.Round(time.Second); wait > 0 {
			again += " in " + report.Took(wait)
		}
		op.Progress.Log(fmt.Sprintf("%s: attempt %d failed: %v; %s", retry.What, retry.Attempt, retry.Err, again))
	}
	if op.env.tune != nil {
		op.env.tune(&options)
	}
	return hackage.Open(op.o.Upstream, options)
}

// upstreamOptions say whom to trust, and who asks.
func upstreamOptions(o *options.Sync, env Env) hackage.Options {
	return hackage.Options{Pinned: pinned(o), UserAgent: hackage.UserAgent(env.Version), Now: env.Now}
}

func pinned(o *options.Sync) tuf.Pinned {
	pinned := tuf.HackagePinned()
	if len(o.RootKeys) > 0 {
		pinned.KeyIDs = o.RootKeys
	}
	pinned.Threshold = o.KeyThreshold
	return pinned
}

func (op *opening) openBuckets(ctx context.Context) error {
	o, err := bucketOptions(op.o, op.env)
	if err != nil {
		return err
	}
	o.Notify = op.Progress.Log
	for _, text := range op.o.Bucket {
		op.Targets = append(op.Targets, op.openBucket(ctx, text, o))
	}
	return nil
}

// bucketOptions are what opens buckets, with the credentials of the environment.
func bucketOptions(o *options.Sync, env Env) (open.Options, error) {
	opening, err := o.BucketOptions()
	opening.Getenv = env.Getenv
	if env.tuneBucket != nil {
		env.tuneBucket(&opening)
	}
	return opening, err
}

func (op *opening) openBucket(ctx context.Context, text string, o open.Options) *run.Target {
	name := options.BucketName(text)
	address, err := open.Address(text, o)
	if err != nil {
		return run.Unopened(run.BucketKind, name, err)
	}
	store, err := address.Open(ctx)
	if err != nil {
		return run.Unopened(run.BucketKind, name, err)
	}
	op.closers = append(op.closers, store.Close)
	b := mirror.New(store, mirror.Options{
		Tool: op.env.Version, Now: op.Now, StateEvery: address.PutEvery, Pause: op.env.pause, Shard: op.Shard,
	})
	return run.NewBucket(name, cmp.Or(address.PublicURL, op.o.PublicURL), b)
}

func (op *opening) openRepositories(ctx context.Context, remotes []options.Remote) error {
	connections := sshauth.NewConnections(op.Dir)
	op.closers = append(op.closers, connections.Close)
	for _, m := range remotes {
		m.Connections = connections
		name, _ := m.Check() // which was refused before, if at all
		target, err := op.openRepository(ctx, m)
		if err != nil {
			target = run.Unopened(m.Kind, name, err)
		}
		op.Targets = append(op.Targets, target)
		if errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

func (op *opening) openRepository(ctx context.Context, m options.Remote) (*run.Target, error) {
	o := m.Options
	o.Dir = filepath.Join(op.Dir, m.Kind)
	if err := os.Mkdir(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	o.Getenv, o.Notify = op.env.Getenv, op.Progress.Log
	o.Create, o.InitialBranch = !op.DryRun, allcabal.DisplayBranch
	repo, err := op.openRemote(ctx, o)
	if err != nil {
		return nil, err
	}
	name := repo.String()
	if op.DryRun && vacant(name) {
		// A real run would make it; an empty one of our own stands in.
		o.URL, o.Create = filepath.Join(o.Dir, "remote"), true
		if repo, err = op.openRemote(ctx, o); err != nil {
			return nil, err
		}
	}
	keys, err := op.o.Keyring(op.Signer, op.Now)
	if err != nil {
		return nil, err
	}
	if keys == nil {
		op.Warn(fmt.Sprintf("%s %q: without a signing-key or trusted-keys, signatures are not checked", m.Kind, name))
	}
	return run.NewRepository(m.Kind, name, allcabal.New(allcabal.Options{
		Repo: repo, Signer: op.Signer, Keys: keys, Hashes: m.Hashes,
		Keep: op.o.Keep, Adopt: op.o.Adopt, DryRun: op.DryRun, Notify: op.Warn,
		Branch: op.Branch, Tag: op.Tag, History: allcabal.History(op.o.History),
		PublicURL: op.PublicURL, Tool: op.Tool, Now: op.Now,
	})), nil
}

// openRemote opens a remote until the run ends.
func (op *opening) openRemote(ctx context.Context, o gitrepo.Options) (*gitrepo.Repo, error) {
	repo, err := gitrepo.Open(ctx, o)
	if err == nil {
		op.closers = append(op.closers, repo.Close)
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

// close ends what was opened, the last first.
func (op *opening) close() error {
	var errs []error
	for _, closer := range slices.Backward(op.closers) {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}
