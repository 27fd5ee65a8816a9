package buckettest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

func testAlways(t *testing.T, b bucket.Bucket) {
	put(t, b, "k", "one", bucket.Always())
	_, one := get(t, b, "k")
	put(t, b, "k", "two", bucket.Always()) // the same size
	put(t, b, "k", "three", bucket.Always())
	put(t, b, "k", "three", bucket.Condition{})
	holds(t, b, "k", "three")
	if _, three := get(t, b, "k"); three.ETag == one.ETag {
		t.Errorf("other content has the same ETag %q", one.ETag)
	}
}

func testIfAbsent(t *testing.T, b bucket.Bucket) {
	made := put(t, b, "k", "one", bucket.IfAbsent())
	want := made
	want.Existed = true
	if found := put(t, b, "k", "one", bucket.IfAbsent()); made.Existed || found != want {
		t.Errorf("the put that made the object says %+v, the one that found it %+v", made, found)
	}
	for _, other := range []string{"two", "longer"} {
		_, err := b.Put(t.Context(), "k", bucket.NewObject([]byte(other)), bucket.IfAbsent())
		unmet(t, err, bucket.ErrDiffers, made, true)
		if len(other) != len("one") {
			continue // it need not be read
		}
		for _, content := range []string{"one", other} {
			digest := sha256.Sum256([]byte(content))
			if !strings.Contains(err.Error(), hex.EncodeToString(digest[:])) {
				t.Errorf("the error does not name the digest of %q: %v", content, err)
			}
		}
	}
	holds(t, b, "k", "one")
}

// unmet fails the test if an error is not of an unmet condition and tells what is
// in place.
func unmet(t *testing.T, err, kind error, have bucket.Info, exists bool) {
	t.Helper()
	var u *bucket.Unmet
	if !errors.Is(err, kind) || !errors.As(err, &u) {
		t.Fatalf("put: %v, want %v", err, kind)
	}
	if u.Exists != exists || undeclared(u.Have) != have {
		t.Errorf("the error tells of %+v (%t), want %+v (%t): %v", u.Have, u.Exists, have, exists, err)
	}
}

func testIfMatch(t *testing.T, b bucket.Bucket) {
	conflict := func(etag string) {
		t.Helper()
		_, have := get(t, b, "k")
		_, err := b.Put(t.Context(), "k", bucket.NewObject([]byte("late")), bucket.IfMatch(etag))
		unmet(t, err, bucket.ErrConflict, have, true)
	}
	put(t, b, "k", "one", bucket.Always())
	_, one := get(t, b, "k")
	put(t, b, "k", "two", bucket.IfMatch(one.ETag))
	_, two := get(t, b, "k")
	conflict(one.ETag)
	conflict("no such version")
	conflict("")
	holds(t, b, "k", "two")
	same := put(t, b, "k", "two", bucket.IfMatch(two.ETag))
	three := put(t, b, "k", "three", bucket.IfMatch(same.ETag))
	four := put(t, b, "k", "four", bucket.IfMatch(three.ETag))
	if _, held := get(t, b, "k"); held != four {
		t.Errorf("put says %+v, get %+v", four, held)
	}
	conflict(three.ETag)
	holds(t, b, "k", "four")

	// What is there already was put by an earlier try, whose answer was lost.
	kept := four
	kept.Existed = true
	for _, etag := range []string{three.ETag, ""} {
		if again := put(t, b, "k", "four", bucket.IfMatch(etag)); again != kept {
			t.Errorf("put what is there says %+v, want %+v", again, kept)
		}
	}

	_, err := b.Put(t.Context(), "missing", bucket.NewObject([]byte("x")), bucket.IfMatch(two.ETag))
	unmet(t, err, bucket.ErrConflict, bucket.Info{}, false)
	absent(t, b, "missing")
}

func testIfMatchNothing(t *testing.T, b bucket.Bucket) {
	made := put(t, b, "k", "one", bucket.IfMatch(""))
	_, err := b.Put(t.Context(), "k", bucket.NewObject([]byte("two")), bucket.IfMatch(""))
	unmet(t, err, bucket.ErrConflict, made, true)
	holds(t, b, "k", "one")
}

func testWrongDeclaration(t *testing.T, b bucket.Bucket) {
	old := put(t, b, "old", "old", bucket.Always())
	for why, change := range map[string]func(*bucket.Object){
		"short":    func(o *bucket.Object) { o.Size-- },
		"long":     func(o *bucket.Object) { o.Size++ },
		"other":    func(o *bucket.Object) { o.SHA256[31] ^= 1 },
		"negative": func(o *bucket.Object) { o.Size = -1 },
		"no body":  func(o *bucket.Object) { o.Body = nil },
	} {
		o := bucket.NewObject([]byte("content"))
		change(&o)
		for _, c := range []bucket.Condition{bucket.Always(), bucket.IfAbsent(), bucket.IfMatch("")} {
			refused(t, b, "new", o, c, bucket.ErrBody, why)
		}
		for _, c := range []bucket.Condition{bucket.Always(), bucket.IfMatch(old.ETag)} {
			refused(t, b, "old", o, c, bucket.ErrBody, why)
		}
	}
	// A body that is not what it claims is refused even where the claim is
	// what the bucket has.
	lie := bucket.NewObject([]byte("old"))
	lie.Body = strings.NewReader("lie")
	for _, c := range []bucket.Condition{bucket.Always(), bucket.IfAbsent(), bucket.IfMatch(old.ETag)} {
		refused(t, b, "old", lie, c, bucket.ErrBody, "a lie")
	}
	absent(t, b, "new")
	holds(t, b, "old", "old")
}

// A stepBody calls step once a part of it was read, and fails with its error.
type stepBody struct {
	*strings.Reader
	step func() error
}

func (s *stepBody) Read(p []byte) (int, error) {
	if s.Len() < int(s.Size()) {
		if err := s.step(); err != nil {
			return 0, err
		}
	}
	return s.Reader.Read(p[:min(len(p), 1)])
}

func testFailingBody(t *testing.T, b bucket.Bucket) {
	broken := errors.New("broken")
	o := bucket.NewObject([]byte("content"))
	o.Body = &stepBody{strings.NewReader("content"), func() error { return broken }}
	put(t, b, "old", "old", bucket.Always())
	for key, c := range map[string]bucket.Condition{"new": bucket.IfAbsent(), "old": bucket.Always()} {
		refused(t, b, key, o, c, broken, "whose body fails")
	}
	absent(t, b, "new")
	holds(t, b, "old", "old")
}

func testDoneContext(t *testing.T, b bucket.Bucket) {
	put(t, b, "old", "old", bucket.Always())
	ctx, cancel := context.WithCancel(t.Context())
	open, _, err := b.Get(ctx, "old")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(open); !errors.Is(err, context.Canceled) {
		t.Errorf("read on: %v, want context.Canceled", err)
	}
	if err := open.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := b.Get(ctx, "old"); !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v, want context.Canceled", err)
	}
	if _, err := b.Head(ctx, "old"); !errors.Is(err, context.Canceled) {
		t.Errorf("head: %v, want context.Canceled", err)
	}
	for key, c := range map[string]bucket.Condition{"new": bucket.IfAbsent(), "old": bucket.Always()} {
		if _, err := b.Put(ctx, key, bucket.NewObject([]byte("new")), c); !errors.Is(err, context.Canceled) {
			t.Errorf("put %q: %v, want context.Canceled", key, err)
		}
	}
	absent(t, b, "new")
	holds(t, b, "old", "old")
}

func testContextMidway(t *testing.T, b bucket.Bucket) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := bucket.NewObject([]byte("content"))
	o.Body = &stepBody{strings.NewReader("content"), func() error { cancel(); return nil }}
	if _, err := b.Put(ctx, "k", o, bucket.IfAbsent()); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v, want context.Canceled", err)
	}
	absent(t, b, "k")
}
