package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
)

// stages are the requests of a put on a base.
var stages = map[string]func(r *http.Request) bool{
	"look":     func(r *http.Request) bool { return r.Method == http.MethodHead },
	"create":   func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploads") },
	"sample":   func(r *http.Request) bool { return r.Method == http.MethodGet && r.Header.Get("Range") != "" },
	"copy":     func(r *http.Request) bool { return r.Header.Get("X-Amz-Copy-Source") != "" },
	"part":     func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "2" },
	"complete": func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") },
}

// reader reads an object some times, until stop is called at the latest, which returns an error if
// it was ever anything else than one of the versions.
func reader(t *testing.T, b bucket.Bucket, key string, versions ...[]byte) (stop func() error) {
	var done atomic.Bool
	var group errgroup.Group
	group.Go(func() error {
		for reads := 0; reads < 5 && !done.Load() || reads == 0; reads++ {
			body, info, err := b.Get(t.Context(), key)
			if err != nil {
				return err
			}
			have, err := io.ReadAll(body)
			if err = errors.Join(err, body.Close()); err != nil {
				return err
			}
			whole := false
			for _, version := range versions {
				whole = whole || bytes.Equal(have, version)
			}
			if !whole || info.Size != int64(len(have)) {
				return fmt.Errorf("a reader gets %d bytes of %d, or other ones", len(have), info.Size)
			}
		}
		return nil
	})
	return func() error { done.Store(true); return group.Wait() }
}

// TestServerFaultsOfAPutOnABase lets each request of a put fail once or for good, without or
// with effect, while others read. Afterwards the object is the old or the new one, as
// the put says; a second put ends with the new one.
func TestServerFaultsOfAPutOnABase(t *testing.T) {
	t.Parallel()
	before, after := grown()
	for stage, is := range stages {
		for _, effect := range []string{"lost", "kept"} {
			for _, times := range []int64{1, 1 << 20} {
				t.Run(fmt.Sprintf("%s %s %d", stage, effect, times), func(t *testing.T) {
					t.Parallel()
					fake := &fakeS3{}
					watch := fake.serve(t)
					o := quick()
					o.Attempts = 2
					b, others := at(t, watch, o), at(t, fake.front(t), quick())
					put(t, b, "known", "one", bucket.IfAbsent())
					fake.set("k", before, http.Header{})
					var left atomic.Int64
					left.Store(times)
					watch.Hook = func(_ http.ResponseWriter, r *http.Request) bool {
						if !is(r) || left.Add(-1) < 0 {
							return false
						}
						if effect == "kept" {
							fake.ServeHTTP(httptest.NewRecorder(), r)
						}
						panic(http.ErrAbortHandler)
					}
					stop := reader(t, others, "k", before, after)
					_, err := b.Put(t.Context(), "k", buckettest.NewObjectOn(8*mebi-1024, after), bucket.Always())
					if err := stop(); err != nil {
						t.Error(err)
					}
					if times == 1 && err != nil {
						t.Errorf("the request failed once, and the put with %v", err)
					}
					want := after
					if err != nil {
						want = before
					}
					have, _ := fake.object("k")
					// What was completed without an answer may be there after an error.
					if !bytes.Equal(have.content, want) && !(effect == "kept" && stage == "complete" && bytes.Equal(have.content, after)) {
						t.Errorf("put says %v, and %d bytes are in place, or other ones", err, len(have.content))
					}
					left.Store(0)
					if _, err := b.Put(t.Context(), "k", buckettest.NewObjectOn(8*mebi-1024, after), bucket.Always()); err != nil {
						t.Errorf("put once more: %v", err)
					}
					if same, err := holds(t, others, "k", after); err != nil || !same {
						t.Errorf("it is not what was put: %v", err)
					}
				})
			}
		}
	}
}

// TestServerThatRefusesAPart in the middle of an upload: the old object stays, nothing
// is left of the upload, and who is told learns what was refused, or that the object
// was sent in another way.
func TestServerThatRefusesAPart(t *testing.T) {
	t.Parallel()
	before, after := noise(8*mebi), noise(16*mebi)
	for name, c := range map[string]struct {
		status   int
		code     string
		whole    bool // it is sent in one request
		attempts int  // of the part
	}{
		"for good":         {http.StatusForbidden, "AccessDenied", true, 1},
		"too large":        {http.StatusBadRequest, "EntityTooLarge", true, 1},
		"not known":        {http.StatusNotImplemented, "NotImplemented", true, 1},
		"upload forgotten": {http.StatusNotFound, "NoSuchUpload", true, 1},
		"broken":           {http.StatusInternalServerError, "InternalError", false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := &fakeS3{}
			watch := fake.serve(t)
			var n notes
			o := quick()
			o.Attempts, o.Notify = 2, n.add
			b := at(t, watch, o)
			fake.set("k", before, http.Header{})
			var asked atomic.Int64
			watch.Hook = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Query().Get("partNumber") != "3" {
					return false
				}
				asked.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				fail(w, c.status, c.code, "not this part")
				return true
			}
			stop := reader(t, at(t, fake.front(t), quick()), "k", before, after)
			_, err := b.Put(t.Context(), "k", bucket.NewObject(after), bucket.Always())
			if err := stop(); err != nil {
				t.Error(err)
			}
			want := before
			if c.whole {
				want = after
				must(t, err)
				n.expect(t, "no uploads in parts (part 3: ")
			} else if err == nil || !strings.Contains(err.Error(), `put "k": part 3: the server says `) {
				t.Errorf("put: %v", err)
			}
			if have, _ := fake.object("k"); !bytes.Equal(have.content, want) || fake.unfinished() != 0 {
				t.Errorf("%d bytes are in place, or other ones; %d uploads are left", len(have.content), fake.unfinished())
			}
			if got := int(asked.Load()); got != c.attempts {
				t.Errorf("the part was sent %d times, want %d", got, c.attempts)
			}
		})
	}
}

// TestServerThatRefusesACopy for reasons that are not so: the object in place is the
// one that it was asked to copy, and it began the upload itself.
func TestServerThatRefusesACopy(t *testing.T) {
	t.Parallel()
	before, after := noise(8*mebi), noise(9*mebi)
	copy(after, before)
	for code, status := range map[string]int{"PreconditionFailed": http.StatusPreconditionFailed, "NoSuchUpload": http.StatusNotFound} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			fake := &fakeS3{}
			watch := fake.serve(t)
			var n notes
			o := quick()
			o.Notify = n.add
			b := at(t, watch, o)
			info, err := b.Put(t.Context(), "k", bucket.NewObject(before), bucket.Always())
			must(t, err)
			watch.Hook = func(w http.ResponseWriter, r *http.Request) bool {
				refused := r.Header.Get("X-Amz-Copy-Source") != ""
				if refused {
					fail(w, status, code, "")
				}
				return refused
			}
			_, err = b.Put(t.Context(), "k", buckettest.NewObjectOn(8*mebi, after), bucket.IfMatch(info.ETag))
			if !errors.Is(err, bucket.ErrBase) {
				t.Errorf("put on the old one: %v", err)
			}
			n.expect(t, "large objects are sent whole")
			_, err = b.Put(t.Context(), "k", bucket.NewObject(after), bucket.IfMatch(info.ETag))
			must(t, err)
			if have, _ := fake.object("k"); !bytes.Equal(have.content, after) || fake.unfinished() != 0 {
				t.Errorf("%d bytes are in place, or other ones; %d uploads are left", len(have.content), fake.unfinished())
			}
		})
	}
}
