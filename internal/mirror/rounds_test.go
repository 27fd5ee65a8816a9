package mirror

import (
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// A distant store takes a second of the test's own clock for each request, which goes
// on only when everything waits. So what a run takes is its rounds.
type distant struct{ bucket.Bucket }

const round = time.Second

// Get implements bucket.Bucket.
func (d distant) Get(ctx context.Context, key string) (io.ReadCloser, bucket.Info, error) {
	time.Sleep(round)
	return d.Bucket.Get(ctx, key)
}

// Head implements bucket.Bucket.
func (d distant) Head(ctx context.Context, key string) (bucket.Info, error) {
	time.Sleep(round)
	return d.Bucket.Head(ctx, key)
}

// Put implements bucket.Bucket.
func (d distant) Put(ctx context.Context, key string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	time.Sleep(round)
	return d.Bucket.Put(ctx, key, o, c)
}

// rounds counts those of something.
func rounds(do func()) int {
	begun := time.Now()
	do()
	return int(time.Since(begun) / round)
}

// What does not depend on each other goes together: the rounds of a run do not follow
// how much there is to put. The first round is that of the state.
func TestRoundsDoNotFollowWhatIsNew(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		uploads, revisions int
		most               int
	}{
		"nothing new": {0, 0, 1}, "new signatures": {-1, 0, 6},
		"one revision": {0, 1, 7}, "two revisions": {0, 2, 7}, "nine revisions": {0, 9, 7},
		"a release": {1, 0, 8}, "releases and revisions": {20, 9, 8},
	} {
		for _, large := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, large index %t", name, large), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, hackagetest.New(hackagetest.Options{Seed: "far"}))
					most := test.most
					if r.smallIndex = smallIndex; large {
						r.smallIndex = 0
					}
					for n := range 10 {
						r.hackage.Upload(fmt.Sprintf("old%d", n), "1", cabalText("", 0), nil)
					}
					r.mustRun()
					for n := range test.uploads {
						r.hackage.Upload(fmt.Sprintf("new%d", n), "1", nil, nil)
					}
					for n := range test.revisions {
						r.hackage.Revise(fmt.Sprintf("old%d", n), "1", cabalText("", n+1))
					}
					if test.uploads < 0 {
						r.hackage.Resign()
					} else if large && most > 1 {
						most++ // the packed index is the last of it
					}
					r.via = distant{r.store}
					if got := rounds(r.mustRun); got > most {
						t.Errorf("%d rounds, want at most %d", got, most)
					}
					r.check()
					tell := func() {
						files := []File{{Key: "a"}, {Key: "b"}, {Key: "c"}, {Key: "status.json"}}
						if err := r.last.Tell(t.Context(), files, "", r.last.State().Position); err != nil {
							t.Error(err)
						}
					}
					most = 2
					if name == "nothing new" {
						most = 3 // the state says that they were told
					}
					if got := rounds(tell); got > most {
						t.Errorf("readers are told in %d rounds", got)
					}
				})
			})
		}
	}
}
