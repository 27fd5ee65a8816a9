package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/options"
	"github.com/hackage-mirror/hackage-mirror/internal/probe"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/temp"
)

// startStatus checks the options before anything is asked.
func startStatus(ctx context.Context, o *options.Status, env Env) error {
	s := o.Sync()
	s.Tidy()
	s.Resolve(env.Getenv)
	warnings, err := o.Check(s)
	for _, warning := range warnings {
		env.warn(warning)
	}
	if err != nil {
		return usage(err, "status")
	}
	return runStatus(ctx, o, s, env)
}

// runStatus looks at a mirror and says what was found: to people or programs on
// standard output, to GitHub's runner, and by the exit code.
func runStatus(ctx context.Context, o *options.Status, s *options.Sync, env Env) (err error) {
	folder, err := temp.Make()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	config, err := probeConfig(o, s, env, folder.Path)
	if err != nil {
		return err
	}
	found, err := probe.Look(ctx, config)
	if err != nil {
		return err
	}
	text := found.Text()
	if err := report.WriteLook(env.Getenv, found.Sentence(), text, found.BoundedJSON); err != nil {
		env.warn(err.Error())
	}
	if o.JSON {
		text = string(found.JSON())
	}
	if _, err := io.WriteString(env.Stdout, text); err != nil {
		return err
	}
	// It stands in the text, so it is repeated only where people read something else,
	// on the page of a run.
	for _, message := range found.Messages() {
		env.console.Tell(message.Level, message.Text)
	}
	look, err := found.Verdict()
	if err == nil && look {
		return &ExitError{Code: CodeDegraded}
	}
	return err
}

// probeConfig returns what is to be looked at, with a folder for the repositories. s are the
// same options as those of a sync.
func probeConfig(o *options.Status, s *options.Sync, env Env, dir string) (probe.Config, error) {
	asking := probe.Patient(upstreamOptions(s, env))
	if env.tune != nil {
		env.tune(&asking)
	}
	c := probe.Config{
		Upstream: s.Upstream, Asking: asking, Branch: s.Branch, Tag: s.Tag, KeysGiven: strings.TrimSpace(s.TrustedKeys) != "",
		StaleAfter: o.StaleAfter, Tool: program + " " + env.Version, Now: env.Now,
	}
	c.Asking.User, c.Asking.Password = s.UpstreamUser, s.UpstreamPassword.Bytes()
	for _, text := range o.Buckets() {
		c.Buckets = append(c.Buckets, probe.Bucket{Name: options.BucketName(text), Open: func(ctx context.Context) (*hackage.Upstream, io.Closer, error) {
			return openForReading(ctx, s, text, asking, env)
		}})
	}
	remotes, err := s.Remotes()
	if err != nil {
		return c, err
	}
	for _, m := range remotes {
		name, _ := m.Check() // which was refused before, if at all
		c.Repositories = append(c.Repositories, probe.Repository{Kind: m.Kind, Name: name, Open: func(ctx context.Context) (*allcabal.Repository, io.Closer, error) {
			return openTag(ctx, s, m, filepath.Join(dir, m.Kind), env)
		}})
	}
	return c, nil
}

// openForReading opens a bucket for reading: on the web as any client of it does. Its
// servers are not shown upstream's password.
func openForReading(ctx context.Context, o *options.Sync, text string, asking hackage.Options, env Env) (*hackage.Upstream, io.Closer, error) {
	scheme, _, isURL := strings.Cut(text, "://")
	if isURL && options.IsWeb(scheme) || !isURL && !unsigned(text) {
		from, err := hackage.Open(text, asking)
		return from, io.NopCloser(nil), err
	}
	opening, err := bucketOptions(o, env)
	if err != nil {
		return nil, nil, err
	}
	opening.Attempts = 3
	store, err := open.Bucket(ctx, text, opening)
	if err != nil {
		return nil, nil, err
	}
	return hackage.OpenFiles(stored{store}, asking), store, nil
}

// unsigned reports whether a folder is a bucket in which nothing is signed yet.
func unsigned(folder string) bool {
	return options.Exists(filepath.Join(folder, mirror.StateKey)) && !options.Exists(filepath.Join(folder, "root.json"))
}

// stored is a bucket as the files of a repository.
type stored struct{ bucket.Store }

// Open implements hackage.Files.
func (s stored) Open(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	body, info, err := s.Get(ctx, key)
	return body, info.Size, err
}

// openTag opens a repository whose tag is to be read, with a folder of its own.
func openTag(ctx context.Context, o *options.Sync, m options.Remote, dir string, env Env) (*allcabal.Repository, io.Closer, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	keys, fingerprints, err := o.Trusted()
	if err != nil {
		return nil, nil, err
	}
	m.Dir, m.Getenv = dir, env.Getenv
	repo, err := gitrepo.Open(ctx, m.Options)
	if err != nil {
		return nil, nil, err
	}
	return allcabal.New(allcabal.Options{
		Repo: repo, Keys: options.NewKeyring(keys, fingerprints, env.Now), Hashes: m.Hashes, Branch: o.Branch, Tag: o.Tag, Now: env.Now,
	}), repo, nil
}
