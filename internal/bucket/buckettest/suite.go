// Package buckettest has what tests of buckets need: the suite that every store
// passes, and Memory, a bucket that watches over the rules of those who write
// into it.
package buckettest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// Test checks that what open returns keeps the contract of bucket.Bucket. Open
// is called once for each subtest, returns an empty bucket that no other
// subtest has, and registers its clean-up with t.
func Test(t *testing.T, open func(t *testing.T) bucket.Bucket) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, b bucket.Bucket)
	}{
		{"missing key", testMissing},
		{"round trip", testRoundTrip},
		{"empty object", testEmpty},
		{"large object", testLarge},
		{"body read from its start", testRewind},
		{"odd keys", testOddKeys},
		{"refused keys", testRefusedKeys},
		{"case twins", testCaseTwins},
		{"always", testAlways},
		{"if absent", testIfAbsent},
		{"if match", testIfMatch},
		{"if match nothing", testIfMatchNothing},
		{"wrong declaration", testWrongDeclaration},
		{"failing body", testFailingBody},
		{"done context", testDoneContext},
		{"context done midway", testContextMidway},
		{"race of creators", testCreators},
		{"race of updaters", testUpdaters},
		{"reader during replacement", testReaders},
		{"built on a base", onBases(testBase)},
		{"nothing to build on", onBases(testNoBase)},
		{"wrong declaration on a base", onBases(testBaseWrongBody)},
		{"base if match", onBases(testBaseIfMatch)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			if b.String() == "" {
				t.Error("the bucket has no name")
			}
			c.run(t, b)
		})
	}
}

// put stores content, fails the test if that fails, and returns what the put
// says is in place then.
func put(t *testing.T, b bucket.Bucket, key, content string, c bucket.Condition) bucket.Info {
	t.Helper()
	o := bucket.NewObject([]byte(content))
	info, err := b.Put(t.Context(), key, o, c)
	if err != nil {
		t.Fatalf("put %q (%s): %v", key, c, err)
	}
	if info.Size != o.Size || info.ETag == "" {
		t.Errorf("put %q (%s) says %+v", key, c, info)
	}
	return undeclared(info)
}

// undeclared is an Info without what not every store keeps.
func undeclared(info bucket.Info) bucket.Info {
	info.Declared = [sha256.Size]byte{}
	return info
}

// get returns the content and fails the test if Get and Head do not agree with it.
func get(t *testing.T, b bucket.Bucket, key string) (string, bucket.Info) {
	t.Helper()
	content, info, err := fetch(t.Context(), b, key)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	head, err := b.Head(t.Context(), key)
	if err != nil {
		t.Fatalf("head %q: %v", key, err)
	}
	if head != info {
		t.Errorf("head %q = %+v, get says %+v", key, head, info)
	}
	return content, undeclared(info)
}

// fetch reads an object whole and compares its size with its Info.
func fetch(ctx context.Context, b bucket.Bucket, key string) (string, bucket.Info, error) {
	body, info, err := b.Get(ctx, key)
	if err != nil {
		return "", bucket.Info{}, err
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return "", info, err
	}
	if err := body.Close(); err != nil {
		return "", info, err
	}
	if info.Size != int64(len(content)) || info.ETag == "" {
		return "", info, fmt.Errorf("info is %+v, and the content has %d bytes", info, len(content))
	}
	return string(content), info, nil
}

// holds fails the test if the object is not content.
func holds(t *testing.T, b bucket.Bucket, key, content string) {
	t.Helper()
	if got, _ := get(t, b, key); got != content {
		t.Errorf("%q holds %.60q, want %.60q", key, got, content)
	}
}

// absent fails the test if key has an object.
func absent(t *testing.T, b bucket.Bucket, key string) {
	t.Helper()
	if _, err := b.Head(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("head %q: %v, want fs.ErrNotExist", key, err)
	}
	if _, _, err := b.Get(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("get %q: %v, want fs.ErrNotExist", key, err)
	}
}

// refused fails the test if a put does not fail with an error.
func refused(t *testing.T, b bucket.Bucket, key string, o bucket.Object, c bucket.Condition, want error, why string) {
	t.Helper()
	if _, err := b.Put(t.Context(), key, o, c); !errors.Is(err, want) {
		t.Errorf("put %q (%s), %s: %v, want %v", key, c, why, err, want)
	}
}
