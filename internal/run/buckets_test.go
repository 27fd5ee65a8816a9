package run

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// Several buckets in one run, and the order in which readers come to see what is
// new.

func TestOneRunFillsTwoS3BucketsAndAFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	server := s3test.Start(t)
	one, two := w.cloud(server), w.cloud(server)
	args := w.bucketArgs(one.address(), two.address(), w.bucket())
	for round := range 2 {
		if round > 0 {
			w.grow()
		}
		w.server.Forget()
		w.fill(CodeDone, args...)
		for _, look := range []func(string) ([]byte, error){one.look, two.look, w.look} {
			w.check(look)
		}
		w.checkEachOnce()
	}
}

// checkEachOnce says that no tarball was asked for twice.
func (w *world) checkEachOnce() {
	w.Helper()
	asked := w.tarballs()
	for name, times := range asked {
		if times > 1 {
			w.Errorf("%s was asked for %d times", name, times)
		}
	}
	if len(asked) == 0 {
		w.Error("no tarball was asked for")
	}
}

func TestBrokenS3BucketLagsAndTheOthersArePublished(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"the server fails": http.StatusInternalServerError, "the key may not write": http.StatusForbidden} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			server := s3test.Start(t)
			broken, well := w.cloud(server), w.cloud(server)
			args := w.bucketArgs(broken.address(), well.address(), w.bucket())
			w.fill(CodeDone, args...)
			w.grow()
			broken.Hook = func(out http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPut {
					return false
				}
				http.Error(out, "", status)
				return true
			}
			said := w.fill(CodeError, args...)
			w.says(said, "s3://"+broken.name, strconv.Itoa(status), "not brought up to date")
			if strings.Contains(said, "s3://"+well.name+": not brought") {
				t.Errorf("the other bucket lags too:\n%s", said)
			}
			w.check(well.look)
			w.check(w.look)
			broken.Hook = nil
			w.server.Forget()
			well.Reset()
			before := w.contents(w.bucket())
			w.fill(CodeDone, args...)
			w.check(broken.look)
			w.checkEachOnce()
			if n := len(w.server.Requests("/package/")); n != 2 {
				t.Errorf("healing fetched %d tarballs, want the 2 that the broken bucket lacked", n)
			}
			// It reads the state, and root.json in place of upstream's.
			if counts := well.Counts(); !maps.Equal(counts, map[string]int{"GET": 2}) || !maps.Equal(w.contents(w.bucket()), before) {
				t.Errorf("healing one bucket changed another: %v", counts)
			}
		})
	}
}

func TestSlowS3BucketHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	server := s3test.Start(t)
	slow, well := w.cloud(server), w.cloud(server)
	published := make(chan struct{})
	publish := sync.OnceFunc(func() { close(published) })
	t.Cleanup(publish)
	well.Hook = func(out http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/timestamp.json") {
			publish()
		}
		return false
	}
	// No put into the slow bucket is through before the other one is published.
	slow.Hook = func(out http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			<-published
		}
		return false
	}
	w.fill(CodeDone, w.bucketArgs(slow.address(), well.address())...)
	w.check(slow.look)
	w.check(well.look)
}

// A timed is the put of a key and when it came.
type timed struct {
	key string
	at  time.Time
}

// putsOf notes the puts that arrive at a bucket from now on.
func (c *cloud) putsOf() *[]timed {
	var mu sync.Mutex
	puts := &[]timed{}
	c.Hook = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			mu.Lock()
			defer mu.Unlock()
			*puts = append(*puts, timed{strings.TrimPrefix(r.URL.Path, "/"+c.name+"/"), time.Now()})
		}
		return false
	}
	return puts
}

// TestS3ReadersSeeATornSetOnlyBetweenTheIndexAndTheTimestamp: S3 cannot replace
// several objects at once, so what is left is the order, and nothing in between.
func TestS3ReadersSeeATornSetOnlyBetweenTheIndexAndTheTimestamp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	c := w.cloud(s3test.Start(t))
	puts := c.putsOf()
	for round := range 2 {
		if round > 0 {
			w.grow()
		}
		*puts = nil
		w.fill(CodeDone, w.bucketArgs(c.address())...)
		var keys []string
		for _, put := range *puts {
			keys = append(keys, put.key)
		}
		first := slices.Index(keys, "01-index.tar")
		if first < 2 {
			t.Fatalf("the puts were %q", keys)
		}
		want := []string{
			"01-index.tar", "01-index.tar.gz", "root.json", "mirrors.json", "snapshot.json", "timestamp.json", "hackage-mirror.json",
		}
		if !slices.Equal(keys[first:], want) {
			t.Errorf("the last puts were %q, want %q", keys[first:], want)
		}
		for _, key := range keys[:first] {
			if !strings.HasPrefix(key, "package/") && key != "00-index.tar.gz" && key != "hackage-mirror.json" {
				t.Errorf("%q was put before all packages were in", key)
			}
		}
		if last := slices.IndexFunc(keys, func(key string) bool { return key == "00-index.tar.gz" }); slices.ContainsFunc(keys[last:], func(key string) bool { return strings.HasPrefix(key, "package/") }) {
			t.Errorf("a package was put after the index: %q", keys)
		}
		at := (*puts)[first:]
		t.Logf("from 01-index.tar.gz to timestamp.json: %s, from root.json: %s", at[5].at.Sub(at[1].at), at[5].at.Sub(at[2].at))
	}
}
