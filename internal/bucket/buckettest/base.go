package buckettest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// BaseOf returns the Base that is all of content, whose length is a multiple of
// 64.
func BaseOf(content []byte) bucket.Base {
	h := sha256.New()
	h.Write(content)
	return bucket.Base{Prefix: midstate.Of(h), CRC64: bucket.CRC64(0, content)}
}

// NewObjectOn returns the object that holds content, of which the first length
// bytes are taken from the one in place; the very first are the sample.
func NewObjectOn(length int, content []byte) bucket.Object {
	o := bucket.NewObject(content)
	o.Body, o.Base = bytes.NewReader(content[length:]), BaseOf(content[:length])
	o.Base.Sample = func(context.Context) (int64, []byte, error) { return 0, content[:min(length, 1000)], nil }
	return o
}

// log returns n bytes of a log that only grows.
func log(n int) []byte {
	content := make([]byte, n)
	_, _ = large{}.ReadAt(content, 0) // never fails
	return content
}

// bases are lengths that a store may treat differently: S3 copies parts of at
// least 5 MiB.
var bases = map[string]int{"small": 64 << 10, "large": 6 << 20}

func testBase(t *testing.T, b bucket.Bucket) {
	for name, length := range bases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := append(log(length), make([]byte, 1024)...)
			grown, more := log(length+100_000), log(length+300_007)
			put(t, b, name, string(closed), bucket.Always())
			for _, step := range []struct {
				content []byte
				from    int
			}{
				{grown, length},
				{grown, length},        // it is there already
				{more, length},         // what is there is longer than what was known
				{more, length + 64<<5}, // and again, in another way
				{closed, length},       // shorter
				{closed[:length], length},
				{grown, length - 64}, // nothing follows the base but its own last bytes
			} {
				o := NewObjectOn(step.from, step.content)
				info, err := b.Put(t.Context(), name, o, bucket.Always())
				if err != nil || info.Size != o.Size || info.ETag == "" {
					t.Fatalf("put %d bytes on %d: %+v, %v", o.Size, step.from, info, err)
				}
				holds(t, b, name, string(step.content))
			}
		})
	}
}

func testNoBase(t *testing.T, b bucket.Bucket) {
	for name, length := range bases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			grown := log(length + 1000)
			o := NewObjectOn(length, grown)
			refused := func(why string, c bucket.Condition) {
				t.Helper()
				if _, err := b.Put(t.Context(), name, o, c); !errors.Is(err, bucket.ErrBase) {
					t.Errorf("%s: %v, want ErrBase", why, err)
				}
			}
			for _, c := range []bucket.Condition{bucket.Always(), bucket.IfAbsent(), bucket.IfMatch("")} {
				refused("nothing is there, "+c.String(), c)
			}
			if _, err := b.Head(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("something is there now: %v", err)
			}
			other := bytes.Clone(grown)
			other[0]++
			for why, content := range map[string][]byte{
				"another beginning": other, "too short": grown[:length-1], "empty": nil,
			} {
				put(t, b, name, string(content), bucket.Always())
				refused(why, bucket.Always())
				holds(t, b, name, string(content))
			}
			put(t, b, name, string(grown[:length]), bucket.Always())
			refused("to be put where nothing is", bucket.IfAbsent())
			refused("to be put where nothing is", bucket.IfMatch(""))
			holds(t, b, name, string(grown[:length]))
		})
	}
}

func testBaseWrongBody(t *testing.T, b bucket.Bucket) {
	for name, length := range bases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, grown := log(length), log(length+1000)
			put(t, b, name, string(before), bucket.Always())
			for why, change := range map[string]func(*bucket.Object){
				"other bytes":   func(o *bucket.Object) { o.Body = bytes.NewReader(make([]byte, 1000)) },
				"shorter":       func(o *bucket.Object) { o.Body = bytes.NewReader(grown[length : length+999]) },
				"longer":        func(o *bucket.Object) { o.Body = bytes.NewReader(append(grown[length:], 0)) },
				"digest":        func(o *bucket.Object) { o.SHA256[0]++ },
				"size":          func(o *bucket.Object) { o.Size++ },
				"odd base":      func(o *bucket.Object) { o.Base.Length++ },
				"negative base": func(o *bucket.Object) { o.Base.Length = -64 },
				"too long base": func(o *bucket.Object) { o.Base.Length = o.Size + 64 - o.Size%64 },
			} {
				o := NewObjectOn(length, grown)
				change(&o)
				if _, err := b.Put(t.Context(), name, o, bucket.Always()); !errors.Is(err, bucket.ErrBody) {
					t.Errorf("%s: %v, want ErrBody", why, err)
				}
			}
			holds(t, b, name, string(before))
		})
	}
}

func testBaseIfMatch(t *testing.T, b bucket.Bucket) {
	for name, length := range bases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			put(t, b, "k/"+name, "x", bucket.IfMatch("")) // some servers have to be found out
			first := put(t, b, name, string(log(length)), bucket.Always())
			second := put(t, b, name, string(log(length+10)), bucket.Always())
			o := NewObjectOn(length, log(length+1000))
			if _, err := b.Put(t.Context(), name, o, bucket.IfMatch(first.ETag)); !errors.Is(err, bucket.ErrConflict) {
				t.Errorf("put on another version: %v, want ErrConflict", err)
			}
			holds(t, b, name, string(log(length+10)))
			if _, err := b.Put(t.Context(), name, o, bucket.IfMatch(second.ETag)); err != nil {
				t.Errorf("put on the version: %v", err)
			}
			holds(t, b, name, string(log(length+1000)))
		})
	}
}
