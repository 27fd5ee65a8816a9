package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// What a run costs, counted in requests.

// keys are those of the puts since the last Reset, sorted, each once.
func (c *cloud) keys() []string {
	var keys []string
	for _, r := range c.Requests() {
		if r.Operation() == "PUT" {
			keys = append(keys, strings.TrimPrefix(r.Path, "/"+c.name+"/"))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// budgeted is a world with two filled buckets, an hour after the last change.
func budgeted(t *testing.T) (*world, []*cloud, []string) {
	t.Helper()
	w := newWorld(t, hackagetest.Small())
	now := w.at()
	server := s3test.Start(t)
	clouds := []*cloud{w.cloud(server), w.cloud(server)}
	args := w.bucketArgs(clouds[0].address(), clouds[1].address())
	w.fill(CodeDone, args...)
	*now = now.Add(time.Hour)
	w.fill(CodeDone, args...)
	return w, clouds, args
}

// forget begins to count anew.
func (w *world) forget(clouds []*cloud) {
	w.server.Forget()
	for _, c := range clouds {
		c.Reset()
	}
}

func TestNothingNewCostsOneGetOfUpstreamAndOneOfEachBucket(t *testing.T) {
	t.Parallel()
	w, clouds, args := budgeted(t)
	w.forget(clouds)
	w.says(w.fill(CodeDone, args...), "nothing new")
	if requests := w.server.Requests("/"); len(requests) != 1 || requests[0].Method != "GET" {
		t.Errorf("upstream was asked %d times: %+v", len(requests), requests)
	}
	for _, c := range clouds {
		if spent := c.Counts(); !maps.Equal(spent, map[string]int{"GET": 1}) {
			t.Errorf("a quiet run made the requests %v", spent)
		}
	}
}

func TestNewReleasesCostFourPutsEachAndFewMore(t *testing.T) {
	t.Parallel()
	w, clouds, args := budgeted(t)
	for _, k := range []int{1, 50} {
		for i := range k {
			w.hackage.Upload(fmt.Sprintf("new%d", k), fmt.Sprintf("1.%d", i), nil, nil)
		}
		w.forget(clouds)
		w.fill(CodeDone, args...)
		for _, c := range clouds {
			w.check(c.look)
			c.checkSpent(k)
		}
		// The tarballs, and timestamp, snapshot, mirrors, index, deprecated.json.
		if n := len(w.server.Requests("/")); n != k+5 {
			t.Errorf("%d new releases cost upstream %d requests", k, n)
		}
	}
}

// budget is how many requests a run with k new releases may make to a bucket whose
// index goes up in so many parts: for each release four puts; for the pointers, the
// state and what is looked at before them twelve; two that prove what the index
// is built on; and what it takes to tell people of it.
func budget(k, parts int) int { return 4*k + 12 + parts + 2 + 1 + 6 }

// checkSpent holds the requests against the budget of k new releases.
func (c *cloud) checkSpent(k int) {
	c.Helper()
	spent, parts := c.Counts(), 0
	for _, r := range c.Requests() {
		if r.Query.Has("partNumber") {
			parts++
		}
	}
	c.Logf("%d new: %v, %d of them parts", k, spent, parts)
	if puts := spent["PUT"] - parts; puts < 4*k {
		c.Errorf("%d new releases made %d puts", k, puts)
	}
	if n := len(c.Requests()); n > budget(k, parts) || spent["DELETE"]+spent["LIST"] != 0 {
		c.Errorf("%d new releases made %d requests, and %d are the budget: %v", k, n, budget(k, parts), spent)
	}
}

// TestGrownIndexCostsItsPartsAndAProof: of each index file a piece is read back, one
// part is copied and one is sent.
func TestGrownIndexCostsItsPartsAndAProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Wide(1<<20))
	c := w.cloud(s3test.Start(t))
	args := w.bucketArgs(c.address())
	w.fill(CodeDone, args...)
	for i := range 2 {
		w.hackage.Upload("later", fmt.Sprint(i), nil, nil)
		c.Reset()
		w.fill(CodeDone, args...)
		w.check(c.look)
		c.checkSpent(1)
		for _, key := range []string{"01-index.tar", "01-index.tar.gz"} {
			if got := c.spentOn(key); got != "POST GET copy PUT POST" {
				t.Errorf("%s grew by the requests %s", key, got)
			}
		}
	}
}

// spentOn lists the requests for an object.
func (c *cloud) spentOn(key string) string {
	var made []string
	for _, r := range c.Requests() {
		switch {
		case !strings.HasSuffix(r.Path, "/"+key):
		case r.Header.Get("X-Amz-Copy-Source") != "":
			made = append(made, "copy")
		default:
			made = append(made, r.Operation())
		}
	}
	return strings.Join(made, " ")
}

func TestMetadataSignedAnewCostOnlyThemselves(t *testing.T) {
	t.Parallel()
	w, clouds, args := budgeted(t)
	later := w.now().Add(time.Minute)
	w.now = func() time.Time { return later }
	w.hackage.Resign()
	w.forget(clouds)
	w.fill(CodeDone, args...)
	for _, c := range clouds {
		w.check(c.look)
		want := []string{"hackage-mirror.json", "index.html", "metrics.txt", "snapshot.json", "status.json", "timestamp.json"}
		if keys := c.keys(); !slices.Equal(keys, want) {
			t.Errorf("metadata signed anew put %q", keys)
		}
		spent := c.Counts()
		t.Logf("signed anew: %v", spent)
		// The state is claimed before and written after.
		if spent["PUT"] > len(want)+1 || spent["GET"] > 5 || spent["PUT"]+spent["GET"] != len(c.Requests()) {
			t.Errorf("metadata signed anew made the requests %v", spent)
		}
	}
	if n := w.server.Count("/01-index.tar.gz") + w.server.Count("/package/"); n != 0 {
		t.Errorf("upstream was asked %d times for what did not change", n)
	}
}

// TestPutsThatMeetAnObjectCostALookEach: a run that was stopped before it noted
// anything is made again.
func TestPutsThatMeetAnObjectCostALookEach(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	c := w.cloud(s3test.Start(t))
	args := w.bucketArgs(c.address())
	w.fill(CodeDone, args...)
	before := c.server.Keys(t, c.name)
	c.remove("hackage-mirror.json")
	c.Reset()
	w.fill(CodeDone, args...)
	w.check(c.look)
	spent, packages := c.Counts(), 0
	for _, key := range before {
		if strings.HasPrefix(key, "package/") {
			packages++
		}
	}
	t.Logf("state lost: %v with %d objects in place", spent, packages)
	if spent["HEAD"] > packages || spent["LIST"] != 0 {
		t.Errorf("with %d objects in place a run made the requests %v", packages, spent)
	}
	if after := c.server.Keys(t, c.name); !slices.Equal(after, before) {
		t.Errorf("the bucket had %d objects and has %d", len(before), len(after))
	}
}
