package s3_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
)

// answers are what stands in the place of an answer to a put.
var answers = map[string]func(w http.ResponseWriter){
	"no ETag": func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
	"error page": func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("ETag", `"00000000000000000000000000000000"`)
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>Please log in</body></html>")
	},
	"not found": func(w http.ResponseWriter) { fail(w, http.StatusNotFound, "NoSuchKey", "no such key") },
	"no bucket": func(w http.ResponseWriter) { fail(w, http.StatusNotFound, "NoSuchBucket", "no such bucket") },
	"conflict": func(w http.ResponseWriter) {
		fail(w, http.StatusConflict, "ConditionalRequestConflict", "at the same time")
	},
	"old token":  func(w http.ResponseWriter) { fail(w, http.StatusBadRequest, "ExpiredToken", "too old") },
	"internal":   func(w http.ResponseWriter) { fail(w, http.StatusInternalServerError, "InternalError", "try again") },
	"gateway":    func(w http.ResponseWriter) { http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway) },
	"slow down":  func(w http.ResponseWriter) { fail(w, http.StatusServiceUnavailable, "SlowDown", "slower") },
	"rate limit": func(w http.ResponseWriter) { fail(w, http.StatusTooManyRequests, "TooManyRequests", "slower") },
	"rate page": func(w http.ResponseWriter) {
		http.Error(w, "<!DOCTYPE html><html><head><title>Error 1015</title></head></html>", http.StatusTooManyRequests)
	},
	"bad digest": func(w http.ResponseWriter) { fail(w, http.StatusBadRequest, "BadDigest", "damaged on its way") },
	"cut off":    func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
}

// TestAnswerCountsOnlyIfItIsOne gives other answers to the first put, which took
// effect or did not, and to all. A put that succeeds has put the object.
func TestAnswerCountsOnlyIfItIsOne(t *testing.T) {
	t.Parallel()
	for name, answer := range answers {
		for _, applied := range []bool{false, true} {
			for _, times := range []int64{1, 1 << 20} {
				t.Run(fmt.Sprintf("%s, applied %t, %d times", name, applied, times), func(t *testing.T) {
					t.Parallel()
					answerPuts(t, answer, applied, times)
				})
			}
		}
	}
}

func answerPuts(t *testing.T, answer func(http.ResponseWriter), applied bool, times int64) {
	fake := &fakeS3{}
	watch := fake.serve(t)
	b := at(t, watch, quick())
	old := put(t, b, "old", "one", bucket.IfMatch(""))
	var left atomic.Int64
	watch.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || left.Add(-1) < 0 {
			return false
		}
		if applied {
			fake.ServeHTTP(httptest.NewRecorder(), r)
		}
		answer(w)
		return true
	}
	for _, c := range []struct {
		key string
		bucket.Condition
	}{{"old", bucket.IfMatch(old.ETag)}, {"old", bucket.Always()}, {"new", bucket.IfMatch("")}, {"newer", bucket.IfAbsent()}} {
		left.Store(times)
		content := "two " + c.String()
		info, err := b.Put(t.Context(), c.key, bucket.NewObject([]byte(content)), c.Condition)
		if (applied || times == 1) && err != nil && !strings.Contains(err.Error(), "check the credentials") {
			t.Errorf("%s %s: %v", c.key, c, err)
		}
		if err != nil {
			continue
		}
		o, _ := fake.object(c.key)
		if string(o.content) != content || info.ETag != o.etag || info.Size != int64(len(content)) {
			t.Errorf("%s %s: it is said to be in place as %+v, and %q is, as %s", c.key, c, info, o.content, o.etag)
		}
	}
}

// TestHalfOfTheRequestsAreTooMany slows a run down and does not end it.
func TestHalfOfTheRequestsAreTooMany(t *testing.T) {
	t.Parallel()
	watch := (&fakeS3{}).serve(t)
	b := at(t, watch, quick())
	var n atomic.Uint64
	watch.Hook = func(w http.ResponseWriter, _ *http.Request) bool {
		// Runs of up to 9 refusals, as there are of a coin that is tossed 1000 times.
		at := n.Add(1)
		if sum := sha256.Sum256(fmt.Append(nil, at)); sum[0]%2 == 0 && at%64 > 9 || at%64 == 0 {
			return false
		}
		fail(w, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
		return true
	}
	for i := range 300 {
		put(t, b, fmt.Sprintf("package/%d", i), "one", bucket.IfAbsent())
	}
	if asked := n.Load(); asked < 600 {
		t.Errorf("only %d requests", asked)
	}
}

// TestRedirectsAreNotFollowed: what another host says is not the bucket's.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := s3test.NewWatchOf(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"evil"`)
		_, _ = io.WriteString(w, "evil")
	}))
	for _, status := range []int{301, 302, 303, 307, 308} {
		watch := s3test.NewWatchOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", elsewhere.URL+r.URL.Path)
			w.WriteHeader(status)
		}))
		b := at(t, watch, quick())
		_, _, err := b.Get(t.Context(), "k")
		explained(t, err, fmt.Sprint(status), "endpoint")
		_, err = b.Head(t.Context(), "k")
		explained(t, err, fmt.Sprint(status))
		_, err = b.Put(t.Context(), "k", bucket.NewObject([]byte("mine")), bucket.Always())
		explained(t, err, fmt.Sprint(status), "endpoint")
	}
	expectRequests(t, elsewhere)
}

// endless writes until the client goes away, and counts.
func endless(w http.ResponseWriter, written *atomic.Int64) {
	for chunk := make([]byte, 64<<10); ; {
		n, err := w.Write(chunk)
		if written.Add(int64(n)); err != nil || written.Load() > 1<<30 {
			return
		}
	}
}

// TestEndlessAnswersAreBounded: neither memory nor time is a server's to take.
func TestEndlessAnswersAreBounded(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 404, 403, 412, 400, 500} {
		var written atomic.Int64
		watch := s3test.NewWatchOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"endless"`)
			w.WriteHeader(status)
			if r.Method != http.MethodHead {
				endless(w, &written)
			}
		}))
		o := quick()
		o.Attempts = 1
		b := at(t, watch, o)
		if body, _, err := b.Get(t.Context(), "k"); err == nil {
			_, err = io.CopyN(io.Discard, body, 1<<20)
			must(t, errors.Join(err, body.Close()))
		}
		_, _ = b.Head(t.Context(), "k")
		for _, content := range [][]byte{[]byte("small"), noise(6 * mebi)} {
			for _, c := range []bucket.Condition{bucket.Always(), bucket.IfAbsent(), bucket.IfMatch("")} {
				if _, err := b.Put(t.Context(), "k", bucket.NewObject(content), c); err == nil {
					t.Errorf("%d, %s: it is said to be in place", status, c)
				}
			}
		}
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		t.Logf("%d: %d requests, %d MiB written by the server, %d MiB of memory from the system",
			status, len(watch.Requests()), written.Load()>>20, memory.Sys>>20)
		// Each answer fills what lies between the two, some megabytes at most.
		if requests := int64(len(watch.Requests())); written.Load() > requests*(16<<20) {
			t.Errorf("%d: %d bytes were written in answer to %d requests", status, written.Load(), requests)
		}
	}
}

// forge puts content in place with the metadata of other content.
func forge(f *fakeS3, key string, content, genuine []byte) {
	sum := sha256.Sum256(genuine)
	f.set(key, content, http.Header{"X-Amz-Meta-Sha256": {hex.EncodeToString(sum[:])}})
}

// TestMetadataProvesNothing: who can write to a bucket can write that too.
func TestMetadataProvesNothing(t *testing.T) {
	t.Parallel()
	genuine := []byte("genuine tarball")
	for name, c := range map[string]struct {
		evil []byte
		full bool
		want error
	}{
		"other size":             {[]byte("evil"), false, bucket.ErrDiffers},
		"same size, full":        {[]byte("evil... tarball"), true, bucket.ErrDiffers},
		"other size, full":       {[]byte("evil"), true, bucket.ErrDiffers},
		"the genuine one, full":  {genuine, true, nil},
		"same size, by its word": {[]byte("evil... tarball"), false, nil}, // SECURITY.md says so
	} {
		fake := &fakeS3{}
		o := quick()
		o.Full = c.full
		b := at(t, fake.serve(t), o)
		forge(fake, "package/a-1.tar.gz", c.evil, genuine)
		if _, err := b.Put(t.Context(), "package/a-1.tar.gz", bucket.NewObject(genuine), bucket.IfAbsent()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		doubted := bucket.NewObject(genuine)
		doubted.CompareBytes = true
		if _, err := b.Put(t.Context(), "package/a-1.tar.gz", doubted, bucket.IfAbsent()); (err == nil) != bytes.Equal(c.evil, genuine) {
			t.Errorf("%s, doubted: %v", name, err)
		}
		// A pointer is read in any case.
		if _, err := b.Put(t.Context(), "package/a-1.tar.gz", bucket.NewObject(genuine), bucket.IfMatch(`"other"`)); !bytes.Equal(c.evil, genuine) && !errors.Is(err, bucket.ErrConflict) {
			t.Errorf("%s, as a pointer: %v, want ErrConflict", name, err)
		}
	}
}

// TestObjectThatIsHidden: a key that may not list is told 403 of what is missing.
func TestObjectThatIsHidden(t *testing.T) {
	t.Parallel()
	fake := &fakeS3{}
	watch := fake.serve(t)
	b := at(t, watch, quick())
	watch.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			return false
		}
		fail(w, http.StatusForbidden, "AccessDenied", "Access Denied")
		return true
	}
	if _, err := b.Head(t.Context(), "k"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("head: %v", err)
	}
	put(t, b, "k", "one", bucket.IfAbsent())
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
		if _, err := b.Put(t.Context(), "k", bucket.NewObject(content), bucket.Always()); !errors.Is(err, bucket.ErrRefused) {
			t.Fatalf("put: %v, want ErrRefused", err)
		}
		clear(content) // the race detector says whether somebody still reads
	}
}
