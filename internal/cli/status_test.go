package cli

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

func TestStatusOfAFreshMirror(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	before := w.everything()
	said := w.status(CodeDone, w.all()...)
	w.says(said, "fresh: nothing of upstream's index is missing\n",
		"verified  missing         nothing",
		"verified  timestamp.json  version 4, expires 2076-11-22T05:52:00Z",
		"unsigned  newest entry    2026-11-22T05:55:00Z, 5 min ago",
		"verified  newest entry    2026-11-22T05:55:00Z, 5 min ago",
		"verified  signed by       key "+w.signer+", which is trusted",
		"unsigned  ledger          nothing is pending")
	w.saysNot(said, "!", "unproven")
	asked := len(w.server.Requests("/"))
	w.says(w.status(CodeDone, w.bucket()), "fresh", "bucket "+w.bucket())
	if n := len(w.server.Requests("/")) - asked; n != 3 { // timestamp, snapshot, mirrors; the mirror has the root
		t.Errorf("upstream is asked %d times", n)
	}
	for kind, path := range map[string]string{"files": w.files(), "hashes": w.hashes()} {
		said := w.status(CodeDone, "--"+kind+"-repository", path)
		w.says(said, "fresh", "unproven  missing         nothing", "key "+w.signer+"; if it is the mirror's")
	}
	for line := range strings.Lines(said) {
		if n := len(strings.TrimSuffix(line, "\n")); n > 100 && strings.Count(line, " ") > 40 {
			t.Errorf("a line has %d characters: %s", n, line)
		}
	}
	if !maps.Equal(w.everything(), before) {
		t.Error("it wrote something")
	}
}

func TestStatusOfABucketOnS3(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	c := w.cloud(s3test.Start(t))
	if code, said := w.run(append(w.upstreamArgs(), "--bucket", c.address())...); code != CodeDone {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
	w.says(w.status(CodeDone, c.address()), "fresh", "unsigned  ledger          nothing is pending")
	w.hackage.Upload("delta", "1.0", nil, nil)
	w.clock = w.clock.Add(3 * time.Hour)
	w.says(w.status(CodeDegraded, c.address()), "stale: bucket s3://"+c.name+"/: it lacks 2 entries")
}

func TestStatusTellsHowFarBehind(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	w.hackage.Upload("delta", "1.0", nil, nil) // at 05:56
	w.hackage.Revise("alpha", "1.0", []byte("name: alpha\nversion: 1.0\nx-revision: 1\n"))
	w.clock = time.Date(2026, 11, 22, 8, 1, 0, 0, time.UTC)
	said := w.status(CodeDegraded, w.all()...)
	w.says(said, "stale: bucket "+w.web.URL+"/: it lacks 3 entries (", "the oldest for 2 h 5 min (and 2 more to look at)")
	w.says(w.status(CodeDone, w.all("--stale-after", "3h")...), "fresh: bucket ", "lacks 3 entries (", "which is within 3 h")
	f := w.parsed(w.status(CodeDegraded, w.all("--json")...))
	for _, p := range f.Destinations {
		if !p.Stale || *p.Lacks.Entries != 3 || *p.Lacks.Seconds != 7500 || !p.Lacks.Proven || p.Lacks.AtMost {
			t.Errorf("%s: %+v", p.Kind, p.Lacks)
		}
	}
	w.server.Fault("/01-index.tar", hackagetest.IgnoreRange())
	said = w.status(CodeDegraded, w.web.URL)
	w.says(said, "stale", "something that has been missing for at most 2 h 6 min", "its own newest entry is taken", "unproven  missing")
	w.put("hackage-mirror.json", strings.Replace(w.contents(w.bucket())["hackage-mirror.json"], "2026-11-22T05:55:00Z", "2126-11-22T05:55:00Z", 1))
	w.says(w.status(CodeDegraded, w.web.URL), "degraded", "what it lacks of upstream's index could not be found out")
}

// An http server can withhold what is new, but not sign it.
func TestStatusFindsAnOlderSetStale(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	old := w.contents(w.bucket())
	w.hackage.Upload("delta", "1.0", nil, nil)
	w.sync(CodeDone)
	newest := w.contents(w.bucket())
	for _, name := range []string{"timestamp.json", "snapshot.json", "01-index.tar", "01-index.tar.gz"} {
		w.put(name, old[name])
	}
	w.clock = w.clock.Add(24 * time.Hour)
	w.says(w.status(CodeDegraded, w.web.URL), "stale", "lacks 2 entries", "its own word of its position")
	for name, raw := range newest {
		w.put(name, raw)
	}
	w.says(w.status(CodeDone, w.web.URL), "fresh")
	w.server.Fault("/", hackagetest.Stale(w.hackage.Generation())) // nothing changes by that
	w.status(CodeDone, w.web.URL)
}

// A long gap is not read to its end.
func TestStatusOfALongGap(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	for n := range 6 {
		w.hackage.Upload("long", fmt.Sprint(n), hackagetest.Noise(fmt.Sprint(n), 1<<20), nil)
	}
	w.clock = w.clock.Add(4 * time.Hour)
	said := w.status(CodeDegraded, w.web.URL)
	w.says(said, "it lacks 6.0 MiB of upstream's index, the oldest entry for 4 h 4 min")
	asked := w.server.Requests("/01-index.tar")
	if last := asked[len(asked)-1]; last.Bytes != 4<<20 || last.Header.Get("Range") == "" {
		t.Errorf("%d bytes of the index were read: %q", last.Bytes, last.Header.Get("Range"))
	}
}

func TestStatusTellsExpiry(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{Lifetime: 72 * time.Hour})
	w.says(w.status(CodeDone, w.web.URL), "verified  snapshot.json   version 4, expires 2026-11-25T05:55:00Z, in 2 days 23 h")
	w.clock = w.clock.Add(60 * time.Hour)
	w.says(w.status(CodeDone, w.web.URL), "fresh", "- timestamp.json expires at 2026-11-25T05:55:00Z, in 11 h 55 min; upstream has not signed a newer one")
	w.clock = w.clock.Add(6 * time.Hour)
	w.says(w.status(CodeDegraded, w.web.URL), "degraded", "! timestamp.json expires at 2026-11-25T05:55:00Z, in 5 h 55 min; upstream has not signed a newer one")
	w.clock = w.clock.Add(18 * time.Hour)
	w.hackage.Prefer("alpha", "alpha >0")
	said := w.status(CodeDegraded, w.web.URL)
	w.says(said, "! timestamp.json expired at 2026-11-25T05:55:00Z, so clients refuse the mirror\n", "expired 2026-11-25T05:55:00Z, 12 h 5 min ago")
	if f := w.parsed(w.status(CodeDegraded, w.web.URL, "--json")).Destinations[0].Files[0]; f.State != "expired" || *f.Days != -0.5 {
		t.Errorf("%+v", f)
	}
}

func TestStatusOfExpiredReference(t *testing.T) {
	t.Parallel()
	set := newReferenceSet(t, "real")
	w := newLookout(t, hackagetest.Options{})
	good, expired := w.path("good"), w.path("expired")
	set.materialize(t, "g3", good)
	set.materialize(t, "g3-expired", expired)
	args := []string{"status", expired, "--upstream", good, "--root-keys", strings.Join(set.RootKeys, ","), "--key-threshold", fmt.Sprint(set.Threshold)}
	w.says(w.bare(CodeDegraded, args...), "degraded", "! timestamp.json expired at 2002-04-02")
}

func TestStatusOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	answer := func(code int, header, value, body string) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set(header, value)
			rw.WriteHeader(code)
			fmt.Fprint(rw, body)
		})
	}
	for name, test := range map[string]struct {
		front http.Handler
		says  string
	}{
		"nothing":     {http.NotFoundHandler(), "404 Not Found: the mirror does not have it"},
		"forbidden":   {answer(403, "X", "y", "no"), "403 Forbidden: the mirror refuses this machine or user"},
		"password":    {answer(401, "X", "y", "no"), "the mirror wants a user and a password"},
		"unwell":      {answer(500, "X", "y", "no"), "(3 attempts): status 500 Internal Server Error: the mirror has a problem of its own"},
		"a page":      {answer(200, "Content-Type", "text/html", "<!doctype html><title>\x1b[31mlog in</title>"), "not canonical JSON"},
		"too much":    {answer(200, "X", "y", strings.Repeat("{", 1<<20)), "where 4096 are the limit"},
		"in circles":  {http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, r.URL.Path, http.StatusFound) }), "more than 5 redirects"},
		"to password": {answer(302, "Location", "http://joe:hunter2@127.0.0.1:1/x?key=hunter2", ""), "connection refused"},
	} {
		w.front = test.front
		said := w.status(CodeError, w.web.URL)
		w.says(said, "unreachable: bucket "+w.web.URL+" cannot be read", "hackage-mirror: read bucket", test.says)
		w.saysNot(said, "hunter2", "upstream refuses", "upstream does")
		if t.Failed() {
			t.Fatal(name)
		}
	}
	w.front = nil
	if err := os.Remove(filepath.Join(w.bucket(), "timestamp.json")); err != nil {
		t.Fatal(err)
	}
	w.says(w.status(CodeError, w.web.URL), "its first fill has not come to its end")
	said := w.status(CodeError, "http://127.0.0.1:1/", "--files-repository", w.files())
	w.says(said, "connection refused", "unproven  missing         nothing")
	f := w.parsed(w.status(CodeError, "http://127.0.0.1:1/", "--files-repository", w.path("none.git"), "--json"))
	if f.Health != "unreachable" || f.Destinations[0].Error == "" || f.Destinations[1].Error == "" {
		t.Errorf("%+v", f)
	}
}

func TestStatusVerifies(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	other := hackagetest.New(hackagetest.Options{Seed: "somebody"})
	said := w.bare(CodeError, "status", w.web.URL, "--upstream", w.server.URL, "--root-keys", strings.Join(other.KeyIDs(), ","), "--key-threshold", "2")
	w.says(said, "unverified: bucket "+w.web.URL+" is not as it was signed", "verify root.json with pinned keys")
	raw := w.contents(w.bucket())["timestamp.json"]
	for name, edit := range map[string][2]string{"version": {`"version":4`, `"version":5`}, "digest": {`"sha256":"`, `"sha256":"0`}} {
		edited := strings.Replace(raw, edit[0], edit[1], 1)
		if edited == raw {
			t.Fatalf("%s: nothing to edit in %s", name, raw)
		}
		w.put("timestamp.json", edited)
		w.says(w.status(CodeError, w.web.URL), "unverified", "timestamp.json")
	}
	w.put("timestamp.json", raw)
	w.put("snapshot.json", "{}")
	w.says(w.status(CodeError, w.web.URL), "unverified", "files of the repository do not match each other")
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	w.says(w.status(CodeError, tls.URL), "check the address, the clock and the installed certificates")
}

// Without upstream the mirror's own times count, and a status.json is true to the
// hour.
func TestStatusWithoutUpstream(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	w.server.Close()
	w.clock = w.clock.Add(90 * time.Minute)
	w.says(w.status(CodeDone, w.all()...), "fresh, as far as the mirror itself says; upstream cannot be read", "not known, as upstream cannot be read", "connection refused",
		"by the mirror's own word it was compared with upstream at 2026-11-22T06:00:00Z last, 1 h 30 min ago")
	w.clock = w.clock.Add(time.Hour)
	if err := os.Remove(filepath.Join(w.bucket(), "status.json")); err != nil { // as older versions leave it
		t.Fatal(err)
	}
	w.says(w.status(CodeDegraded, w.web.URL), "stale", "by the mirror's own word its newest entry came at 2026-11-22T05:55:00Z last, 2 h 35 min ago")
	w.put("status.json", `{"version":1,"health":"good","checked":"2026-11-22T06:00:00Z"}`)
	w.says(w.status(CodeDone, w.web.URL), "fresh")
	w.put("status.json", `{"version":1,"health":"good","checked":"2126-11-22T06:00:00Z"}`)
	w.says(w.status(CodeDegraded, w.web.URL), "stale", "which is in the future")
}

func TestStatusOfAMirrorThatComplains(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	w.put("status.json", `{"version":1,"health":"failed","sentence":"x","run":{"error":"disk \u001b[31mfull\u202e\u009b"}}`)
	w.says(w.status(CodeDegraded, w.web.URL), "degraded: ", "it says that its last run did not bring it up to date: disk [31mfull", "unsigned  says of itself  failed: x")
	w.put("status.json", `{"version":1,"health":"look","sentence":"::error::somebody\u0007 pushed"}`)
	w.says(w.status(CodeDegraded, w.web.URL), "it says that a person should look")
	w.server.Fault("/package/delta-1.0.tar.gz", hackagetest.Corrupt(9))
	w.hackage.Upload("delta", "1.0", nil, nil)
	w.sync(CodeDegraded)
	w.says(w.status(CodeDegraded, w.web.URL), "it says that a person should look: Up to date, but look at this: the bytes of 1 release are not the signed ones")
	w.put("status.json", "")
	said := w.status(CodeDegraded, w.all()...)
	w.says(said, "upstream serves other bytes of 1 release than it signed", "1 release pending: 1 mismatch (delta-1.0)", "cannot be read: read status.json")
}

// What a hostile server says of itself moves no terminal, fills no memory, and is
// never more than its own word.
func TestStatusOfHostileWords(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	far := "9999-12-31T23:59:59-12:00"
	for name, raw := range map[string]string{
		"times": `{"version":1,"health":"good","checked":"` + far + `","changed":"` + far + `","run":{"began":"` + far + `"},"index":{"state":"` + far + `"}}`,
		"long":  `{"version":1,"health":"good","sentence":"` + strings.Repeat("\\u001b]0;x", 20000) + `"}`,
		"huge":  `{"version":1,"sentence":"` + strings.Repeat("x", 2<<20) + `"}`,
		"page":  "<!doctype html>",
		"lists": `{"version":1,"ledger":[` + strings.Repeat("{},", 1000) + `{}]}`,
	} {
		w.put("status.json", raw)
		code := CodeDone
		for _, more := range [][]string{nil, {"--json"}} {
			if said := w.status(code, append([]string{w.web.URL}, more...)...); len(said) > 20_000 {
				t.Errorf("%s: it prints %d bytes", name, len(said))
			}
		}
	}
	if err := os.Remove(filepath.Join(w.bucket(), "status.json")); err != nil {
		t.Fatal(err)
	}
	state := w.contents(w.bucket())["hackage-mirror.json"]
	for name, edit := range map[string][2]string{
		"ledger":  {`"pending": []`, `"pending": ["\u001b[2J-1 missing since=2026-11-22T00:00:00Z"]`},
		"no JSON": {`{`, `<`},
		"time":    {"2026-11-22T05:55:00Z", "9999-12-31T23:59:59-12:00"},
	} {
		w.put("hackage-mirror.json", strings.Replace(state, edit[0], edit[1], 1))
		w.status(CodeDone, w.web.URL)
		if f := w.parsed(w.status(CodeDone, w.web.URL, "--json")); f.Destinations[0].Error != "" || name != "time" && len(f.Destinations[0].Notes) == 0 {
			t.Errorf("%s: %+v", name, f.Destinations[0])
		}
	}
}

func TestStatusRefusesWhatItCannotAsk(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	for _, test := range []struct{ args, says string }{
		{"", "there is nothing to look at"},
		{"https://joe:hunter2@mirror.example/", "has a user or password in its address"},
		{"https://mirror.example/?token=hunter2", "has a query or fragment"},
		{"https://mirror.example/https://joe:hunter2@x", "another address"},
		{"https://", "write it as https://HOST/PATH"},
		{"s3://joe:hunter2@bucket", "bucket: read address"},
		{"mirror.example", "is no folder here; for a server write https://HOST/PATH"},
		{"https://mirror.example --stale-after 0s", `--stale-after: "0s" is not above zero`},
		{"https://mirror.example --stale-after=-1h", `--stale-after: "-1h" is not above zero`},
		{"https://mirror.example --stale-after 5", "write 5h for hours, 5m for minutes"},
		{"https://mirror.example --upstream https://joe:hunter2@up.example", "upstream has a user or password"},
		{"https://mirror.example --key-threshold 9", "cannot be met"},
		{"https://mirror.example --trusted-keys ABCD", "that is a key id"},
		{"https://mirror.example --files-repository https://joe:hunter2@git.example/x", "files-repository"},
		{"https://mirror.example --tag -x", "tag"},
	} {
		said := w.bare(CodeUsage, strings.Fields("status "+test.args)...)
		w.says(said, test.says, `Run "hackage-mirror status --help"`)
		w.saysNot(said, "hunter2")
	}
}

// As a step of a workflow it takes the inputs of the Action, and tells the runner.
func TestStatusOnARunner(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	w.onGitHub()
	w.env["HACKAGE_MIRROR_BUCKET"] = w.web.URL
	w.env["HACKAGE_MIRROR_FILES_REPOSITORY"] = w.files()
	w.env["HACKAGE_MIRROR_TRUSTED_KEYS"] = w.signer
	w.env["HACKAGE_MIRROR_STALE_AFTER"] = ""
	w.saysNot(w.status(CodeDone), "::error", "::warning title=hackage-mirror::variable")
	outputs, summary := w.afterStep()
	w.says(summary, "### fresh&#58; nothing", "<pre>", "verified  missing         nothing")
	w.says(outputs["summary-json"], `"health":"fresh"`)
	w.hackage.Upload("delta", "1.0", nil, nil)
	w.clock = w.clock.Add(3 * time.Hour)
	w.says(w.status(CodeDegraded), "::error title=hackage-mirror::bucket "+w.web.URL+": it lacks 2 entries", "::error title=hackage-mirror::files-repository")
	outputs, summary = w.afterStep()
	w.says(summary, "### stale&#58;", "! it lacks 2 entries")
	w.says(outputs["summary-json"], `"health":"stale"`)
}

// The JSON is a promise: docs/probe.md says what it means.
func TestStatusJSON(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	w.put("status.json", `{"version":1,"health":"good","sentence":"up to date","tool":"hackage-mirror v1.2.3","checked":"2026-11-22T05:59:00Z",
		"changed":"2026-11-22T05:58:00Z","run":{"began":"2026-11-22T05:58:00Z","outcome":"done","error":""}}`)
	w.hackage.Upload("delta", "1.0", nil, nil)
	said := w.status(CodeDone, w.all("--json")...)
	said = strings.NewReplacer(w.web.URL, "http://mirror", w.server.URL, "http://upstream", w.dir, "/dir", w.signer, "FINGERPRINT").Replace(said)
	said = regexp.MustCompile(`"[0-9a-f]{40}"`).ReplaceAllString(said, `"COMMIT"`)
	golden := filepath.Join("testdata", "status.json")
	if *update {
		writeFile(t, golden, []byte(said))
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "probe.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range regexp.MustCompile(`"([a-z-]+)":`).FindAllStringSubmatch(said, -1) {
		if !strings.Contains(string(docs), "`"+key[1]+"`") {
			t.Errorf("docs/probe.md does not name the key %q", key[1])
		}
	}
}

func TestStatusGivesUpOnAServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	w.front = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	w.tune = func(o *hackage.Options) { o.FirstWait, o.Timeout = time.Millisecond, 20*time.Millisecond }
	w.server.Fault("/timestamp.json", hackagetest.Stall(0))
	w.says(w.status(CodeError, w.web.URL), "(3 attempts): nothing arrived for 20ms", "upstream "+w.server.URL+" cannot be read")
}

func TestStatusIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	env, stdout, stderr := testEnv(map[string]string{"PATH": os.Getenv("PATH")})
	if code := Main(ctx, []string{"status", w.web.URL, "--upstream", w.server.URL}, env); code != CodeInterrupted || stdout.Len() > 0 {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
}

// What configures a mirror is enough to look at it.
func TestStatusTakesAFileOfOptions(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	config := w.path("mirror.yaml")
	writeFile(t, config, []byte(fmt.Sprintf("upstream: %s\nroot-keys: [%s]\nkey-threshold: 2\nbucket: %s\nfiles-repository: %s\nconcurrency: 4\n",
		w.server.URL, strings.Join(w.hackage.KeyIDs(), ", "), w.bucket(), w.files())))
	w.says(w.bare(CodeDone, "status", "--config", config), "fresh", "bucket "+w.bucket(), "files-repository "+w.files())
	writeFile(t, config, []byte("buckets: x\n"))
	w.says(w.bare(CodeUsage, "status", "--config", config), "is not an option of sync")
}

// A ledger as long as somebody likes is counted, and not printed.
func TestStatusOfALongLedger(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	lines := make([]string, 20_000)
	for i := range lines {
		lines[i] = fmt.Sprintf("%q", fmt.Sprintf("long-%d missing since=2026-11-22T00:00:00Z", i))
	}
	state := w.contents(w.bucket())["hackage-mirror.json"]
	w.put("hackage-mirror.json", strings.Replace(state, `"pending": []`, `"pending": [`+strings.Join(lines, ",")+"]", 1))
	w.onGitHub()
	w.says(w.status(CodeDone, w.web.URL), "20,000 releases pending: 20,000 missing (long-0, long-1, long-10, long-100, long-1000, and 19,995 more)")
	outputs, _ := w.afterStep()
	if raw := outputs["summary-json"]; len(raw) >= 32_000 || !strings.Contains(raw, `"cut":true`) || !strings.Contains(raw, `"owed":20000`) {
		t.Errorf("summary-json has %d bytes: %.300s", len(raw), raw)
	}
	if f := w.parsed(w.status(CodeDone, w.web.URL, "--json")); !f.Cut || len(f.Destinations[0].Ledger) != 1000 || *f.Destinations[0].Pending != len(lines) {
		t.Errorf("%d of %d lines, cut: %v", len(f.Destinations[0].Ledger), *f.Destinations[0].Pending, f.Cut)
	}
}

// An option that both commands have is one option.
func TestStatusSharesTheOptionsOfSync(t *testing.T) {
	t.Parallel()
	parser := newTestParser(t)
	flags := map[string]map[string]*kong.Flag{}
	for _, command := range parser.Model.Leaves(false) {
		flags[command.Name] = map[string]*kong.Flag{}
		for _, flag := range command.Flags {
			flags[command.Name][flag.Name] = flag
		}
	}
	shared := 0
	for name, flag := range flags["status"] {
		same := flags["sync"][name]
		if same == nil || name == "help" {
			continue
		}
		shared++
		if flag.Default != same.Default || flag.PlaceHolder != same.PlaceHolder || flag.Target.Type() != same.Target.Type() ||
			!reflect.DeepEqual(flag.Tag.Get("secret"), same.Tag.Get("secret")) || flag.Tag.Type != same.Tag.Type {
			t.Errorf("%s is another option in status than in sync", name)
		}
	}
	if shared < 20 {
		t.Errorf("only %d options are shared", shared)
	}
}
