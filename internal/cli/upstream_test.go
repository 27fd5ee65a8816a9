package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// holdings reads all that the destinations hold, byte for byte.
func (w *world) holdings() map[string]string {
	w.Helper()
	all := map[string]string{}
	for _, dir := range []string{w.bucket(), w.files(), w.hashes()} {
		for name, content := range w.contents(dir) {
			all[filepath.Base(dir)+"/"+name] = content
		}
	}
	return all
}

// unchanged fails the test if the destinations are not as they were, but for what
// people are told of them.
func (w *world) unchanged(before map[string]string) {
	w.Helper()
	before, after := untold(before), untold(w.holdings())
	for name, content := range after {
		if old, ok := before[name]; !ok {
			w.Errorf("%s was written", name)
		} else if old != content {
			w.Errorf("%s was changed", name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			w.Errorf("%s was removed", name)
		}
	}
}

// refused has a run end with exit code 1, say some things, and leave the
// destinations as they are.
func (w *world) refused(parts ...string) {
	w.Helper()
	before := w.holdings()
	said := w.sync(CodeError)
	w.says(said, parts...)
	if strings.Contains(said, "pinned keys signed") && strings.Contains(said, "attempt 1") {
		w.Errorf("it tries again what cannot become right:\n%s", said)
	}
	if strings.Contains(said, "done:") {
		w.Errorf("it says that something was done:\n%s", said)
	}
	w.unchanged(before)
}

// sub returns the world for a subtest.
func (w *world) sub(t *testing.T) *world {
	inner := *w
	inner.T = t
	return &inner
}

// opened makes empty destinations, which any run does, however it ends.
func (w *world) opened() {
	w.Helper()
	w.server.Fault("/", hackagetest.Status(404))
	defer w.server.Heal()
	w.says(w.sync(CodeError), "check that this is the address of a Hackage repository", "nothing was changed")
	if refs := w.refs(w.files()) + w.refs(w.hashes()); refs != "" {
		w.Errorf("there are refs:\n%s", refs)
	}
	if held := w.contents(w.bucket()); len(held) != 0 {
		w.Errorf("the bucket holds %d files", len(held))
	}
}

// signedFiles are the files that the metadata vouch for, and themselves.
func signedFiles() []string {
	return []string{"root.json", "timestamp.json", "snapshot.json", "mirrors.json", "01-index.tar.gz"}
}

func TestTamperedMetadataAndIndexAreRefused(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]bool{"first run": false, "later run": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			if later {
				w.sync(CodeDone)
				w.hackage.Upload("new", "1.0", nil, nil)
				w.hackage.RotateKeys() // or nobody would ask for root.json
			} else {
				w.opened()
			}
			w.refuseTampered()
			w.sync(CodeDone)
			w.checkAll()
		})
	}
}

// refuseTampered has upstream send each file in several ways that nobody
// signed.
func (w *world) refuseTampered() {
	for _, file := range signedFiles() {
		for name, fault := range map[string]hackagetest.Fault{
			"another byte": hackagetest.Corrupt(40),
			"shorter":      hackagetest.Shorten(50),
			"longer":       hackagetest.Lengthen(512),
			"cut off":      hackagetest.Cut(30),
		} {
			w.Run(file+" "+name, func(t *testing.T) {
				w := w.sub(t)
				w.server.Fault("/"+file, fault)
				defer w.server.Heal()
				w.refused("upstream \"", w.server.URL, file, "nothing was changed")
			})
		}
	}
}

func TestSetsThatAreNotTheNewestAreRefused(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	w := newWorld(t, h)
	older := h.Generation()
	h.Upload("second", "1.0", nil, nil)
	w.sync(CodeDone)
	seen := h.Generation()
	h.Upload("third", "1.0", nil, nil)
	h.SetMirrors("http://elsewhere.example/")
	newest := h.Generation()
	for _, test := range []struct {
		name  string
		shown *hackagetest.Generation
		says  []string
	}{
		{"older", older, []string{"timestamp.json does not match", "older than before", "If this happens again, ask upstream"}},
		{"old index", newest.WithFrom(seen, "01-index.tar.gz"), []string{"01-index.tar.gz", "do not match each other", "the next run"}},
		{"old snapshot", newest.WithFrom(seen, "snapshot.json"), []string{"snapshot.json", "do not match each other", "the next run"}},
		{"old mirrors", newest.WithFrom(seen, "mirrors.json"), []string{"mirrors.json", "do not match each other", "the next run"}},
		{"no snapshot", newest.With("snapshot.json", nil), []string{"snapshot.json", "404"}},
		{"no index", newest.With("01-index.tar.gz", nil), []string{"01-index.tar.gz", "404"}},
		{"a stranger's", hackagetest.New(hackagetest.Options{Seed: "stranger"}).Generation(), []string{"root.json", "0 of 3 pinned keys signed", "set them with root-keys"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := w.sub(t)
			w.server.Show(test.shown)
			w.refused(test.says...)
		})
	}
	w.server.Show(nil)
	w.sync(CodeDone)
	w.checkAll()
}

func TestExpiredMetadataIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	w.hackage.Upload("new", "1.0", nil, nil)
	for _, role := range []hackagetest.Role{hackagetest.Root, hackagetest.Timestamp, hackagetest.Snapshot, hackagetest.Mirrors} {
		t.Run(string(role), func(t *testing.T) {
			w := w.sub(t)
			lapsed := w.hackage.Clone()
			lapsed.Expire(role)
			w.server.Show(lapsed.Generation())
			w.refused(string(role)+".json", "2002-01-01", "expired", "clock of this machine")
		})
	}
	w.server.Show(nil)
	w.sync(CodeDone)
	w.checkAll()
}

func TestMetadataThatExpiresWhereItIsIsTold(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	h.SetExpiry(hackagetest.Timestamp, time.Now().Add(24*time.Hour))
	w := newWorld(t, h)
	w.sync(CodeDone)
	w.now = func() time.Time { return time.Now().Add(48 * time.Hour) }
	w.refused("timestamp.json", "expired", "upstream has not renewed it")
}

func TestOtherRootKeysAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	stranger := hackagetest.New(hackagetest.Options{Seed: "stranger"})
	code, said := w.run("sync", "--upstream", w.server.URL, "--root-keys", strings.Join(stranger.KeyIDs(), ","),
		"--key-threshold", "2", "--bucket", w.bucket(), "--files-repository", w.files())
	if code != CodeError {
		t.Errorf("exit code %d", code)
	}
	w.says(said, "verify root.json with pinned keys", "set them with root-keys", "not enough signatures", "nothing was changed")
	if refs := w.refs(w.files()); refs != "" || len(w.contents(w.bucket())) != 0 {
		t.Errorf("something was written: %s", refs)
	}
}

func TestStaleCachesArePassedBy(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	w := newWorld(t, h)
	w.sync(CodeDone)
	before := h.Generation()
	r := h.Upload("new", "1.0", nil, nil)
	for _, file := range []string{"snapshot.json", "01-index.tar.gz"} {
		w.server.Fault("/"+file, hackagetest.Stale(before))
	}
	w.server.Fault("/"+r.TarballKey(), hackagetest.Corrupt(-1).UnlessFresh())
	w.server.Forget()
	w.sync(CodeDone)
	w.checkAll()
	for _, path := range []string{"/snapshot.json", "/01-index.tar.gz", "/" + r.TarballKey()} {
		requests := w.server.Requests(path)
		if last := requests[len(requests)-1]; len(requests) < 2 || last.Header.Get("Cache-Control") != "max-age=0" {
			t.Errorf("%d requests for %s, the last with Cache-Control %q", len(requests), path, last.Header.Get("Cache-Control"))
		}
	}
}

func TestUpstreamThatIsDownIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	w.hackage.Upload("new", "1.0", nil, nil)
	for _, test := range []struct {
		name, pattern string
		fault         hackagetest.Fault
		says          []string
	}{
		{"500", "/", hackagetest.Status(500), []string{"timestamp.json", "500", "upstream has a problem of its own", "6 attempts"}},
		{"503", "/snapshot.json", hackagetest.Status(503).RetryAfter("0"), []string{"snapshot.json", "503", "upstream has a problem of its own"}},
		{"503 for a day", "/", hackagetest.Status(503).RetryAfter("86400"), []string{"503", "try again then"}},
		{"429", "/01-index.tar.gz", hackagetest.Status(429), []string{"01-index.tar.gz", "429", "lower the concurrency"}},
		{"403", "/", hackagetest.Status(403), []string{"403", "ask its operator"}},
		{"a loop", "/", hackagetest.Redirect(""), []string{"redirects"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := w.sub(t)
			w.server.Fault(test.pattern, test.fault)
			defer w.server.Heal()
			w.refused(append(test.says, "upstream \"", "nothing was changed")...)
		})
	}
	t.Run("silent", func(t *testing.T) {
		w := w.sub(t)
		w.tune = func(o *hackage.Options) { hasty(o); o.Timeout, o.Attempts = time.Second, 2 }
		w.server.Fault("/timestamp.json", hackagetest.Stall(0))
		defer w.server.Heal()
		w.refused("timestamp.json", "nothing arrived for 1s", "nothing was changed")
	})
	w.sync(CodeDone)
	w.checkAll()
}

func TestUpstreamThatFallsShortIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.server.Fault("/timestamp.json", hackagetest.Status(503).Times(1))
	w.server.Fault("/snapshot.json", hackagetest.Cut(10).Times(2))
	w.server.Fault("/01-index.tar.gz", hackagetest.Cut(100).Times(2))
	w.server.Fault("/package/", hackagetest.Status(500).Times(3))
	w.says(w.sync(CodeDone), "timestamp.json: attempt 1 failed:", "/01-index.tar.gz: attempt 2 failed:")
	w.checkAll()
}
