package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
)

// notes takes what a bucket tells of its server.
type notes struct {
	mu   sync.Mutex
	told []string
}

func (n *notes) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, text)
}

// expect fails the test if not just these were told, each by a part of it.
func (n *notes) expect(t *testing.T, parts ...string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.told) != len(parts) {
		t.Fatalf("told %q, want %d notes", n.told, len(parts))
	}
	for i, part := range parts {
		if !strings.Contains(n.told[i], part) {
			t.Errorf("told %q, want %q in it", n.told[i], part)
		}
	}
}

// servers lack different things.
var servers = map[string]func() *fakeS3{
	"all there":              func() *fakeS3 { return &fakeS3{checksums: "compared"} },
	"no conditions":          func() *fakeS3 { return &fakeS3{conditions: "refused", checksums: "refused"} },
	"conditions ignored":     func() *fakeS3 { return &fakeS3{conditions: "ignored", noMetadata: true} },
	"no parts":               func() *fakeS3 { return &fakeS3{noParts: true} },
	"no copies, even parts":  func() *fakeS3 { return &fakeS3{noCopies: true, evenParts: true} },
	"no ETags":               func() *fakeS3 { return &fakeS3{noETags: true, evenParts: true} },
	"no metadata, no copies": func() *fakeS3 { return &fakeS3{noMetadata: true, noCopies: true} },
}

func TestLackingServersKeepTheContract(t *testing.T) {
	t.Parallel()
	// Between them they lack everything but copies; the whole suite for each takes long.
	for _, name := range []string{"no conditions", "conditions ignored"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			buckettest.Test(t, func(t *testing.T) bucket.Bucket {
				return at(t, servers[name]().serve(t), quick())
			})
		})
	}
}

func TestLackIsToldOnce(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"all there":             nil,
		"no conditions":         {"If-None-Match"},
		"conditions ignored":    {"ignores If-None-Match"},
		"no ETags":              {"without an ETag"},
		"no parts":              {"no uploads in parts"},
		"no copies, even parts": nil, // until an object grows
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n notes
			o := quick()
			o.Notify = n.add
			fake := servers[name]()
			b := at(t, fake.serve(t), o)
			for i := range 3 {
				put(t, b, fmt.Sprintf("package/%d", i), "one", bucket.IfAbsent())
				put(t, b, fmt.Sprintf("package/%d", i), "one", bucket.IfAbsent())
				if _, err := b.Put(t.Context(), "01-index.tar", bucket.NewObject(noise(5*mebi+1+i)), bucket.Always()); err != nil {
					t.Fatal(err)
				}
			}
			put(t, b, "pointer", "two", bucket.Always())
			n.expect(t, want...)
			if o, _ := fake.object("package/2"); string(o.content) != "one" {
				t.Errorf("it holds %q", o.content)
			}
			if o, _ := fake.object("01-index.tar"); len(o.content) != 5*mebi+3 {
				t.Errorf("the large object has %d bytes", len(o.content))
			}
		})
	}
}

// TestServerWithoutETags: what is there after a put tells. The whole contract it
// cannot keep, for of two that put at one moment the first may not learn that it
// had put.
func TestServerWithoutETags(t *testing.T) {
	t.Parallel()
	fake := servers["no ETags"]()
	b := at(t, fake.serve(t), quick())
	put(t, b, "new", "one", bucket.IfNew())
	if _, err := b.Put(t.Context(), "new", bucket.NewObject([]byte("one")), bucket.IfNew()); !errors.Is(err, bucket.ErrConflict) {
		t.Errorf("put if new again: %v, want ErrConflict", err)
	}
	one := put(t, b, "state", "one", bucket.IfMatch(""))
	two := put(t, b, "state", "two", bucket.IfMatch(one.ETag))
	if _, err := b.Put(t.Context(), "state", bucket.NewObject([]byte("late")), bucket.IfMatch(one.ETag)); !errors.Is(err, bucket.ErrConflict) {
		t.Errorf("put over an older version: %v, want ErrConflict", err)
	}
	put(t, b, "state", "three", bucket.IfMatch(two.ETag))
	before, after := grown()
	first, err := b.Put(t.Context(), "01-index.tar", bucket.NewObject(before), bucket.IfMatch(""))
	must(t, err)
	_, err = b.Put(t.Context(), "01-index.tar", buckettest.NewObjectOn(8*mebi-1024, after), bucket.IfMatch(first.ETag))
	must(t, err)
	if o, _ := fake.object("01-index.tar"); !bytes.Equal(o.content, after) {
		t.Errorf("%d bytes are in place, or other ones", len(o.content))
	}
}

// expectRequests fails the test if the requests since the last call were others.
func expectRequests(t *testing.T, watch *s3test.Watch, want ...string) {
	t.Helper()
	var got []string
	for _, r := range watch.Requests() {
		got = append(got, r.Operation())
	}
	watch.Reset()
	if !slices.Equal(got, want) {
		t.Errorf("requests %q, want %q", got, want)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	watch := (&fakeS3{}).serve(t)
	b := at(t, watch, quick())
	put(t, b, "a", "one", bucket.IfAbsent())
	expectRequests(t, watch, "PUT", "PUT") // once per run: does it heed the condition?
	put(t, b, "b", "one", bucket.IfAbsent())
	expectRequests(t, watch, "PUT")
	put(t, b, "b", "one", bucket.IfAbsent())
	expectRequests(t, watch, "PUT", "HEAD")
	if _, err := b.Put(t.Context(), "b", bucket.NewObject([]byte("two")), bucket.IfAbsent()); !errors.Is(err, bucket.ErrDiffers) {
		t.Errorf("put other bytes: %v", err)
	}
	expectRequests(t, watch, "PUT", "HEAD")
	put(t, b, "b", "three", bucket.Always())
	expectRequests(t, watch, "PUT")
	body, info, err := b.Get(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	expectRequests(t, watch, "GET")
	if _, err := b.Put(t.Context(), "b", bucket.NewObject([]byte("four")), bucket.IfMatch(info.ETag)); err != nil {
		t.Error(err)
	}
	expectRequests(t, watch, "PUT")
}

func TestHeadersOfAPut(t *testing.T) {
	t.Parallel()
	watch := (&fakeS3{}).serve(t)
	b := openAt(t, s3test.Address(watch.URL, "fake", "pre")+"&storage-class=STANDARD_IA&acl=public-read", quick())
	o := bucket.NewObject([]byte("content"))
	o.ContentType, o.CacheControl = "application/gzip", "public, max-age=31536000, immutable"
	if _, err := b.Put(t.Context(), "package/a-1.tar.gz", o, bucket.IfAbsent()); err != nil {
		t.Fatal(err)
	}
	r := watch.Requests()[0]
	if r.Path != "/fake/pre/package/a-1.tar.gz" {
		t.Errorf("put to %q", r.Path)
	}
	const sum = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
	want := map[string]string{
		"Content-Type": o.ContentType, "Cache-Control": o.CacheControl, "Content-Length": "7",
		"Content-Md5":          "mgNkuembtIDdJeHwKEyFVQ==",
		"X-Amz-Content-Sha256": sum, "X-Amz-Meta-Sha256": sum,
		"X-Amz-Storage-Class": "STANDARD_IA", "X-Amz-Acl": "public-read",
		"If-None-Match": "*", "If-Match": "",
		// None of the SDK's own ways of sending a checksum, which not all
		// servers know, and of which some keep the encoding.
		"Content-Encoding": "", "Transfer-Encoding": "", "X-Amz-Trailer": "", "X-Amz-Sdk-Checksum-Algorithm": "",
		"X-Amz-Checksum-Crc32": "", "X-Amz-Checksum-Sha256": "", "Expect": "",
		// Sent, and not signed.
		"Accept-Encoding": "identity",
	}
	for name, value := range want {
		if got := r.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	if signed := r.Header.Get("Authorization"); strings.Contains(signed, "accept-encoding") || !strings.Contains(signed, "content-md5") {
		t.Errorf("signed: %q", signed)
	}
}

func TestBusyServer(t *testing.T) {
	t.Parallel()
	fake := &fakeS3{}
	watch := fake.serve(t)
	b := at(t, watch, quick())
	var busy atomic.Int64
	busy.Store(2)
	watch.Hook = func(w http.ResponseWriter, _ *http.Request) bool {
		still := busy.Add(-1) >= 0
		if still {
			fail(w, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
		}
		return still
	}
	put(t, b, "a", "one", bucket.Always())
	expectRequests(t, watch, "PUT", "PUT", "PUT")
	if o, _ := fake.object("a"); string(o.content) != "one" {
		t.Errorf("it holds %q", o.content)
	}
	busy.Store(1000)
	_, err := b.Put(t.Context(), "b", bucket.NewObject([]byte("one")), bucket.Always())
	if err == nil || !strings.Contains(err.Error(), "SlowDown") {
		t.Errorf("put to a busy server: %v", err)
	}
	tries := slices.Repeat([]string{"PUT"}, 24)
	expectRequests(t, watch, append(tries, slices.Repeat([]string{"GET"}, 24)...)...)
}

// TestAnswerIsLost lets a put take effect and cuts the connection.
func TestAnswerIsLost(t *testing.T) {
	t.Parallel()
	fake := &fakeS3{}
	watch := fake.serve(t)
	b := at(t, watch, quick())
	first := put(t, b, "state", "one", bucket.IfMatch(""))
	var lose atomic.Int64 // each request may come on a connection of its own
	watch.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		if lose.Add(-1) != 0 {
			return false
		}
		fake.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
	for key, c := range map[string]bucket.Condition{
		"package/a": bucket.IfAbsent(), "new": bucket.IfMatch(""), "state": bucket.IfMatch(first.ETag), "pointer": bucket.Always(),
	} {
		lose.Store(1)
		info := put(t, b, key, "two", c)
		info.Existed = false // the answer that would have said so was lost
		if head, err := b.Head(t.Context(), key); err != nil || head != info {
			t.Errorf("%s (%s): put says %+v, head %+v (%v)", key, c, info, head, err)
		}
	}
}

func TestRefusalsAreExplained(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		code, text string
		get, put   []string
	}{
		{
			403, "AccessDenied", "Access Denied",
			[]string{"s3:GetObject", "s3:ListBucket", "arn:aws:s3:::fake/pre/*"},
			[]string{"s3:PutObject", "arn:aws:s3:::fake/pre/*"},
		},
		{403, "InvalidAccessKeyId", "The key " + fakeID + " is not known", []string{"credentials"}, []string{"credentials"}},
		{403, "SignatureDoesNotMatch", "for " + fakeSecret + " and " + fakeToken, []string{"credentials"}, []string{"credentials"}},
		{404, "NoSuchBucket", "no such bucket", []string{"make the bucket"}, []string{"make the bucket"}},
		{400, "AuthorizationHeaderMalformed", "expecting 'eu-west-1'", []string{"region", "eu-west-1"}, []string{"region"}},
		{400, "AccessControlListNotSupported", "The bucket does not allow ACLs", nil, []string{"acl="}},
		{501, "NotImplemented", "not implemented", nil, []string{"NotImplemented"}},
	} {
		t.Run(c.code, func(t *testing.T) {
			t.Parallel()
			watch := (&fakeS3{}).serve(t)
			b := at(t, watch, quick())
			watch.Hook = func(w http.ResponseWriter, _ *http.Request) bool {
				fail(w, c.status, c.code, c.text)
				return true
			}
			_, _, err := b.Get(t.Context(), "k")
			explained(t, err, append(c.get, "get", `"k"`, c.code, "REQUEST-7")...)
			for _, condition := range []bucket.Condition{bucket.IfAbsent(), bucket.Always()} {
				_, err = b.Put(t.Context(), "k", bucket.NewObject([]byte("x")), condition)
				explained(t, err, append(c.put, "put", `"k"`, c.code, "REQUEST-7")...)
			}
		})
	}
}

// explained fails the test if err lacks one of the parts, counts as a missing
// object, or holds credentials.
func explained(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error %v, want a refusal", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error lacks %q: %v", part, err)
		}
	}
	for _, secret := range []string{fakeID, fakeSecret, fakeToken} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds %q: %v", secret, err)
		}
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	o := quick()
	o.Attempts, o.S3.Stall = 2, 50*time.Millisecond
	for endpoint, part := range map[string]string{silent.URL: "timeout", "http://127.0.0.1:1": "refused"} {
		b := openAt(t, s3test.Address(endpoint, "fake", ""), o)
		_, err := b.Head(t.Context(), "k")
		explained(t, err, "look up", `"k"`, part)
	}
}

func TestForeignObject(t *testing.T) {
	t.Parallel()
	fake := &fakeS3{}
	b := at(t, fake.serve(t), quick())
	for name, size := range map[string]int{"small": 1000, "large": 3 << 20} {
		content := strings.Repeat("x", size)
		fake.set(name, []byte(content), http.Header{})
		head, err := b.Head(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		body, info, err := b.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err = errors.Join(err, body.Close()); err != nil || string(got) != content {
			t.Errorf("%s: %d bytes came back (%v)", name, len(got), err)
		}
		if info != head || info.Size != int64(len(content)) {
			t.Errorf("%s: get says %+v, head %+v", name, info, head)
		}
		put(t, b, name, content, bucket.IfAbsent())
		if _, err := b.Put(t.Context(), name, bucket.NewObject([]byte("y")), bucket.IfAbsent()); !errors.Is(err, bucket.ErrDiffers) {
			t.Errorf("%s: put other bytes: %v", name, err)
		}
	}
}
