package cli

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/page"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// told reads the status that the bucket has.
func (w *world) told() *status.Status {
	w.Helper()
	s, err := status.Parse(w.read(status.Key))
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// normalStatus is status.json without what another run has otherwise. It checks
// that all that is made of it shows it.
func (w *world) normalStatus() string {
	w.Helper()
	s := w.told()
	files, err := page.Render(s)
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range files {
		w.sameFile(f.Key, f.Body)
	}
	held, err := state.ParseFile(w.read(mirror.StateKey))
	if err != nil || s.Nonce == "" || s.Nonce != held.State.Nonce {
		w.Errorf("it tells of the state %q, and in place is %q, %v", s.Nonce, held.State.Nonce, err)
	}
	for i := range s.Repositories {
		s.Repositories[i].Commit = ""
	}
	for i := range s.Ledger {
		s.Ledger[i].Since = time.Time{}
	}
	s.Nonce, s.Checked, s.Changed, s.Run, s.Upstream, s.Index.Lag = "", time.Time{}, time.Time{}, status.Run{}, "", 0
	return string(s.JSON())
}

// at lets the world's clock stand, soon after the Hackage's last upload, and returns
// it.
func (w *world) at() *time.Time {
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	w.now = func() time.Time { return now }
	return &now
}

// TestStatusGoesOn: what a status says is that of the whole index, whether a run
// read all of it or only what is new.
func TestStatusGoesOn(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]*hackagetest.Hackage{"small": hackagetest.Small(), "tail": hackagetest.Wide(200 << 10)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, h)
			now := w.at()
			args := w.bucketArgs(w.bucket())
			w.fill(CodeDone, args...)
			first := w.told()
			w.checkHolds(first, name)
			*now = now.Add(10 * time.Minute)
			h.Revise("alpha", "0.1.0.0", []byte("name: alpha\nversion: 0.1.0.0\nx-revision: 7\n"))
			h.Upload("alpha", "0.3", nil, nil)
			h.Revise("alpha", "0.3", []byte("name: alpha\nversion: 0.3\nx-revision: 1\n"))
			w.fill(CodeDone, args...)
			s := w.told()
			w.checkHolds(s, name)
			size := int64(len(h.Generation().Tarball(release("alpha", "0.3"))))
			want := []status.Item{
				{Package: "alpha", Version: "0.3", Revision: 1}, {Package: "alpha", Version: "0.3", Bytes: size}, {Package: "alpha", Version: "0.1.0.0", Revision: 2},
			}
			for i := range want {
				want[i].Time = s.Recent[i].Time
			}
			if !reflect.DeepEqual(s.Recent[:3], want) || !reflect.DeepEqual(s.Recent[3:], first.Recent) {
				t.Errorf("the newest are %+v", s.Recent)
			}
			if len(s.Days) != 1 || s.Days[0].Releases != first.Days[0].Releases+1 || s.Days[0].Revisions != first.Days[0].Revisions+2 {
				t.Errorf("day by day it is %+v, and was %+v", s.Days, first.Days)
			}
			if s.Index.Lag <= 0 || s.Index.Behind != 0 || !s.Index.Upstream.Equal(s.Index.State) || !s.Changed.Equal(*now) || !s.Checked.Equal(*now) {
				t.Errorf("it says %+v, checked %s, changed %s", s.Index, s.Checked, s.Changed)
			}
		})
	}
}

// checkHolds holds the numbers against the Hackage.
func (w *world) checkHolds(s *status.Status, name string) {
	w.Helper()
	var want status.Holds
	packages := map[string]bool{}
	for _, r := range w.hackage.Generation().Releases() {
		packages[r.Package] = true
		want.Releases++
		want.Revisions += int64(len(w.hackage.Generation().Revisions(r)) - 1)
		want.Bytes += int64(len(w.hackage.Generation().Tarball(r)))
	}
	want.Packages = int64(len(packages))
	if s.Holds != want {
		w.Errorf("%s: it says that the mirror holds %+v, want %+v", name, s.Holds, want)
	}
}

// TestQuietRunsTellOnceAnHour: in between they ask for the state alone, but for those
// within the first hour after an update, which look at the status as well.
func TestQuietRunsTellOnceAnHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	now := w.at()
	c := w.cloud(s3test.Start(t))
	args := w.bucketArgs(c.address())
	w.fill(CodeDone, args...)
	w.look = c.look
	for hour := range 3 {
		for range 5 {
			*now = now.Add(11 * time.Minute)
			c.Reset()
			w.says(w.fill(CodeDone, args...), "nothing new")
			want := map[string]int{"GET": 1}
			if hour == 0 {
				want["GET"] = 2
			}
			if spent := c.Counts(); !maps.Equal(spent, want) {
				t.Errorf("a quiet run within the hour made the requests %v, want %v", spent, want)
			}
		}
		*now = now.Add(6 * time.Minute)
		c.Reset()
		w.says(w.fill(CodeDone, args...), "nothing new")
		if keys := c.keys(); !slices.Equal(keys, []string{"hackage-mirror.json", "index.html", "metrics.txt", "status.json"}) {
			t.Errorf("after an hour a quiet run put %q", keys)
		}
		if spent := c.Counts(); !maps.Equal(spent, map[string]int{"GET": 2, "HEAD": 3, "PUT": 4}) {
			t.Errorf("after an hour a quiet run made the requests %v", spent)
		}
		if s := w.told(); !s.Checked.Equal(*now) || s.Changed.After(now.Add(-time.Hour)) || s.Health != status.Good {
			t.Errorf("it says checked %s, changed %s", s.Checked, s.Changed)
		}
	}
}

// A run that finds nothing new says how large the mirror is, where it had to look at
// what readers were told.
func TestQuietRunSaysHowLargeTheMirrorIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	said := w.sync(CodeDone, "--json")
	w.says(said, `"changed": false`, fmt.Sprintf(`"packages": %d,`, w.told().Holds.Packages))
}

// TestTellingCostsSixPuts at most, beside what the mirror itself costs, and none of
// the state, which can be put once a second only.
func TestTellingCostsSixPuts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	now := w.at()
	c := w.cloud(s3test.Start(t))
	w.look = c.look
	args := w.bucketArgs(c.address())
	pauses := 0
	w.wait = func(context.Context, time.Duration) error { pauses++; return nil }
	minutes := func(n int) func() { return func() { *now = now.Add(time.Duration(n) * time.Minute) } }
	update := func() { minutes(5)(); w.hackage.Upload("new", fmt.Sprintf("1.%d", now.Unix()%100_000), nil, nil) }
	// The names come with 00-index.tar.gz, so with each update of so short an index.
	page, badges := []string{"index.html", "metrics.txt", "status.json"}, []string{"badge.json", "badge.svg"}
	updated := []string{"feed.xml", "index.html", "metrics.txt", "names.json", "status.json"}
	for _, step := range []struct {
		name   string
		before func()
		code   int
		tells  []string // the files that are put
		states int      // how often the state is put; an update puts it twice
	}{
		{"first fill", func() {}, CodeDone, slices.Concat(badges, updated), 2},
		{"quiet after the first fill", minutes(5), CodeDone, nil, 0},
		{"update", update, CodeDone, updated, 2},
		{"quiet after an update", minutes(5), CodeDone, nil, 0},
		{"another update", update, CodeDone, updated, 2},
		{"signed anew", func() { minutes(5)(); w.hackage.Resign() }, CodeDone, page, 2},
		{"hourly quiet", minutes(60), CodeDone, page, 1},
		{"quiet after that", minutes(5), CodeDone, nil, 0},
		{"failed", func() { minutes(5)(); w.server.Fault("/timestamp.json", hackagetest.Status(http.StatusForbidden)) }, CodeError, slices.Concat(badges, page), 1},
		{"failed again", minutes(5), CodeError, page, 1},
		{"mended", func() { minutes(5)(); w.server.Heal() }, CodeDone, slices.Concat(badges, page), 1},
		{"update that is failed", func() { update(); w.server.Fault("/package/", hackagetest.Corrupt(9)) }, CodeDegraded, slices.Concat(badges, updated), 2},
		{"update that mends it", func() { w.server.Heal(); update() }, CodeDone, slices.Concat(badges, updated), 2},
		{"hourly quiet, a day later", minutes(24 * 60), CodeDone, slices.Concat(badges, page), 1},
		{"update, the first of a day", func() { minutes(24 * 60)(); update() }, CodeDone, slices.Concat(badges, updated), 2},
	} {
		step.before()
		c.Reset()
		pauses = 0
		w.fill(step.code, args...)
		var tells []string
		states := 0
		for _, r := range c.Requests() {
			key := strings.TrimPrefix(r.Path, "/"+c.name+"/")
			switch {
			case r.Operation() != "PUT":
			case key == mirror.StateKey:
				states++
			case slices.Contains(tellsPeople, key):
				tells = append(tells, key)
			}
		}
		slices.Sort(tells)
		t.Logf("%s: %v; %d files, the state %d times, %d pauses", step.name, c.Counts(), len(tells), states, pauses)
		if pauses != states/2 { // a second lies between the two of an update, and none is added
			t.Errorf("%s: it paused %d times", step.name, pauses)
		}
		if !slices.Equal(tells, step.tells) || states != step.states {
			t.Errorf("%s: it put %q, want %q, and the state %d times, want %d", step.name, tells, step.tells, states, step.states)
		}
		w.normalStatus()
	}
}

// TestLostPageComesBack within the hour, whichever part of it was lost, and by six
// puts at most in a run.
func TestLostPageComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	now := w.at()
	args := w.bucketArgs(w.bucket())
	w.fill(CodeDone, args...)
	for _, lost := range [][]string{{"index.html"}, {"badge.svg"}, {"badge.json", "metrics.txt"}, {"feed.xml", "badge.svg"}} {
		for _, key := range lost {
			must(w, os.Remove(filepath.Join(w.bucket(), key)))
		}
		*now = now.Add(time.Hour)
		w.says(w.fill(CodeDone, args...), "nothing new")
		w.normalStatus()
	}
}

// TestFailedRunsTellSo, whatever failed, and the next good run tells that at once.
func TestFailedRunsTellSo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil, mend func(w *world)
		code        int
		health      status.Word
		says        string
	}{
		"upstream": {
			func(w *world) { w.server.Fault("/timestamp.json", hackagetest.Status(http.StatusForbidden)) },
			func(w *world) { w.server.Heal() }, CodeError, status.Failed, "could not be read, or not be verified",
		},
		"a repository": {
			func(w *world) { must(w, os.Rename(w.files(), w.files()+".away"), os.WriteFile(w.files(), nil, 0o600)) },
			func(w *world) { must(w, os.Remove(w.files()), os.Rename(w.files()+".away", w.files())) },
			CodeError, status.Failed, "the files repository could not be brought up to date",
		},
		"a mismatch": {
			func(w *world) {
				w.server.Fault("/package/new-1.0.tar.gz", hackagetest.Corrupt(9))
				w.hackage.Upload("new", "1.0", nil, nil)
			},
			func(w *world) { w.server.Heal() }, CodeDegraded, status.Look, "the bytes of 1 release are not the signed ones",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			w.sync(CodeDone)
			test.spoil(w)
			for range 2 {
				w.sync(test.code)
				if s := w.told(); s.Health != test.health || !strings.Contains(s.Sentence, test.says) || s.Run.Error == "" {
					t.Errorf("it says %s: %s (%s)", s.Health, s.Sentence, s.Run.Error)
				}
				w.normalStatus()
				w.checkNothingOf(w.dir, w.server.URL+"/timestamp")
			}
			test.mend(w)
			w.sync(CodeDone)
			if s := w.told(); s.Health != status.Good || s.Run.Error != "" || s.Run.Outcome != "done" {
				t.Errorf("once mended it says %s: %s (%s)", s.Health, s.Sentence, s.Run.Error)
			}
			w.normalStatus()
		})
	}
}

func must(w *world, errs ...error) {
	for _, err := range errs {
		if err != nil {
			w.Fatal(err)
		}
	}
}

// checkNothingOf says that nothing that tells people has some texts in it.
func (w *world) checkNothingOf(texts ...string) {
	w.Helper()
	for _, key := range tellsPeople {
		raw, err := w.look(key)
		for _, text := range texts {
			if err == nil && strings.Contains(string(raw), text) {
				w.Errorf("%s has %q in it, which is not everybody's business", key, text)
			}
		}
	}
}

// TestWhatIsToldIsForEverybody: neither secrets nor paths nor other buckets are in it,
// whatever fails and however much the error says.
func TestWhatIsToldIsForEverybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	server := s3test.Start(t)
	one, two := w.cloud(server), w.cloud(server)
	maps.Copy(w.env, map[string]string{
		"GITHUB_SERVER_URL": "https://github.example", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7",
		"INPUT_UPSTREAM-USER": "joe", "INPUT_UPSTREAM-PASSWORD": "hunter2hunter2",
	})
	args := append(w.bucketArgs(one.address(), two.address()+"&public-url=https://two.example/mirror"), "--files-repository", w.files())
	w.fill(CodeDone, args...)
	two.Hook = func(out http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/package/") {
			http.Error(out, "no: "+r.URL.String(), http.StatusInternalServerError)
			return true
		}
		return false
	}
	w.grow()
	w.fill(CodeError, args...)
	secrets := []string{w.dir, "hunter2", "joe", string(w.key[200:260]), w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"], "127.0.0.1:" + strings.Split(one.URL, ":")[2], two.name, one.name}
	w.look = one.look
	w.checkNothingOf(append(secrets, "two.example")...)
	s := w.told()
	if s.Health != status.Good || s.Run.Outcome != "failed" || s.Run.Error != "Another bucket of this mirror could not be brought up to date." {
		t.Errorf("the bucket that is well says %s: %s, %+v", s.Health, s.Sentence, s.Run)
	}
	if s.Run.URL != "https://github.example/o/r/actions/runs/7" || s.PublicURL != "https://mirror.example/hackage" || s.Repositories[0].Address != "" || len(s.Repositories[0].Commit) != 40 {
		t.Errorf("it says %+v, %q, %+v", s.Run, s.PublicURL, s.Repositories)
	}
	w.look = two.look
	w.checkNothingOf(secrets...)
	s = w.told()
	if s.Health != status.Failed || s.Sentence != "Not up to date: this bucket could not be brought up to date." || s.Index.Behind <= 0 || s.PublicURL != "https://two.example/mirror" {
		t.Errorf("the bucket that failed says %s: %s, %+v at %q", s.Health, s.Sentence, s.Index, s.PublicURL)
	}
}

// TestStatusThatIsNone is begun anew, whoever wrote it, and never makes a run fail.
func TestStatusThatIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	now := w.at()
	args := w.bucketArgs(w.bucket())
	w.fill(CodeDone, args...)
	*now = now.Add(time.Hour)
	w.fill(CodeDone, args...) // so that the state says what was told
	good := w.told()
	hostile := fmt.Sprintf(`{"version":1,"tool":%q,"checked":"9999-12-31T23:59:59Z","changed":"9999-12-31T23:59:59Z","index":{"length":%d},
		"holds":{"packages":9223372036854775807,"releases":9223372036854775807,"revisions":1,"bytes":9223372036854775807},
		"days":[{"day":"9999-01-01","releases":1},{"day":"<b>","releases":1},{"day":"2026-01-05","releases":-5,"revisions":9223372036854775807}],
		"recent":[{"package":"../etc","version":"1"},{"package":"a","version":"<script>"},{"package":"a","version":"1","time":"9999-12-31T23:59:59Z"},
		{"package":"a","version":"1","revision":-1},{"package":"a","version":"1","bytes":-1}],"expiries":[{"of":"<script>"},{"of":"root.json","when":"9999-12-31T23:59:59Z"}]}`,
		good.Tool, good.Index.Length)
	for name, raw := range map[string]string{
		"garbage": "\x00<html>", "empty": "", "2 MB": strings.Repeat("[", 2<<20), "another version": `{"version":2}`, "hostile": hostile,
		"beyond numbers": `{"version":1,"holds":{"bytes":99999999999999999999999}}`, "beyond times": `{"version":1,"checked":"99999-01-01T00:00:00Z"}`,
	} {
		writeFile(t, filepath.Join(w.bucket(), status.Key), []byte(raw))
		*now = now.Add(time.Hour)
		w.says(w.fill(CodeDone, args...), "nothing new")
		s := w.told()
		if s.Health != status.Good || s.Holds.Bytes != -1 || len(s.Recent)+len(s.Days) != 0 || !s.Checked.Equal(*now) || !s.Changed.IsZero() {
			t.Errorf("%s: it says %s", name, s.JSON())
		}
		w.normalStatus()
	}
	w.hackage.Upload("later", "1", nil, nil) // so the whole index is read
	w.fill(CodeDone, args...)
	w.checkHolds(w.told(), "later")
}

// TestKilledBeforeItTold: the set is published and people were told nothing of it, or
// some of it. The next run tells them all.
func TestKilledBeforeItTold(t *testing.T) {
	t.Parallel()
	for at, after := range map[string]string{"index.html": "timestamp.json", "status.json": "timestamp.json"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Wide(200<<10))
			c := w.cloud(s3test.Start(t))
			w.look = c.look
			args := w.bucketArgs(c.address())
			w.fill(CodeDone, args...)
			w.grow()
			stopped, published := false, false
			c.Hook = func(out http.ResponseWriter, r *http.Request) bool {
				key := strings.TrimPrefix(r.URL.Path, "/"+c.name+"/")
				stopped = stopped || r.Method == http.MethodPut && published && key == at
				published = published || r.Method == http.MethodPut && key == after
				if stopped {
					http.Error(out, "", http.StatusForbidden)
				}
				return stopped
			}
			said := w.fill(CodeDone, args...)
			c.Hook = nil
			w.server.Forget()
			if !stopped || strings.Count(said, "could not be written") != 1 {
				t.Errorf("stopped %v: it says\n%s", stopped, said)
			}
			w.says(w.fill(CodeDone, args...), "nothing new")
			s := w.told()
			if s.Holds.Packages++; s.Index.Length > 0 { // which only a reading of the whole index counts
				w.checkHolds(s, at)
			}
			w.normalStatus()
			for _, r := range w.server.Requests("/01-index") {
				if r.Status == http.StatusOK {
					t.Errorf("all of %s was read, %d bytes", r.Path, r.Bytes)
				}
			}
			if s.Recent[0].Package != "new" || s.Recent[0].Version != "1.1" || s.Recent[1].Revision != 2 || s.Index.Length == 0 {
				t.Errorf("the newest are %+v", s.Recent[:3])
			}
			c.Reset()
			w.fill(CodeDone, args...)
			if spent := c.Counts(); !maps.Equal(spent, map[string]int{"GET": 2}) {
				t.Errorf("then a quiet run made the requests %v", spent)
			}
		})
	}
}

// TestStoreThatTakesNoPage: it is said once in a run, changes no exit code, and is
// tried again in the next hour only.
func TestStoreThatTakesNoPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	now := w.at()
	c := w.cloud(s3test.Start(t))
	args := w.bucketArgs(c.address())
	c.Hook = func(out http.ResponseWriter, r *http.Request) bool {
		refused := r.Method == http.MethodPut && slices.Contains(tellsPeople, strings.TrimPrefix(r.URL.Path, "/"+c.name+"/"))
		if refused {
			http.Error(out, "", http.StatusForbidden)
		}
		return refused
	}
	for _, hour := range []int{0, 1} {
		*now = now.Add(time.Duration(hour) * time.Hour)
		if n := strings.Count(w.fill(CodeDone, args...), "could not be written"); n != 1 {
			t.Errorf("it is said %d times", n)
		}
		c.Reset()
		w.fill(CodeDone, args...)
		if spent := c.Counts(); !maps.Equal(spent, map[string]int{"GET": 1}) {
			t.Errorf("a quiet run within the hour made the requests %v", spent)
		}
	}
	w.check(c.look)
}

// TestShardsTellNothing: each fills a part, and the job that gathers them tells.
func TestShardsTellNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	args := w.bucketArgs(w.bucket())
	for _, shard := range []string{"1/2", "2/2"} {
		w.fill(CodeDone, append(args, "--shard", shard)...)
		for _, key := range tellsPeople {
			if _, err := os.Stat(filepath.Join(w.bucket(), key)); err == nil {
				t.Errorf("shard %s put %q", shard, key)
			}
		}
	}
	w.fill(CodeDone, append(args, "--shard", "0/2")...)
	w.checkHolds(w.told(), "gathered")
}

// TestBucketOfAnotherIndexIsToldOf: beside one that is well, and by nothing of the
// index that it does not have.
func TestBucketOfAnotherIndexIsToldOf(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	other := h.Clone()
	w, second := newWorld(t, h), newWorld(t, other)
	for version := range 9 {
		other.Upload("elsewhere", fmt.Sprint(version), nil, nil)
		h.Revise("alpha", "0.2", fmt.Appendf(nil, "name: alpha\nversion: 0.2\nx-revision: %d\n", version+1))
	}
	second.fill(CodeDone, second.bucketArgs(second.bucket())...)
	before := second.told()
	w.fill(CodeDone, w.bucketArgs(w.bucket())...)
	w.hackage.Upload("later", "1", nil, nil)
	w.fill(CodeError, w.bucketArgs(w.bucket(), second.bucket())...)
	w.checkHolds(w.told(), "the one that is well")
	s := second.told()
	if s.Health != status.Failed || !strings.Contains(s.Sentence, "does not go on from the one that this mirror has") || s.Index.Length != before.Index.Length {
		t.Errorf("it says %s: %s", s.Health, s.Sentence)
	}
	if !reflect.DeepEqual(s.Recent, before.Recent) || s.Holds != before.Holds {
		t.Errorf("it tells of another index: %+v", s.Holds)
	}
}

// TestLongIndexIsToldInShort: of many more releases than are listed, only so many are
// held.
func TestLongIndexIsToldInShort(t *testing.T) {
	t.Parallel()
	h := hackagetest.New(hackagetest.Options{})
	for i := range 450 {
		h.Upload("many", fmt.Sprint(i), nil, nil)
	}
	w := newWorld(t, h)
	now := w.at()
	*now = now.Add(24 * time.Hour)
	w.fill(CodeDone, w.bucketArgs(w.bucket())...)
	s := w.told()
	w.checkHolds(s, "long")
	if len(s.Recent) != status.MaxRecent || s.Recent[0].Version != "449" || s.Recent[199].Version != "250" || s.Days[0].Releases != 450 {
		t.Errorf("it lists %d of %+v", len(s.Recent), s.Days)
	}
}
