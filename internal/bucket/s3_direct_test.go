package bucket_test

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
)

// TestBothWaysOfAPutSayTheSame: what is sent without the SDK's chain is what the
// chain would send, but for what it says of itself.
func TestBothWaysOfAPutSayTheSame(t *testing.T) {
	t.Parallel()
	own := []string{"Accept-Encoding", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request", "Authorization", "User-Agent", "X-Amz-Date"}
	for _, c := range []struct {
		key, parameters string
		o               bucket.Object
		c               bucket.Condition
	}{
		{"package/a-1.tar.gz", "", bucket.Object{ContentType: "application/gzip", CacheControl: "max-age=60"}, bucket.IfAbsent()},
		{"package/a-1.tar.gz", "&acl=public-read&storage-class=STANDARD_IA", bucket.Object{}, bucket.Always()},
		{"odd/ü b+c%25&d=e~'(*)!/_-.", "", bucket.Object{}, bucket.IfMatch(`"etag"`)},
	} {
		watch := (&fakeS3{}).serve(t)
		b := openAt(t, s3test.AddressAt(watch.URL, "fake", "pre fix")+c.parameters, quick())
		var got []s3test.Request
		for _, chain := range []bool{false, true} {
			o := bucket.NewObject([]byte("content"))
			o.ContentType, o.CacheControl = c.o.ContentType, c.o.CacheControl
			if chain {
				o.Body = onlySeeks{o.Body}
			}
			watch.Reset()
			_, _ = b.Put(t.Context(), c.key, o, c.c) // the condition may not hold
			r := watch.Requests()[0]
			if agent := r.Header.Get("User-Agent"); strings.HasPrefix(agent, "aws-sdk-go") != chain {
				t.Errorf("put by chain %t: sent by %q", chain, agent)
			}
			for _, name := range own {
				r.Header.Del(name)
			}
			got = append(got, r)
		}
		delete(got[1].Query, "x-id") // which the chain adds
		if got[0].Path != got[1].Path || len(got[0].Query) != len(got[1].Query) || !maps.EqualFunc(got[0].Header, got[1].Header, slices.Equal) {
			t.Errorf("put of %q: %+v\nby the chain: %+v", c.key, got[0], got[1])
		}
	}
}

// TestChainStandsIn lets a server refuse what may be put right by the SDK.
func TestChainStandsIn(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusForbidden} {
		fake := &fakeS3{}
		watch := fake.serve(t)
		b := at(t, watch, quick())
		var direct atomic.Int64
		watch.Hook = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.Header.Get("User-Agent"), "aws-sdk-go") {
				return false
			}
			direct.Add(1)
			fail(w, status, "RequestTimeTooSkewed", "The clock is wrong.")
			return true
		}
		for _, key := range []string{"a", "b", "c"} {
			put(t, b, key, "one", bucket.Always())
		}
		if o, _ := fake.object("c"); string(o.content) != "one" || direct.Load() != 1 {
			t.Errorf("%d: it holds %q after %d requests that were refused", status, o.content, direct.Load())
		}
	}
}

// TestBodyIsFreeAfterThePut: a server may answer before it has read the body.
func TestBodyIsFreeAfterThePut(t *testing.T) {
	t.Parallel()
	watch := s3test.NewWatchOf(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusBadRequest, "EntityTooLarge", "too large")
	}))
	b := at(t, watch, quick())
	content := noise(4 * mebi)
	for range 20 {
		o := bucket.NewObject(content)
		o.Body = bytes.NewReader(content)
		if _, err := b.Put(t.Context(), "k", o, bucket.Always()); err == nil {
			t.Fatal("the put went in")
		}
		clear(content) // the race detector says whether somebody still reads
	}
}
