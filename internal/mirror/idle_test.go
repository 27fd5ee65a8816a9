package mirror

import (
	"errors"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
)

// A tarball that nobody takes any more is not asked for.
func TestWantsOfBrokenBucketsAreIdle(t *testing.T) {
	t.Parallel()
	store := buckettest.NewMemory(t)
	well, broken := New(store, Options{Tool: "test", Now: time.Now}), New(store, Options{Tool: "test", Now: time.Now})
	broken.fail(errors.New("no right to write"))
	for name, test := range map[string]struct {
		want Want
		idle bool
	}{
		"a broken bucket":                  {Want{Destinations: destinations(broken)}, true},
		"a broken bucket and a repository": {Want{Destinations: destinations(broken), Digests: true}, false},
		"a broken bucket and another":      {Want{Destinations: destinations(broken, well)}, false},
		"a repository":                     {Want{Digests: true}, false},
	} {
		if got := test.want.idle(); got != test.idle {
			t.Errorf("%s: idle %v, want %v", name, got, test.idle)
		}
	}
}

// destinations are some buckets.
func destinations(buckets ...*Bucket) []Destination {
	var all []Destination
	for _, b := range buckets {
		all = append(all, Destination{Writer: &BucketWriter{bucket: b}})
	}
	return all
}
