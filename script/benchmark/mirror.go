package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// The latency of the upstream that answers late, and how many downloads at a
// time the target takes: ten times faster than one at a time needs more than
// the ten that are usual.
const (
	latency = 20 * time.Millisecond
	usual   = 10
	many    = 64
)

// A mirrorBench measures sync into S3.
type mirrorBench struct {
	settings
	dir        string
	gateway    *gateway // one for each measurement
	near, late *server
}

// A sample is what one run of a program took.
type sample struct {
	wall        time.Duration
	cpu, server time.Duration // the program's and the S3 server's
	peak        int64         // the program's memory in bytes
}

// newMirrorBench makes all that is not measured.
func newMirrorBench(ctx context.Context, s settings) (_ *mirrorBench, err error) {
	b := &mirrorBench{settings: s}
	if b.dir, err = os.MkdirTemp("", "hackage-mirror-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.near, err = startServer(ctx, s.releases, s.size, 0, b.tarballs()); err != nil {
		return nil, err
	}
	if b.late, err = startServer(ctx, s.late, s.size, latency, ""); err != nil {
		return nil, err
	}
	// What sync puts, as files: it takes a folder for a bucket, too.
	_, err = execute(ctx, os.Environ(), s.mirror, b.arguments(b.near, usual, b.everything())...)
	return b, err
}

// tarballs and everything are the folders that are uploaded.
func (b *mirrorBench) tarballs() string   { return filepath.Join(b.dir, "tarballs") }
func (b *mirrorBench) everything() string { return filepath.Join(b.dir, "everything") }

// close ends and removes everything.
func (b *mirrorBench) close() error {
	var errs []error
	for _, s := range []*server{b.near, b.late} {
		if s != nil {
			errs = append(errs, s.close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// A measurement is one thing that is measured in each round.
type measurement struct {
	name string
	run  func(context.Context) (sample, error)
}

// The names of the measurements.
const (
	nameUpload = "s5cmd: upload of the tarballs from disk, alone"
	nameAll    = "s5cmd: upload of all that sync puts, alone"
	nameSync   = "sync: download, check, five digests, upload of all"
	nameThree  = "sync into three buckets"
	nameSingle = "sync from 20 ms away, one download at a time"
	nameUsual  = "sync from 20 ms away, 10 at a time (the default)"
	nameMany   = "sync from 20 ms away, 64 at a time"
)

// measurements are those of a round, in turn.
func (b *mirrorBench) measurements() []measurement {
	upload := func(folder string) func(context.Context) (sample, error) {
		return func(ctx context.Context) (sample, error) { return b.upload(ctx, folder) }
	}
	sync := func(from *server, buckets, concurrency int) func(context.Context) (sample, error) {
		return func(ctx context.Context) (sample, error) { return b.sync(ctx, from, buckets, concurrency) }
	}
	return []measurement{
		{nameUpload, upload(b.tarballs())},
		{nameSync, sync(b.near, 1, usual)},
		{nameThree, sync(b.near, 3, usual)},
		{nameAll, upload(b.everything())},
		{nameSingle, sync(b.late, 1, 1)},
		{nameUsual, sync(b.late, 1, usual)},
		{nameMany, sync(b.late, 1, many)},
	}
}

// run measures all, round by round.
func (b *mirrorBench) run(ctx context.Context) (*report, error) {
	r := &report{settings: b.settings, samples: map[string][]sample{}}
	for round := range b.rounds {
		for _, m := range b.measurements() {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s: ", round+1, b.rounds, m.name)
			took, err := b.withGateway(ctx, m.run)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
			fmt.Fprintln(os.Stderr, seconds(took.wall))
			if round == 0 {
				r.names = append(r.names, m.name)
			}
			r.samples[m.name] = append(r.samples[m.name], took)
		}
	}
	r.judge()
	return r, nil
}

// withGateway runs a measurement with a gateway of its own.
func (b *mirrorBench) withGateway(ctx context.Context, run func(context.Context) (sample, error)) (_ sample, err error) {
	folder := filepath.Join(b.dir, "s3")
	if b.gateway, err = startGateway(ctx, b.versitygw, folder); err != nil {
		return sample{}, err
	}
	took, err := run(ctx)
	b.gateway.stop()
	took.server = b.gateway.cpu()
	return took, errors.Join(err, os.RemoveAll(folder))
}

// upload puts the files of a folder into a bucket by s5cmd.
func (b *mirrorBench) upload(ctx context.Context, folder string) (sample, error) {
	names, err := b.newBuckets(ctx, 1)
	if err != nil {
		return sample{}, err
	}
	took, err := b.measure(ctx, b.s5cmd, "--log", "error", "--endpoint-url", b.gateway.url, "--numworkers", strconv.Itoa(b.workers),
		"cp", folder+"/", "s3://"+names[0]+"/")
	return took, errors.Join(err, b.check(names, b.near))
}

// sync mirrors an upstream into new buckets.
func (b *mirrorBench) sync(ctx context.Context, from *server, buckets, concurrency int) (sample, error) {
	names, err := b.newBuckets(ctx, buckets)
	if err != nil {
		return sample{}, err
	}
	query := url.Values{"endpoint": {b.gateway.url}, "region": {region}, "path-style": {"true"}}
	var addresses []string
	for _, name := range names {
		addresses = append(addresses, "s3://"+name+"?"+query.Encode())
	}
	if err := from.ask(ctx, forgetPath); err != nil {
		return sample{}, err
	}
	took, err := b.measure(ctx, b.mirror, b.arguments(from, concurrency, addresses...)...)
	if err != nil {
		return sample{}, err
	}
	return took, errors.Join(from.ask(ctx, checkPath), b.check(names, from))
}

// arguments are those of a sync.
func (b *mirrorBench) arguments(from *server, concurrency int, buckets ...string) []string {
	arguments := []string{
		"sync", "--upstream", from.URL,
		"--key-threshold", strconv.Itoa(from.Threshold), "--concurrency", strconv.Itoa(concurrency),
	}
	for _, id := range from.Keys {
		arguments = append(arguments, "--root-keys", id)
	}
	for _, address := range buckets {
		arguments = append(arguments, "--bucket", address)
	}
	return arguments
}

// measure runs a program with the gateway's credentials.
func (b *mirrorBench) measure(ctx context.Context, program string, arguments ...string) (sample, error) {
	return execute(ctx, b.gateway.environment(), program, arguments...)
}

// execute runs a program to its end.
func execute(ctx context.Context, environment []string, program string, arguments ...string) (sample, error) {
	var said bytes.Buffer
	command := exec.CommandContext(ctx, program, arguments...)
	command.Env = environment
	command.Stdout, command.Stderr = &said, &said
	begun := time.Now()
	err := command.Run()
	wall := time.Since(begun)
	if err != nil {
		return sample{}, fmt.Errorf("run %s: %w: %s", filepath.Base(program), err, bytes.TrimSpace(said.Bytes()))
	}
	state := command.ProcessState
	return sample{wall: wall, cpu: state.UserTime() + state.SystemTime(), peak: peakMemory(state)}, nil
}

// newBuckets makes empty buckets.
func (b *mirrorBench) newBuckets(ctx context.Context, n int) ([]string, error) {
	var names []string
	for i := range n {
		name := fmt.Sprintf("bucket-%d", i)
		if _, err := b.measure(ctx, b.s5cmd, "--endpoint-url", b.gateway.url, "mb", "s3://"+name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// check makes sure that buckets hold all tarballs.
func (b *mirrorBench) check(names []string, from *server) error {
	for _, name := range names {
		n, err := b.gateway.tarballs(name)
		if err != nil {
			return err
		}
		if n != from.Releases {
			return fmt.Errorf("%d of %d tarballs are in the bucket", n, from.Releases)
		}
	}
	return nil
}
