package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// fake is an upstream of which each tarball is what a function says.
type fake func(ctx context.Context, r index.Release, sink func() io.Writer) error

func (f fake) Tarball(ctx context.Context, r index.Release, _ index.Target, sink func() io.Writer) error {
	return f(ctx, r, sink)
}

// content sends a tarball at the second attempt; the first one is cut.
func content(size int) fake {
	return func(_ context.Context, r index.Release, sink func() io.Writer) error {
		raw := tarball(r, size)
		if _, err := sink().Write(raw[:len(raw)/2]); err != nil {
			return err
		}
		_, err := io.Copy(sink(), struct{ io.Reader }{bytes.NewReader(raw)})
		return err
	}
}

func tarball(r index.Release, size int) []byte {
	return bytes.Repeat([]byte(r.String()+"\n"), size/len(r.String())+1)
}

// wanted is n releases for some buckets.
func wanted(n int, writers ...*BucketWriter) []Want {
	var wants []Want
	for i := range n {
		release := index.Release{Package: "p", Version: fmt.Sprint(i)}
		want := Want{Tarball: state.Tarball{Release: release, Target: index.Target{Length: 1}}, Digests: true}
		for _, writer := range writers {
			want.Destinations = append(want.Destinations, Destination{Writer: writer})
		}
		wants = append(wants, want)
	}
	return wants
}

// A sinkhole is an empty bucket with its writer.
type sinkhole struct {
	*Bucket
	*BucketWriter
	store *buckettest.Memory
}

// sink starts the writer of an empty bucket.
func sink(ctx context.Context, t *testing.T) sinkhole {
	t.Helper()
	r := newRig(t, hackagetest.New(hackagetest.Options{}))
	u := r.upstream()
	m, err := u.Metadata(t.Context(), state.Seen{})
	if err != nil {
		t.Fatal(err)
	}
	ix, err := u.Index(t.Context(), m, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ix.Close() })
	store := buckettest.NewMemory(t)
	b := New(store, Options{Tool: "test", Now: noon})
	b.mustLoad(t)
	tail, err := index.Scan(ix.Log(index.Position{}), all)
	if err != nil {
		t.Fatal(err)
	}
	return sinkhole{Bucket: b, BucketWriter: NewBucketWriter(ctx, b, u.Access(m, t.TempDir(), ix), tail, ""), store: store}
}

func TestFetchedTarballsReachEveryBucket(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, spoolMemory * 2} {
		f := &Downloader{Upstream: content(size), Dir: t.TempDir(), Concurrency: 3, PublicURL: "https://mirror.example"}
		one, two := sink(t.Context(), t), sink(t.Context(), t)
		wants := append(wanted(10, one.BucketWriter, two.BucketWriter), Want{Tarball: state.Tarball{Release: index.Release{Package: "q", Version: "1"}}, Digests: true})
		outcomes, err := f.Download(t.Context(), wants)
		if err := errors.Join(err, one.Close(), two.Close()); err != nil {
			t.Fatal(err)
		}
		if len(outcomes) != 11 {
			t.Errorf("%d outcomes", len(outcomes))
		}
		for wanted, outcome := range outcomes {
			release := wanted.Release
			raw := tarball(release, size)
			if outcome.Err != nil || fmt.Sprintf("%x", outcome.Digests.SHA256) != hexDigest(raw) {
				t.Errorf("%s: %x, %v", release, outcome.Digests.SHA256, outcome.Err)
			}
			for _, store := range []*buckettest.Memory{one.store, two.store} {
				held := store.Contents()
				if release.Package == "p" && !bytes.Equal(held[release.TarballKey()], raw) {
					t.Errorf("%s is not what came", release)
				}
				if release.Package == "q" && held[release.TarballKey()] != nil {
					t.Errorf("%s is in a bucket that does not want it", release)
				}
			}
		}
		if n := held(t, f.Dir); n != 0 {
			t.Errorf("%d temporary files are left", n)
		}
	}
}

func TestFetchKeepsToItsConcurrency(t *testing.T) {
	t.Parallel()
	const bound, count = 4, 40
	var mu sync.Mutex
	now, most := 0, 0
	full := make(chan struct{})
	f := &Downloader{Dir: t.TempDir(), Concurrency: bound, Upstream: fake(func(ctx context.Context, r index.Release, sink func() io.Writer) error {
		mu.Lock()
		now++
		if now == bound && most < bound {
			close(full)
		}
		most = max(most, now)
		mu.Unlock()
		select {
		case <-full: // once as many were at it as may be
		case <-ctx.Done():
		}
		defer func() { mu.Lock(); now--; mu.Unlock() }()
		_, err := sink().Write([]byte(r.String()))
		return err
	})}
	outcomes, err := f.Download(t.Context(), wanted(count))
	if err != nil || len(outcomes) != count || most != bound {
		t.Errorf("%d outcomes with %d at once, %v", len(outcomes), most, err)
	}
}

func TestOutageEndsTheRunAndAFewFailuresDoNot(t *testing.T) {
	t.Parallel()
	refused := errors.New("connection refused")
	for _, test := range []struct {
		name   string
		err    func(n int) error // of the nth tarball
		owed   bool
		outage bool
	}{
		{"all fail", func(int) error { return refused }, false, true},
		{"all failed before", func(int) error { return refused }, true, false},
		{"all but every twentieth fail", func(n int) error {
			if n%20 == 19 {
				return nil
			}
			return refused
		}, false, false},
		{"all are missing", func(int) error { return state.ErrMissing }, false, true},
		{"all are withdrawn", func(int) error { return state.ErrWithdrawn }, false, true},
		{"all are tampered with", func(int) error { return state.ErrMismatch }, false, true},
		{"all were missing before", func(int) error { return state.ErrMissing }, true, false},
		{"all but one are missing", func(n int) error {
			if n == 50 {
				return nil
			}
			return state.ErrMissing
		}, false, false},
		{"missing and failing take turns", func(n int) error {
			if n%2 == 0 {
				return state.ErrMissing
			}
			return refused
		}, false, true},
		{"answers come between", func(n int) error {
			if n == 0 {
				return nil
			}
			if n%20 == 19 {
				return state.ErrMissing
			}
			return refused
		}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n, told := 0, 0
			f := &Downloader{
				Dir: t.TempDir(), Concurrency: 1,
				Upstream: fake(func(_ context.Context, r index.Release, sink func() io.Writer) error {
					err := test.err(n)
					n++
					return err
				}),
				Done: func(index.Release, int64, error) { told++ },
			}
			wants := wanted(60)
			for i := range wants {
				wants[i].Retried = test.owed
			}
			outcomes, err := f.Download(t.Context(), wants)
			if errors.Is(err, ErrOutage) != test.outage || !test.outage && err != nil {
				t.Fatalf("error %v", err)
			}
			if test.outage && n > 60 {
				t.Errorf("%d were asked for, and the error is %v", n, err)
			}
			if !test.outage && (len(outcomes) != 60 || told != 60) {
				t.Errorf("%d outcomes, told of %d", len(outcomes), told)
			}
		})
	}
}

func TestCalledOffFetchEndsWithoutOutcomes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	begun := 0
	f := &Downloader{Dir: t.TempDir(), Concurrency: 3, Upstream: fake(func(ctx context.Context, _ index.Release, sink func() io.Writer) error {
		mu.Lock()
		if begun++; begun == 3 {
			cancel()
		}
		mu.Unlock()
		if _, err := sink().Write(make([]byte, spoolMemory+1)); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})}
	b := sink(ctx, t)
	_, err := f.Download(ctx, wanted(100, b.BucketWriter))
	if closed := b.Close(); !errors.Is(err, context.Canceled) || !errors.Is(closed, context.Canceled) {
		t.Errorf("errors %v and %v", err, closed)
	}
	if begun > 6 || len(b.store.Keys()) > 0 {
		t.Errorf("%d were begun, and the bucket holds %q", begun, b.store.Keys())
	}
	if n := held(t, f.Dir); n != 0 {
		t.Errorf("%d temporary files are left", n)
	}
}

// A full disk here says nothing of the tarball, so it must not enter a ledger.
func TestFullDiskIsNotAMissingTarball(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gone")
	f := &Downloader{Upstream: content(spoolMemory * 4), Dir: dir, Concurrency: 2}
	outcomes, err := f.Download(t.Context(), wanted(5))
	if !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrOutage) || outcomes != nil {
		t.Fatalf("outcomes %v, error %v", outcomes, err)
	}
	if !strings.Contains(err.Error(), "keep tarball") || !strings.Contains(err.Error(), dir) {
		t.Errorf("the error does not say what and where: %v", err)
	}
}

func TestBrokenBucketDoesNotHoldUpTheOther(t *testing.T) {
	t.Parallel()
	f := &Downloader{Upstream: content(10), Dir: t.TempDir(), Concurrency: 1}
	good, bad := sink(t.Context(), t), sink(t.Context(), t)
	bad.store.Hook = func(op buckettest.Op, key string) (bool, error) {
		if op == buckettest.Put && key == "package/p-3.tar.gz" {
			return false, errStopped
		}
		return true, nil
	}
	const count = 10 * shortQueue
	if _, err := f.Download(t.Context(), wanted(count, bad.BucketWriter, good.BucketWriter)); err != nil {
		t.Fatal(err)
	}
	if err := good.Close(); err != nil || good.Stats().Tarballs != count {
		t.Errorf("the good bucket took %d tarballs, %v", good.Stats().Tarballs, err)
	}
	if err := bad.Close(); !errors.Is(err, errStopped) || bad.Stats().Tarballs >= count/2 {
		t.Errorf("the broken bucket took %d tarballs, %v", bad.Stats().Tarballs, err)
	}
	// What was under way when the first put failed may still end.
	if puts := bad.store.Count(buckettest.Put, ""); puts >= count {
		t.Errorf("a broken bucket was tried %d times", puts)
	}
}

// A bucket that stands still is left behind, and what waits for it is on disk
// but for a little.
func TestSlowBucketDoesNotHoldUpTheOther(t *testing.T) {
	t.Parallel()
	const inMemory = 3
	f := &Downloader{Upstream: content(10), Dir: t.TempDir(), Concurrency: 2, memory: inMemory*downloadMemory + 1000}
	good, slow := sink(t.Context(), t), sink(t.Context(), t)
	gate := make(chan struct{})
	slow.store.Hook = func(buckettest.Op, string) (bool, error) {
		<-gate
		return true, nil
	}
	const count = 5 * shortQueue
	if _, err := f.Download(t.Context(), wanted(count, slow.BucketWriter, good.BucketWriter)); err != nil {
		t.Fatal(err)
	}
	if err := good.Close(); err != nil || good.Stats().Tarballs != count {
		t.Errorf("the good bucket took %d tarballs, %v", good.Stats().Tarballs, err)
	}
	if n := held(t, f.Dir); n < shortQueue {
		t.Errorf("only %d tarballs wait on the disk", n)
	}
	if f.waiting < inMemory*downloadMemory || f.waiting > f.memory {
		t.Errorf("tarballs wait in %d bytes of memory", f.waiting)
	}
	close(gate)
	if err := slow.Close(); err != nil || slow.Stats().Tarballs != count {
		t.Errorf("the slow bucket took %d tarballs, %v", slow.Stats().Tarballs, err)
	}
	if n := held(t, f.Dir); n != 0 || f.waiting != 0 {
		t.Errorf("%d temporary files and %d bytes of memory are left", n, f.waiting)
	}
}

// A file for each tarball of a bucket that is only a little slower would cost
// more than the tarball.
func TestFewTarballsWaitInMemory(t *testing.T) {
	t.Parallel()
	f := &Downloader{Upstream: content(10), Dir: t.TempDir(), Concurrency: 2}
	good, slow := sink(t.Context(), t), sink(t.Context(), t)
	gate := make(chan struct{})
	slow.store.Hook = func(buckettest.Op, string) (bool, error) {
		<-gate
		return true, nil
	}
	const count = 5 * shortQueue
	if _, err := f.Download(t.Context(), wanted(count, slow.BucketWriter, good.BucketWriter)); err != nil {
		t.Fatal(err)
	}
	if n := held(t, f.Dir); n != 0 {
		t.Errorf("%d tarballs wait on the disk", n)
	}
	close(gate)
	for _, s := range []sinkhole{good, slow} {
		if err := s.Close(); err != nil || s.Stats().Tarballs != count {
			t.Errorf("a bucket took %d tarballs, %v", s.Stats().Tarballs, err)
		}
	}
	if f.waiting != 0 {
		t.Errorf("%d bytes of memory are in use at the end", f.waiting)
	}
}

// Other bytes under a release's name are an alarm, and are left for a person.
func TestOtherBytesInTheBucketAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	extra := index.Release{Package: "extra", Version: "1.0"}
	r.store = buckettest.NewMemory(t) // somebody keeps to no rules
	r.store.Set(extra.TarballKey(), []byte("somebody's"))
	r.mustRun()
	if string(r.store.Contents()[extra.TarballKey()]) != "somebody's" {
		t.Error("the bytes were written over")
	}
	ledger := New(r.store, Options{Now: noon}).mustLoad(t).Ledger
	if len(ledger) != 1 || ledger[extra].Reason != state.Mismatch {
		t.Errorf("ledger %+v", ledger)
	}
	r.store.Delete(extra.TarballKey())
	r.hackage.Upload("later", "1.0", nil, nil)
	r.mustRun()
	r.check()
	if ledger := New(r.store, Options{Now: noon}).mustLoad(t).Ledger; len(ledger) != 0 {
		t.Errorf("ledger %+v", ledger)
	}
}
