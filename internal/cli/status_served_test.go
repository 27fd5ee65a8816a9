package cli

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// Signed files say nothing of whether the index that they sign is there.
func TestStatusLooksForTheIndex(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	whole := w.contents(w.bucket())
	noRanges := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		http.FileServer(http.Dir(w.bucket())).ServeHTTP(rw, r)
	})
	said := w.status(CodeDone, w.web.URL)
	w.says(said, "sampled index there of that length, with the beginning and the end of one")
	for _, name := range []string{"01-index.tar", "01-index.tar.gz"} {
		raw := whole[name]
		end := raw[:len(raw)-600] + strings.Repeat("x", 600)
		for how, test := range map[string]struct{ content, word, says string }{
			"missing":      {"", "unreachable", "404 Not Found: the mirror does not have it"},
			"short":        {raw[:len(raw)-512], "unverified", "are signed"},
			"long":         {raw + "x", "unverified", "are signed"},
			"empty":        {"-", "unverified", "are signed"},
			"garbage":      {strings.Repeat("x", len(raw)), "unverified", "does not begin as such a file does"},
			"a broken end": {end, "unverified", "its end is not that of an index"},
		} {
			if strings.HasSuffix(name, "gz") && how == "a broken end" {
				continue
			}
			for _, front := range []http.Handler{nil, noRanges} {
				if front != nil && how == "a broken end" {
					continue
				}
				w.front = front
				if w.put(name, strings.TrimPrefix(test.content, "-")); test.content == "" {
					_ = os.Remove(filepath.Join(w.bucket(), name))
				}
				said := w.status(CodeError, w.web.URL)
				w.says(said, test.word+": bucket "+w.web.URL, test.says, name)
				if w.saysNot(said, "fresh", "verified index"); t.Failed() {
					t.Fatal(name, how)
				}
				if front == nil && how != "missing" {
					w.says(w.status(CodeError, w.bucket()), "unverified")
				}
			}
		}
		w.front = nil
		w.put(name, raw)
	}
	w.front = noRanges
	w.says(w.status(CodeDone, w.web.URL), "fresh", "the end could not be looked at")
}

// Nor whether the tarballs are.
func TestStatusLooksForTheNewestTarballs(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	tarball := filepath.Join("package", "gamma-1.0.tar.gz")
	w.put(tarball, "short")
	w.says(w.status(CodeDegraded, w.web.URL), "degraded", "the tarball of gamma-1.0 is not as it should be", "are signed")
	if err := os.Remove(filepath.Join(w.bucket(), tarball)); err != nil {
		t.Fatal(err)
	}
	w.says(w.status(CodeDegraded, w.web.URL), "! the tarball of gamma-1.0", "404 Not Found: the mirror does not have it")
	// What it does not take or owes by its own word is not looked for.
	state := w.contents(w.bucket())["hackage-mirror.json"]
	w.put("hackage-mirror.json", strings.Replace(state, `"pending": []`, `"pending": ["gamma-1.0 missing since=2026-11-22T00:00:00Z"]`, 1))
	w.says(w.status(CodeDone, w.web.URL), "fresh", "1 release pending")
	w.put("hackage-mirror.json", state)
	w.hackage.Upload("newest", "1.0", nil, nil)
	w.sync(CodeDone, "--packages", "newest")
	w.says(w.status(CodeDone, w.web.URL), "fresh")
}

// A mirror that is still being filled is that, and nothing else.
func TestStatusOfAFirstFill(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	for _, name := range []string{"timestamp.json", "snapshot.json", "mirrors.json", "root.json", "01-index.tar", "01-index.tar.gz"} {
		if err := os.Remove(filepath.Join(w.bucket(), name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, place := range []string{w.bucket(), w.web.URL} {
		said := w.status(CodeError, place)
		w.says(said, "filling: the first fill of bucket "+place+" has not come to its end")
		w.saysNot(said, "hackage.haskell.org", "unreachable", "check the address", "not a Hackage repository")
	}
}

// What the operator of a mirror has acknowledged is listed, and nothing to look at;
// what he has not, is told once.
func TestStatusOfAnAcknowledgedMismatch(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	w.server.Fault("/package/delta-1.0.tar.gz", hackagetest.Corrupt(9))
	w.hackage.Upload("delta", "1.0", nil, nil)
	line := regexp.MustCompile(`delta-1\.0@[0-9a-f]{64}`).FindString(w.sync(CodeDegraded))
	said := w.status(CodeDegraded, w.web.URL)
	w.says(said, "it says that a person should look: Up to date, but look at this", "- upstream serves other bytes of 1 release than it signed")
	w.saysNot(said, "more to look at")
	w.sync(CodeDone, "--accept-mismatch", line)
	said = w.status(CodeDone, w.web.URL)
	w.says(said, "fresh", "by the mirror's own word its operator has acknowledged that", "unsigned ledger 1 release pending: 1 mismatch (delta-1.0)")
	w.saysNot(said, "could not be downloaded")
	if f := w.parsed(w.status(CodeDone, w.web.URL, "--json")); !f.Destinations[0].Ledger[0].Accepted {
		t.Errorf("%+v", f.Destinations[0].Ledger)
	}
	// Nothing but a mismatch of the ledger can be acknowledged.
	w.put("status.json", `{"version":1,"health":"good","ledger":[{"release":"other-1","accepted":true},{"release":"../x","accepted":true}]}`)
	w.says(w.status(CodeDegraded, w.web.URL), "! upstream serves other bytes of 1 release than it signed")
}

// A status.json of another version is one of another version, whatever it holds.
func TestStatusOfOtherVersions(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	w.put("status.json", `{"version":2,"health":{"a":1},"checked":7}`)
	w.says(w.status(CodeDone, w.web.URL), "fresh", "- what it says of itself cannot be read: read status.json: version 2, and this program reads version 1")
	w.put("status.json", `{"version":1,"health":"fine","sentence":"all is well"}`)
	w.says(w.status(CodeDegraded, w.web.URL), `it says "fine" of its health, a word that this version does not know: all is well`)
}

// Without upstream a state that was written lately proves nothing: a failed run
// writes, too.
func TestStatusWithoutUpstreamGoesByTheComparison(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	w.server.Close()
	w.clock = w.clock.Add(4 * time.Hour)
	raw := w.contents(w.bucket())["hackage-mirror.json"]
	w.put("hackage-mirror.json", regexp.MustCompile(`"updated": "[^"]*"`).ReplaceAllString(raw, `"updated": "2026-11-22T09:59:00Z"`))
	w.says(w.status(CodeDegraded, w.web.URL), "stale", "by the mirror's own word it was compared with upstream at 2026-11-22T06:00:00Z last, 4 h ago")
}

// The health of a bucket is its own, whatever became of the run.
func TestStatusOfAGoodBucketOfAFailedRun(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	for _, outcome := range []string{"failed", "interrupted"} {
		w.put("status.json", `{"version":1,"health":"good","sentence":"Up to date.","run":{"outcome":"`+outcome+`","error":"Another bucket of this mirror could not be brought up to date."}}`)
		w.says(w.status(CodeDone, w.web.URL), "fresh", "- it says that it is good, although its last run ("+outcome+") had something else to say: Another bucket")
	}
}
