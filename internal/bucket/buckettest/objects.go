package buckettest

import (
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

func testMissing(t *testing.T, b bucket.Bucket) {
	key := "package/a-1.tar.gz"
	absent(t, b, key)
	put(t, b, key, "a", bucket.Always())
	for _, other := range []string{"package" /* a prefix */, key + "/b" /* below an object */, "package/a-1.tar", "a-1.tar.gz"} {
		absent(t, b, other)
	}
}

func testRoundTrip(t *testing.T, b bucket.Bucket) {
	content := "\x1f\x8b\r\n\x00\xff" + strings.Repeat("x", 70_000) + "\r\n"
	put(t, b, "package/a-1/revision/0.cabal", content, bucket.Always())
	holds(t, b, "package/a-1/revision/0.cabal", content)
}

func testEmpty(t *testing.T, b bucket.Bucket) {
	put(t, b, "empty", "", bucket.IfAbsent())
	holds(t, b, "empty", "")
	put(t, b, "empty", "", bucket.IfAbsent())
	refused(t, b, "empty", bucket.NewObject([]byte("x")), bucket.IfAbsent(), bucket.ErrDiffers, "an empty object is one")
}

// large is a stream of 20 MB that repeats nowhere within a buffer's size.
type large struct{}

const largeSize = 20_000_000

func (large) ReadAt(p []byte, offset int64) (int, error) {
	for i := range p {
		at := offset + int64(i)
		p[i] = byte(at) ^ byte(at>>8) ^ byte(at>>16)*31
	}
	return len(p), nil
}

func testLarge(t *testing.T, b bucket.Bucket) {
	digest := sha256.New()
	content := io.NewSectionReader(large{}, 0, largeSize)
	if _, err := io.Copy(digest, content); err != nil {
		t.Fatal(err)
	}
	o := bucket.Object{Body: content, Size: largeSize, SHA256: [32]byte(digest.Sum(nil))}
	if _, err := b.Put(t.Context(), "01-index.tar", o, bucket.Always()); err != nil {
		t.Fatal(err)
	}
	body, info, err := b.Get(t.Context(), "01-index.tar")
	if err != nil {
		t.Fatal(err)
	}
	digest.Reset()
	n, err := io.Copy(digest, body)
	if err = errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
	if n != largeSize || info.Size != largeSize || [32]byte(digest.Sum(nil)) != o.SHA256 {
		t.Errorf("%d bytes came back (info: %d), or other ones", n, info.Size)
	}
}

func testRewind(t *testing.T, b bucket.Bucket) {
	o := bucket.NewObject([]byte("whole"))
	if _, err := o.Body.Seek(3, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} { // the second finds the body at its end
		if _, err := b.Put(t.Context(), key, o, bucket.IfAbsent()); err != nil {
			t.Fatal(err)
		}
		holds(t, b, key, "whole")
	}
}

func testOddKeys(t *testing.T, b bucket.Bucket) {
	keys := []string{
		"a", ".a", "..a", "a..", "a.tar.gz", "a b+c", "100%25", "a~b", "a&b=c", "a#b", "ü/ö", "'a'", "b/.b/c",
		strings.Repeat("d/", 100) + "e", strings.Repeat("f", 200),
	}
	for _, key := range keys {
		put(t, b, key, "of "+key, bucket.IfAbsent())
	}
	for _, key := range keys {
		holds(t, b, key, "of "+key)
	}
}

func testRefusedKeys(t *testing.T, b bucket.Bucket) {
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/..", "a\\b", "a\x00b", "a\nb", "a\x7f", "a\u0085b",
		"a\xff", strings.Repeat("a/", 512) + "b",
	} {
		if _, err := b.Head(t.Context(), key); !errors.Is(err, bucket.ErrKey) {
			t.Errorf("head %q: %v, want ErrKey", key, err)
		}
		if _, _, err := b.Get(t.Context(), key); !errors.Is(err, bucket.ErrKey) {
			t.Errorf("get %q: %v, want ErrKey", key, err)
		}
		refused(t, b, key, bucket.NewObject(nil), bucket.Always(), bucket.ErrKey, "no key")
	}
}

// testCaseTwins accepts both answers of a store: two objects, or a refusal of the
// second. What it must not do is let the one destroy the other.
func testCaseTwins(t *testing.T, b bucket.Bucket) {
	for _, c := range []bucket.Condition{bucket.IfAbsent(), bucket.Always()} {
		first, second := "package/Extra-1.0/"+c.String(), "package/extra-1.0/"+c.String()
		put(t, b, first, "upper", c)
		_, err := b.Put(t.Context(), second, bucket.NewObject([]byte("lower")), c)
		switch {
		case err == nil:
			holds(t, b, second, "lower")
		case !errors.Is(err, bucket.ErrDiffers):
			t.Errorf("put the twin %q: %v", second, err)
		}
		holds(t, b, first, "upper")
	}
}
