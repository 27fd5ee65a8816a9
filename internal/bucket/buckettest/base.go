package buckettest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// NewObjectOn returns the object that holds content, of which the first length
// bytes, a multiple of 64, come from the one in place; the very first are the sample.
func NewObjectOn(length int, content []byte) bucket.Object {
	base, digest := content[:length], sha256.New()
	digest.Write(base)
	o := bucket.NewObject(content)
	o.Body = bytes.NewReader(content[length:])
	o.Base = bucket.Base{Prefix: midstate.Of(digest), CRC64: bucket.CRC64(0, base)}
	o.Base.Sample = func(context.Context) (int64, []byte, error) { return 0, base[:min(length, 1000)], nil }
	return o
}

// log returns n bytes of a log that only grows.
func log(n int) []byte {
	content := make([]byte, n)
	_, _ = large{}.ReadAt(content, 0) // never fails
	return content
}

// onBases runs a test with bases of lengths that a store may treat differently: S3
// copies parts of at least 5 MiB.
func onBases(run func(t *testing.T, b bucket.Bucket, key string, length int)) func(*testing.T, bucket.Bucket) {
	return func(t *testing.T, b bucket.Bucket) {
		for name, length := range map[string]int{"small": 64 << 10, "large": 6 << 20} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, b, name, length)
			})
		}
	}
}

func testBase(t *testing.T, b bucket.Bucket, key string, length int) {
	closed := append(log(length), make([]byte, 1024)...)
	longer, longest := log(length+100_000), log(length+300_007)
	put(t, b, key, string(closed), bucket.Always())
	for _, step := range []struct {
		content []byte
		from    int
	}{
		{longer, length},
		{longer, length},          // it is there already
		{longest, length},         // what is there is longer than what was known
		{longest, length + 64<<5}, // and again, in another way
		{closed, length},          // shorter
		{closed[:length], length},
		{longer, length - 64}, // nothing follows the base but its own last bytes
	} {
		o := NewObjectOn(step.from, step.content)
		info, err := b.Put(t.Context(), key, o, bucket.Always())
		if err != nil || info.Size != o.Size || info.ETag == "" {
			t.Fatalf("put %d bytes on %d: %+v, %v", o.Size, step.from, info, err)
		}
		holds(t, b, key, string(step.content))
	}
}

func testNoBase(t *testing.T, b bucket.Bucket, key string, length int) {
	whole := log(length + 1000)
	o := NewObjectOn(length, whole)
	for _, c := range []bucket.Condition{bucket.Always(), bucket.IfAbsent(), bucket.IfMatch("")} {
		refused(t, b, key, o, c, bucket.ErrBase, "nothing is there")
	}
	absent(t, b, key)
	other := bytes.Clone(whole)
	other[0]++
	for why, content := range map[string][]byte{
		"another beginning": other, "too short": whole[:length-1], "empty": nil,
	} {
		put(t, b, key, string(content), bucket.Always())
		refused(t, b, key, o, bucket.Always(), bucket.ErrBase, why)
		holds(t, b, key, string(content))
	}
	put(t, b, key, string(whole[:length]), bucket.Always())
	for _, c := range []bucket.Condition{bucket.IfAbsent(), bucket.IfMatch("")} {
		refused(t, b, key, o, c, bucket.ErrBase, "to be put where nothing is")
	}
	holds(t, b, key, string(whole[:length]))
}

func testBaseWrongBody(t *testing.T, b bucket.Bucket, key string, length int) {
	before, whole := log(length), log(length+1000)
	put(t, b, key, string(before), bucket.Always())
	for why, change := range map[string]func(*bucket.Object){
		"other bytes":   func(o *bucket.Object) { o.Body = bytes.NewReader(make([]byte, 1000)) },
		"shorter":       func(o *bucket.Object) { o.Body = bytes.NewReader(whole[length : length+999]) },
		"longer":        func(o *bucket.Object) { o.Body = bytes.NewReader(append(whole[length:], 0)) },
		"digest":        func(o *bucket.Object) { o.SHA256[0]++ },
		"size":          func(o *bucket.Object) { o.Size++ },
		"odd base":      func(o *bucket.Object) { o.Base.Length++ },
		"negative base": func(o *bucket.Object) { o.Base.Length = -64 },
		"too long base": func(o *bucket.Object) { o.Base.Length = o.Size + 64 - o.Size%64 },
	} {
		o := NewObjectOn(length, whole)
		change(&o)
		refused(t, b, key, o, bucket.Always(), bucket.ErrBody, why)
	}
	holds(t, b, key, string(before))
}

func testBaseIfMatch(t *testing.T, b bucket.Bucket, key string, length int) {
	put(t, b, "k/"+key, "x", bucket.IfMatch("")) // some servers have to be found out
	first := put(t, b, key, string(log(length)), bucket.Always())
	second := put(t, b, key, string(log(length+10)), bucket.Always())
	o := NewObjectOn(length, log(length+1000))
	refused(t, b, key, o, bucket.IfMatch(first.ETag), bucket.ErrConflict, "on another version")
	holds(t, b, key, string(log(length+10)))
	if _, err := b.Put(t.Context(), key, o, bucket.IfMatch(second.ETag)); err != nil {
		t.Errorf("put on the version: %v", err)
	}
	holds(t, b, key, string(log(length+1000)))
}
