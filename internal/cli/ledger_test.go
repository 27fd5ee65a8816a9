package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// ledgers reads the ledger lines of the bucket and of the hashes repository as
// they are written.
func (w *world) ledgers() (bucket, hashes []string) {
	w.Helper()
	var file struct {
		Pending []string `json:"pending"`
	}
	if err := json.Unmarshal(w.read("hackage-mirror.json"), &file); err != nil {
		w.Errorf("read state of the bucket: %v", err)
	}
	for line := range strings.Lines(w.git(w.hashes(), "cat-file", "tag", "current-hackage")) {
		if pending, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "Pending: "); ok {
			hashes = append(hashes, pending)
		}
	}
	return file.Pending, hashes
}

// facts is what the ledger line of a release must say of its newest .cabal file
// and of its tarball, by the served index.
func (w *world) facts(r index.Release) (cabal, tarball string, revisions int) {
	w.Helper()
	g := w.hackage.Generation()
	log := g.File("01-index.tar")
	for _, e := range g.Entries() {
		if e.Path == r.CabalPath() {
			content := log[e.Offset+512:][:e.Size]
			cabal = fmt.Sprintf(" cabal=%d+%d:%s", e.Offset, e.Size, sha256Hex(content))
			revisions++
		}
		if strings.HasPrefix(e.Path, r.Package+"/"+r.Version+"/package.json") {
			raw := g.Tarball(r)
			tarball = fmt.Sprintf(" tarball=%d:%s", len(raw), sha256Hex(raw))
		}
	}
	return cabal, tarball, revisions
}

// owes holds both ledgers against what they must be: one line a release, in
// order, each for the same reason. The bucket has the .cabal files already, so
// its lines do not say where they are.
func (w *world) owes(reason string, since time.Time, releases ...index.Release) {
	w.Helper()
	var bucket, hashes []string
	for _, r := range slices.SortedFunc(slices.Values(releases), index.Release.Compare) {
		cabal, tarball, revisions := w.facts(r)
		line := fmt.Sprintf("%s %s since=%s", r, reason, since.UTC().Format("2006-01-02T15:04:05Z"))
		bucket = append(bucket, line+tarball)
		hashes = append(hashes, fmt.Sprintf("%s%s%s revisions=%d", line, cabal, tarball, revisions))
	}
	gotBucket, gotHashes := w.ledgers()
	if !slices.Equal(gotBucket, bucket) {
		w.Errorf("ledger of the bucket is\n%s\nwant\n%s", strings.Join(gotBucket, "\n"), strings.Join(bucket, "\n"))
	}
	if !slices.Equal(gotHashes, hashes) {
		w.Errorf("ledger of the hashes repository is\n%s\nwant\n%s", strings.Join(gotHashes, "\n"), strings.Join(hashes, "\n"))
	}
}

// owesNothing fails the test if a ledger has a line.
func (w *world) owesNothing() {
	w.Helper()
	w.owes("", time.Time{})
}

// stop makes the world's clock one that stands still.
func (w *world) stop() time.Time {
	now := time.Now()
	w.now = func() time.Time { return now }
	return now
}

// alpha is a release of hackagetest.Small.
func alpha() index.Release { return release("alpha", "0.2") }

func TestTamperedTarballIsNamedAndTheRestIsDone(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]hackagetest.Fault{
		"another byte": hackagetest.Corrupt(100),
		"shorter":      hackagetest.Shorten(100),
		"longer":       hackagetest.Lengthen(1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			now := w.stop()
			w.server.Fault("/"+alpha().TarballKey(), fault)
			said := w.sync(CodeDegraded)
			w.says(said, "done: 8 releases", "alpha-0.2 mismatch since "+now.UTC().Format(time.DateOnly),
				"hackage-mirror: up to date, but look at this: alpha-0.2: upstream has ", "with: --accept-mismatch alpha-0.2@")
			w.checkAll(alpha())
			w.owes("mismatch", now, alpha())
			before := w.holdings()
			w.says(w.sync(CodeDegraded), "alpha-0.2 mismatch", "nothing new")
			w.unchanged(before)
			w.server.Heal()
			w.sync(CodeDone)
			w.checkAll()
			w.owesNothing()
		})
	}
}

func TestMissingTarballWaitsAndTheRestIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	now := w.stop()
	w.hackage.Withdraw("alpha", "0.2", 404)
	w.says(w.sync(CodeDone), "alpha-0.2 missing", "every run tries again")
	w.checkAll(alpha())
	w.owes("missing", now, alpha())
	before := w.holdings()
	w.server.Forget()
	w.says(w.sync(CodeDone), "alpha-0.2 missing")
	w.unchanged(before)
	if all := w.server.Requests("/"); len(all) != 2 || all[0].Path != "/timestamp.json" || all[1].Path != "/"+alpha().TarballKey() {
		t.Errorf("a run that finds nothing made these requests: %+v", all)
	}
	w.hackage.Reinstate("alpha", "0.2")
	w.says(w.sync(CodeDone), "done: 1 release")
	w.checkAll()
	w.owesNothing()
}

func TestWithdrawnTarballsAreNoAlarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	now := w.stop()
	gone := []index.Release{alpha(), release("extra", "1.0")}
	w.hackage.Withdraw("alpha", "0.2", 410)
	w.hackage.Withdraw("extra", "1.0", 451)
	w.says(w.sync(CodeDone), "alpha-0.2 withdrawn", "extra-1.0 withdrawn", "nothing to do")
	w.checkAll(gone...)
	w.owes("withdrawn", now, gone...)
}

func TestWithdrawingWhatIsMirroredChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	kept := w.read(alpha().TarballKey())
	w.hackage.Withdraw("alpha", "0.2", 451)
	w.hackage.Upload("new", "1.0", nil, nil)
	w.sync(CodeDone)
	w.checkAll()
	w.sameFile(alpha().TarballKey(), kept)
	w.owesNothing()
}

func TestLongMissingCountsAsWithdrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	began := w.stop()
	w.hackage.Withdraw("alpha", "0.2", 404)
	w.sync(CodeDone)
	for _, step := range []struct {
		days   int
		reason string
	}{{29, "missing"}, {31, "withdrawn"}, {60, "withdrawn"}} {
		w.now = func() time.Time { return began.AddDate(0, 0, step.days) }
		w.hackage.Upload(fmt.Sprintf("day%d", step.days), "1", nil, nil)
		w.says(w.sync(CodeDone), "alpha-0.2 "+step.reason)
		w.checkAll(alpha())
		w.owes(step.reason, began, alpha())
	}
	w.hackage.Reinstate("alpha", "0.2")
	w.sync(CodeDone)
	w.checkAll()
	w.owesNothing()
}

func TestTarballsThatCannotBeFetchedFailAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.tune = func(o *hackage.Options) { hasty(o); o.Timeout, o.Attempts = 2*time.Second, 2 }
	now := w.stop()
	failing := []index.Release{alpha(), release("crlf", "1.0"), release("tool", "0"), release("Extra", "1.0")}
	for i, fault := range []hackagetest.Fault{
		hackagetest.Status(500), hackagetest.Status(503), hackagetest.Stall(0), hackagetest.Cut(50),
	} {
		w.server.Fault("/"+failing[i].TarballKey(), fault)
	}
	said := w.sync(CodeDone)
	w.says(said, "done: 5 releases", "alpha-0.2: ", "500", "crlf-1.0 failed", "tool-0: ", "nothing arrived for 2s", "Extra-1.0 failed")
	w.checkAll(failing...)
	w.owes("failed", now, failing...)
	w.server.Heal()
	w.sync(CodeDone)
	w.checkAll()
	w.owesNothing()
}

// crowd returns a Hackage of so many packages, p00-1, p01-1 and on.
func crowd(n int) *hackagetest.Hackage {
	h := hackagetest.New(hackagetest.Options{Seed: "crowd"})
	for i := range n {
		h.Upload(fmt.Sprintf("p%02d", i), "1", nil, nil)
	}
	return h
}

func TestOutageOfAllTarballsStopsTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, crowd(30))
	w.tune = func(o *hackage.Options) { hasty(o); o.Attempts = 1 }
	w.opened()
	w.server.Fault("/package/", hackagetest.Status(500))
	before := untold(w.holdings())
	w.says(w.sync(CodeError), "500", "nothing was published", "the next run")
	for name, content := range untold(w.holdings()) {
		// Revisions come from the index, which upstream gave; and the bucket
		// was claimed for that.
		allowed := strings.HasSuffix(name, ".cabal") || name == "bucket/hackage-mirror.json"
		if old, ok := before[name]; (!ok || old != content) && !allowed {
			t.Errorf("%s was written", name)
		}
	}
	w.server.Heal()
	w.sync(CodeDone)
	w.checkAll()
	w.owesNothing()
}

func TestManyScatteredFailuresStopNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, crowd(54))
	w.tune = func(o *hackage.Options) { hasty(o); o.Attempts = 1 }
	now := w.stop()
	var failing []index.Release
	for _, i := range []string{"0", "2", "4", "6", "8"} {
		w.server.Fault("/package/p?"+i+"-1.tar.gz", hackagetest.Status(500))
		for _, ten := range []string{"0", "1", "2", "3", "4", "5"} {
			if ten+i < "54" {
				failing = append(failing, release("p"+ten+i, "1"))
			}
		}
	}
	w.says(w.sync(CodeDone, "--concurrency", "1"), "done: 27 releases", "p00-1 failed", "p52-1 failed")
	w.checkAll(failing...)
	w.owes("failed", now, failing...)
	// What was owed before is no sign of an outage, in a quiet run or not.
	before := w.holdings()
	w.says(w.sync(CodeDone), "nothing new", "p00-1 failed")
	w.unchanged(before)
	w.hackage.Upload("new", "1", nil, nil)
	w.says(w.sync(CodeDone), "done: 1 release")
	w.checkAll(failing...)
	w.owes("failed", now, failing...)
	w.server.Heal()
	w.sync(CodeDone)
	w.checkAll()
	w.owesNothing()
}
