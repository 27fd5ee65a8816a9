package s3_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// TestConditionsAreLearnedOnce lets many puts start at once. One of them finds out
// what the server does with conditions; then the others go on together, and not one
// after the other.
func TestConditionsAreLearnedOnce(t *testing.T) {
	t.Parallel()
	const puts = 40
	for conditions, c := range map[string]struct {
		first []string // requests of the put that finds out
		each  []string // of each other
		told  []string
	}{
		"":        {[]string{"PUT", "PUT"}, []string{"PUT"}, nil},
		"refused": {[]string{"PUT", "HEAD", "PUT"}, []string{"HEAD", "PUT"}, []string{"has neither"}},
		"ignored": {[]string{"PUT", "PUT"}, []string{"HEAD", "PUT"}, []string{"ignores"}},
	} {
		t.Run("conditions "+conditions, func(t *testing.T) {
			t.Parallel()
			fake := &fakeS3{conditions: conditions}
			watch := fake.serve(t)
			var n notes
			o := quick()
			o.Notify = n.add
			b := at(t, watch, o)
			// Once it is known, no request is answered before several are there.
			const together = 8
			var came atomic.Int64
			identify := make(chan struct{})
			watch.Hook = func(_ http.ResponseWriter, r *http.Request) bool {
				switch k := came.Add(1) - int64(len(c.first)); {
				case k == together:
					close(identify)
				case k > 0:
					select {
					case <-identify:
					case <-r.Context().Done():
					}
				}
				return false
			}
			var group errgroup.Group
			for i := range puts {
				group.Go(func() error {
					_, err := b.Put(t.Context(), fmt.Sprintf("package/%d", i), bucket.NewObject([]byte("one")), bucket.IfAbsent())
					return err
				})
			}
			must(t, group.Wait())
			want := slices.Concat(c.first, slices.Repeat(c.each, puts-1))
			var got []string
			for _, r := range watch.Requests() {
				got = append(got, r.Operation())
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%d requests, want %d: %q", len(got), len(want), got)
			}
			n.expect(t, c.told...)
		})
	}
}

// TestLargePutHoldsUpNobody: of what is too large to be put twice nothing is learned,
// so nobody waits for it.
func TestLargePutHoldsUpNobody(t *testing.T) {
	t.Parallel()
	watch := (&fakeS3{}).serve(t)
	b := at(t, watch, quick())
	created, small := make(chan struct{}), make(chan struct{})
	var once sync.Once
	watch.Hook = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && r.URL.Query().Has("uploads") {
			once.Do(func() { close(created) })
			<-small
		}
		return false
	}
	var group errgroup.Group
	group.Go(func() error {
		_, err := b.Put(t.Context(), "large", bucket.NewObject(noise(6*mebi)), bucket.IfAbsent())
		return err
	})
	<-created
	put(t, b, "small", "one", bucket.IfAbsent())
	close(small)
	must(t, group.Wait())
}

// TestConnectionIsKept: whatever comes of a request, the next one uses the connection.
// A transport may give one up when this machine is busy, so a kind of request that
// loses it each time is what must not be there.
func TestConnectionIsKept(t *testing.T) {
	t.Parallel()
	fake := &fakeS3{}
	watch := fake.serve(t)
	var connections sync.Map // by the port at our end
	watch.Hook = func(_ http.ResponseWriter, r *http.Request) bool {
		connections.Store(r.RemoteAddr, true)
		return false
	}
	b := at(t, watch, quick())
	fake.set("foreign", []byte(strings.Repeat("x", 20_000)), http.Header{})
	fake.set("large", noise(6*mebi), http.Header{})
	const rounds = 20
	for range rounds {
		put(t, b, "new", "one", bucket.IfAbsent())
		put(t, b, "pointer", "one", bucket.Always())
		for key, want := range map[string]bucket.Condition{"foreign": bucket.IfMatch(`"other"`), "new": bucket.IfAbsent()} {
			if _, err := b.Put(t.Context(), key, bucket.NewObject([]byte("another")), want); err == nil {
				t.Errorf("put %q: no error", key)
			}
		}
		if _, err := b.Head(t.Context(), "missing"); err == nil {
			t.Error("head: no error")
		}
		if _, _, err := b.Get(t.Context(), "missing"); err == nil {
			t.Error("get: no error")
		}
		body, _, err := b.Get(t.Context(), "foreign")
		must(t, err)
		must(t, body.Close()) // nothing of it was read
	}
	n := 0
	for range connections.Range {
		n++
	}
	if n >= rounds {
		t.Errorf("%d requests used %d connections", len(watch.Requests()), n)
	}
	body, _, err := b.Get(t.Context(), "large")
	must(t, err)
	must(t, body.Close()) // to read all of it would take longer than a new connection
}
