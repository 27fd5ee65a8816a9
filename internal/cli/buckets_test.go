package cli

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
	for name, fault := range map[string]struct {
		status int
		reads  bool // fail too
	}{
		"the server fails":               {http.StatusInternalServerError, true},
		"the server fails in writing":    {http.StatusInternalServerError, false},
		"the key may do nothing":         {http.StatusForbidden, true},
		"the key may read and not write": {http.StatusForbidden, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			server := s3test.Start(t)
			broken, well := w.cloud(server), w.cloud(server)
			args := w.bucketArgs(broken.address(), well.address(), w.bucket())
			w.fill(CodeDone, args...)
			w.grow()
			filled := broken.Counts()["PUT"]
			broken.Hook = func(out http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPut && !fault.reads {
					return false
				}
				http.Error(out, "", fault.status)
				return true
			}
			said := w.fill(CodeError, args...)
			w.says(said, "s3://"+broken.name, strconv.Itoa(fault.status), ": failed: ")
			if puts := broken.Counts()["PUT"] - filled; (puts < 1) != fault.reads || puts > 40 {
				t.Errorf("%d puts were tried into a bucket that takes none", puts)
			}
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
			// It reads the state, the status, and root.json in place of upstream's, and looks for
			// the two tarballs that it says it has and the other lacks.
			if counts := well.Counts(); !maps.Equal(counts, map[string]int{"GET": 3, "HEAD": 2}) || !maps.Equal(w.contents(w.bucket()), before) {
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
		if r.Method != http.MethodPut {
			return false
		}
		select {
		case <-published:
		case <-r.Context().Done():
			t.Error("a bucket waited for a slow one")
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

// checkOrder says that readers were shown what is new last, with nothing between,
// and returns for how long they could see some of it and not all. Root.json and
// mirrors.json are among that only if they changed. They go together with the index,
// which is small here; what no set needs may go beside.
func checkOrder(t *testing.T, puts []timed, changed ...string) time.Duration {
	t.Helper()
	told := slices.IndexFunc(puts, func(p timed) bool { return slices.Contains(tellsPeople, p.key) })
	if told < 0 || puts[len(puts)-1].key != "status.json" {
		t.Fatalf("people are not told last: %v", puts)
	}
	for _, put := range puts[told:] {
		if !slices.Contains(tellsPeople, put.key) {
			t.Errorf("%q was put while people were told", put.key)
		}
	}
	first := slices.IndexFunc(puts, func(p timed) bool { return strings.HasPrefix(p.key, "01-index.tar") })
	if first < 1 {
		t.Fatalf("there is no index among %v", puts)
	}
	beside := func(key string) bool {
		return key == "00-index.tar.gz" || strings.HasSuffix(key, ".cabal") && !strings.Contains(key, "/revision/")
	}
	var set []string
	for i, put := range puts[:told] {
		switch {
		case beside(put.key):
		case i >= first || slices.Contains(changed, put.key):
			set = append(set, put.key)
		case !strings.HasPrefix(put.key, "package/") && put.key != "hackage-mirror.json":
			t.Errorf("%q was put before everything that does not change", put.key)
		}
	}
	together := 2 + len(changed)
	slices.Sort(set[:min(together, len(set))])
	want := slices.Concat(slices.Sorted(slices.Values(append(changed, "01-index.tar", "01-index.tar.gz"))),
		[]string{"snapshot.json", "timestamp.json", "hackage-mirror.json"})
	if !slices.Equal(set, want) {
		t.Errorf("what clients read was put in the order %q, want %q", set, want)
	}
	last := slices.IndexFunc(puts, func(p timed) bool { return p.key == "timestamp.json" })
	return puts[last].at.Sub(puts[first].at)
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
		changed := []string{"root.json", "mirrors.json"}
		if round > 0 {
			changed = nil
		}
		t.Logf("from 01-index.tar.gz to timestamp.json: %s", checkOrder(t, *puts, changed...))
	}
}
