package cli

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// wide is as much for each package as makes the index large for a bucket, too.
const wide = 140_000

// newBehind makes a change that is small beside the whole index.
func (w *world) newBehind(n int) {
	w.hackage.Upload("small", fmt.Sprint(n), nil, nil)
	w.hackage.Revise("alpha", "0.2", revision(alpha(), fmt.Sprintf("number %d", n)))
}

// fetched returns how many bytes were fetched of the index, and the Range
// headers of the requests for it.
func (w *world) fetched() (bytes int64, ranges []string) {
	for _, r := range w.server.Requests("/01-index*") {
		bytes += r.Bytes
		ranges = append(ranges, r.Header.Get("Range"))
	}
	return bytes, ranges
}

func TestOnlyWhatIsNewOfTheIndexIsFetched(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Wide(wide))
	w.sync(CodeDone)
	whole, _ := w.fetched()
	for n := range 3 {
		w.newBehind(n)
		w.server.Forget()
		w.sync(CodeDone)
		w.checkAll()
		bytes, ranges := w.fetched()
		if len(ranges) != 2 || ranges[0] == "" || ranges[1] == "" || bytes > whole/10 {
			t.Errorf("%d bytes of the index were fetched, the whole has %d; ranges %q", bytes, whole, ranges)
		}
	}
	before := w.holdings()
	w.says(w.sync(CodeDone), "nothing new")
	w.unchanged(before)
}

// TestRepositoriesNeedNoPackedIndex: that is for buckets alone.
func TestRepositoriesNeedNoPackedIndex(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Wide(wide))
	args := append(w.upstreamArgs(), "--files-repository", w.files())
	for n := range 2 {
		w.server.Forget()
		if code, said := w.run(args...); code != CodeDone {
			t.Fatalf("exit code %d:\n%s", code, said)
		}
		w.newBehind(n)
	}
	if _, ok := w.tree(w.files())["small/0/small.cabal"]; !ok {
		t.Error("what was new did not arrive")
	}
	if _, ranges := w.fetched(); len(ranges) != 1 || !strings.HasPrefix(ranges[0], "bytes=") {
		t.Errorf("requests for the index have the ranges %q", ranges)
	}
}

// TestServersThatGiveNoGoodParts: the whole index stands in, and all arrives.
func TestServersThatGiveNoGoodParts(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]hackagetest.Fault{
		"ranges ignored": hackagetest.IgnoreRange(),
		"another range":  hackagetest.WrongRange(),
		"other bytes":    hackagetest.ShiftRange(512),
		"too few bytes":  hackagetest.MiscountRange(100),
		"too many bytes": hackagetest.MiscountRange(-100),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Wide(wide))
			w.sync(CodeDone)
			w.newBehind(1)
			w.server.Fault("/01-index*", fault)
			w.sync(CodeDone)
			w.checkAll()
		})
	}
}

// TestLateReleaseNeedsOneEntryOfTheIndex: a release that was owed is listed
// without a reading of what lies before the positions.
func TestLateReleaseNeedsOneEntryOfTheIndex(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Wide(wide))
	w.hackage.Upload("late", "1", nil, nil)
	w.hackage.Withdraw("late", "1", 404)
	w.sync(CodeDone)
	w.checkAll(index.Release{Package: "late", Version: "1"})
	w.hackage.Reinstate("late", "1")
	w.newBehind(1)
	w.server.Forget()
	w.sync(CodeDone)
	w.checkAll()
	w.owesNothing()
	if bytes, ranges := w.fetched(); len(ranges) != 3 || bytes > 400_000 {
		t.Errorf("%d bytes of the index were fetched, by ranges %q", bytes, ranges)
	}
}

// TestEntryThatAServerGetsWrong: the whole index is asked before the ledger is
// blamed, so nothing is compared with the whole tree.
func TestEntryThatAServerGetsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Wide(wide))
	w.hackage.Upload("late", "1", nil, nil)
	w.hackage.Withdraw("late", "1", 404)
	w.hackage.Upload("behind", "1", nil, nil)
	w.sync(CodeDone)
	files, hashes := w.heads()
	w.hackage.Reinstate("late", "1")
	w.newBehind(1)
	asked := 0
	w.serve(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/01-index.tar" {
				next.ServeHTTP(rw, r)
				return
			}
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			raw := answer.Body.Bytes()
			if asked++; asked > 1 {
				raw[520] ^= 1 // of the entry's content
			}
			maps.Copy(rw.Header(), answer.Header())
			rw.WriteHeader(answer.Code)
			_, _ = rw.Write(raw)
		})
	})
	said := w.sync(CodeDone)
	w.checkAll()
	w.continues(files, hashes, 1)
	if asked < 2 || strings.Contains(said, "comparing all of it") {
		t.Errorf("01-index.tar was asked for %d times:\n%s", asked, said)
	}
}

// TestPositionThatIsNotOfThisIndex: a wrong midstate in one destination's state
// is found out by a full reading, and keeps only that one back.
func TestPositionThatIsNotOfThisIndex(t *testing.T) {
	t.Parallel()
	edit := func(pattern, with string) func(*world) {
		return func(w *world) {
			w.editState(func(text string) string { return regexp.MustCompile(pattern).ReplaceAllString(text, with) })
		}
	}
	for name, do := range map[string]func(*world){
		"midstate of another prefix": edit(`"Index-Midstate": "\w{8}`, `"Index-Midstate": "00000000`),
		"shorter than any boundary":  edit(`"Index-Length": "\d+"`, `"Index-Length": "1024"`),
		"past the end":               edit(`"Index-Length": "\d+"`, `"Index-Length": "104857600"`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Wide(wide))
			w.sync(CodeDone)
			w.newBehind(1)
			do(w)
			published := w.read("timestamp.json")
			w.says(w.sync(CodeError), "the index was rewritten", "--accept-rewrite")
			w.checkFiles(w.hackage.Generation())
			w.checkHashes(w.hackage.Generation(), nil)
			if string(w.read("timestamp.json")) != string(published) {
				t.Error("something was published into the bucket")
			}
			w.sync(CodeDone, "--accept-rewrite")
			w.checkAll()
		})
	}
}

// TestPositionAtWhatLooksLikeAnEntry: what follows the position proves itself, and
// begins with what somebody wrote into a .cabal file to look like an entry. None
// follows that, so the full index is read, and only the bucket is kept back.
func TestPositionAtWhatLooksLikeAnEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Wide(wide))
	var fake bytes.Buffer
	if err := tar.NewWriter(&fake).WriteHeader(&tar.Header{Name: "x/1/x.cabal", Mode: 0o644, Size: 5}); err != nil {
		t.Fatal(err)
	}
	w.hackage.Revise("alpha", "0.2", fake.Bytes())
	w.sync(CodeDone)
	w.newBehind(1)
	g := w.hackage.Generation()
	at := bytes.Index(g.File("01-index.tar"), fake.Bytes())
	prefix := sha256.New()
	prefix.Write(g.File("01-index.tar")[:at])
	state := fmt.Sprintf("%x", midstate.Of(prefix).Midstate)
	w.editState(func(text string) string {
		text = regexp.MustCompile(`"Index-Length": "\d+"`).ReplaceAllString(text, fmt.Sprintf(`"Index-Length": "%d"`, at))
		return regexp.MustCompile(`"Index-Midstate": "\w+"`).ReplaceAllString(text, fmt.Sprintf(`"Index-Midstate": "%s"`, state))
	})
	w.says(w.sync(CodeError), "all of it is fetched instead", "the index was rewritten")
	w.checkFiles(g)
	w.checkHashes(g, nil)
}

// TestIndexFilesOfABucketAreNotWhatItsStateSays: what they are built on is
// looked at, and what does not fit is put whole.
func TestIndexFilesOfABucketAreNotWhatItsStateSays(t *testing.T) {
	t.Parallel()
	for name, pattern := range map[string]string{
		"tar": `"Held-Tar": "\d+:\w{8}`,
		"gz":  `"Held-Gz": "\d+:\w{8}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Wide(wide))
			w.sync(CodeDone)
			w.newBehind(1)
			w.editState(func(text string) string {
				found := regexp.MustCompile(pattern).FindString(text)
				return strings.Replace(text, found, found[:max(0, len(found)-8)]+"00000000", 1)
			})
			w.sync(CodeDone)
			w.checkAll()
		})
	}
}

// TestClockThatGoesBack: nothing that a run writes hangs on it in a way that a
// later run could not go on from.
func TestClockThatGoesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Wide(wide))
	start := time.Now()
	w.now = func() time.Time { return start.Add(48 * time.Hour) }
	w.sync(CodeDone)
	w.newBehind(1)
	w.now = func() time.Time { return start.Add(time.Hour) }
	w.sync(CodeDone)
	w.checkAll()
	w.newBehind(2)
	w.now = func() time.Time { return start.Add(-20 * 365 * 24 * time.Hour) }
	before := w.holdings()
	said := w.sync(CodeError)
	w.Logf("a clock from before the key was made: %s", said)
	for name, content := range w.holdings() {
		if strings.HasPrefix(name, "files") && before[name] != content {
			t.Errorf("%s was changed by a run whose signatures nobody can check", name)
		}
	}
	w.now = time.Now
	w.sync(CodeDone)
	w.checkAll()
}
