package s3_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
)

const mebi = 1 << 20

// noise returns n bytes that do not repeat.
func noise(n int) []byte {
	content := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content) // never fails
	return content
}

// onlySeeks hides all of a body but io.ReadSeeker.
type onlySeeks struct{ io.ReadSeeker }

func TestLargeObjectGoesInParts(t *testing.T) {
	t.Parallel()
	content := noise(12*mebi + 1)
	for name, hide := range map[string]func(io.ReadSeeker) io.ReadSeeker{
		"concurrently": func(r io.ReadSeeker) io.ReadSeeker { return r },
		"in turn":      func(r io.ReadSeeker) io.ReadSeeker { return onlySeeks{r} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := &fakeS3{}
			watch := fake.serve(t)
			b := at(t, watch, quick())
			o := bucket.NewObject(content)
			o.Body, o.ContentType = hide(o.Body), "application/x-tar"
			if _, err := b.Put(t.Context(), "01-index.tar", o, bucket.IfAbsent()); err != nil {
				t.Fatal(err)
			}
			expectRequests(t, watch, "HEAD", "POST", "PUT", "PUT", "PUT", "POST")
			got, _ := fake.object("01-index.tar")
			if !bytes.Equal(got.content, content) {
				t.Errorf("%d bytes are in place, or other ones", len(got.content))
			}
			if kind := got.header.Get("Content-Type"); kind != o.ContentType {
				t.Errorf("Content-Type %q", kind)
			}
			info, err := b.Put(t.Context(), "01-index.tar", o, bucket.IfAbsent())
			if err != nil || info.Size != o.Size || info.ETag != got.etag {
				t.Errorf("put again: %+v, %v", info, err)
			}
			other := bucket.NewObject(content[1:])
			if _, err := b.Put(t.Context(), "01-index.tar", other, bucket.IfAbsent()); !errors.Is(err, bucket.ErrDiffers) {
				t.Errorf("put others: %v, want ErrDiffers", err)
			}
			expectRequests(t, watch, "HEAD", "HEAD")
		})
	}
}

// TestRefusedUploadLeavesNothing: what is refused in parts is sent by one request.
func TestRefusedUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]func(r *http.Request) bool{
		"create":   func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploads") },
		"part":     func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "2" },
		"complete": func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := &fakeS3{}
			watch := fake.serve(t)
			var n notes
			o := quick()
			o.Notify = n.add
			b := at(t, watch, o)
			all := false
			watch.Hook = func(w http.ResponseWriter, r *http.Request) bool {
				if step(r) || all {
					fail(w, http.StatusForbidden, "AccessDenied", "no")
				}
				return step(r) || all
			}
			content := noise(12 * mebi)
			for range 2 {
				if _, err := b.Put(t.Context(), "k", bucket.NewObject(content), bucket.Always()); err != nil {
					t.Error(err)
				}
			}
			if got, _ := fake.object("k"); !bytes.Equal(got.content, content) || fake.unfinished() != 0 || fake.begun > 1 {
				t.Errorf("%d bytes are in place, %d of %d uploads are unfinished", len(got.content), fake.unfinished(), fake.begun)
			}
			n.expect(t, "no uploads in parts")
			all = true
			_, err := b.Put(t.Context(), "k", bucket.NewObject(content), bucket.Always())
			explained(t, err, "s3:PutObject")
			if !errors.Is(err, bucket.ErrRefused) {
				t.Errorf("put: %v, want ErrRefused", err)
			}
		})
	}
}

// TestBodyThatFailsIsNotSentAgain: what is wrong here is no server's fault.
func TestBodyThatFailsIsNotSentAgain(t *testing.T) {
	t.Parallel()
	b := at(t, (&fakeS3{}).serve(t), quick())
	for _, o := range []bucket.Object{bucket.NewObject([]byte("other")), bucket.NewObject(noise(6 * mebi))} {
		body := &changingBody{ReadSeeker: o.Body, rewinds: 1}
		o.Body = body
		if _, err := b.Put(t.Context(), "k", o, bucket.Always()); !errors.Is(err, bucket.ErrBody) {
			t.Errorf("put: %v, want ErrBody", err)
		}
		if body.rewinds != 2 {
			t.Errorf("the body was read %d times", body.rewinds-1)
		}
	}
}

// A changingBody has other bytes when it is read the second time.
type changingBody struct {
	io.ReadSeeker
	rewinds int
}

func (c *changingBody) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		c.rewinds++
	}
	return c.ReadSeeker.Seek(offset, whence)
}

func (c *changingBody) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	if c.rewinds > 1 && n > 0 {
		p[0]++
	}
	return n, err
}

// TestBodyThatChangesMeanwhile: what is sent is what was checked.
func TestBodyThatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	fake := &fakeS3{}
	b := at(t, fake.serve(t), quick())
	content := noise(6 * mebi)
	put := func(changes int, want error) {
		t.Helper()
		o := bucket.NewObject(content)
		o.Body = &changingBody{ReadSeeker: o.Body, rewinds: changes}
		if _, err := b.Put(t.Context(), "k", o, bucket.IfMatch("")); !errors.Is(err, want) {
			t.Errorf("put: %v, want %v", err, want)
		}
	}
	put(1, bucket.ErrBody)
	if _, there := fake.object("k"); there || fake.unfinished() != 0 {
		t.Errorf("object there: %t, unfinished uploads: %d", there, fake.unfinished())
	}
	put(0, nil) // it changes once it was read
	if got, _ := fake.object("k"); !bytes.Equal(got.content, content) {
		t.Errorf("%d bytes are in place, or other ones", len(got.content))
	}
}

// TestRealServerShowsWhatWasPut reads objects back as others do.
func TestRealServerShowsWhatWasPut(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	name := server.NewBucket(t)
	watch := s3test.NewWatch(t, server.URL)
	options := with(server)
	options.S3.Part = 5 * mebi
	b := openAt(t, s3test.Address(watch.URL, name, ""), options)
	before, after := grown()
	for _, o := range []struct {
		key string
		bucket.Object
	}{
		{"package/a-1.tar.gz", bucket.NewObject(noise(50_000))},
		{"01-index.tar", bucket.NewObject(before)},
		{"01-index.tar", buckettest.NewObjectOn(8*mebi-1024, after)},
	} {
		o.ContentType, o.CacheControl = "application/gzip", "public, max-age=60"
		if _, err := b.Put(t.Context(), o.key, o.Object, bucket.Always()); err != nil {
			t.Fatal(err)
		}
		shows(t, server, name, o.key, o.Object)
	}
	if got := copied(watch); !slices.Equal(got, []string{"bytes=0-8387583"}) {
		t.Errorf("copied %q", got)
	}
	if keys := server.Keys(t, name); !slices.Equal(keys, []string{"01-index.tar", "package/a-1.tar.gz"}) {
		t.Errorf("keys %q", keys)
	}
}

// shows fails the test if not everyone gets o under the key, with its headers.
func shows(t *testing.T, server *s3test.Server, name, key string, o bucket.Object) {
	t.Helper()
	response, err := http.Get(server.PublicURL(name) + "/" + key)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(content) != o.SHA256 {
		t.Errorf("%s: %s, %d bytes, or other ones", key, response.Status, len(content))
	}
	head, err := server.Client.HeadObject(t.Context(), &sdk.HeadObjectInput{
		Bucket: &name, Key: &key, ChecksumMode: types.ChecksumModeEnabled,
	})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(head.ContentType) != o.ContentType || aws.ToString(head.CacheControl) != o.CacheControl ||
		head.ContentEncoding != nil || len(head.Metadata["sha256"]) != 64 {
		t.Errorf("%s: Content-Type %q, Cache-Control %q, Content-Encoding %q, metadata %q", key,
			aws.ToString(head.ContentType), aws.ToString(head.CacheControl), aws.ToString(head.ContentEncoding),
			head.Metadata)
	}
}

func TestRealServerRefuses(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	name := server.NewBucket(t)
	secret := strings.Repeat("wrong", 8)
	wrong := with(&s3test.Server{ID: server.ID, Secret: secret})
	wrong.Attempts = 1
	_, err := openAt(t, s3test.Address(server.URL, name, ""), wrong).Head(t.Context(), "k")
	explained(t, err, "403")
	_, err = openAt(t, s3test.Address(server.URL, name, ""), wrong).
		Put(t.Context(), "k", bucket.NewObject(nil), bucket.IfAbsent())
	explained(t, err, "SignatureDoesNotMatch", "check the credentials")
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the error holds the secret: %v", err)
	}
	_, _, err = openAt(t, s3test.Address(server.URL, "no-such-bucket", ""), with(server)).Get(t.Context(), "k")
	if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "make the bucket") {
		t.Errorf("get from no bucket: %v", err)
	}
}
