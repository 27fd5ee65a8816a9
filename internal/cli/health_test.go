package cli

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// TestAllWaysTellTheSameHealth: the exit code, status.json, the job summary, the calls
// of those who watch from outside, and the command status.
func TestAllWaysTellTheSameHealth(t *testing.T) {
	t.Parallel()
	away := func(w *world) { must(w, os.Rename(w.files(), w.files()+".away"), os.WriteFile(w.files(), nil, 0o600)) }
	for name, test := range map[string]struct {
		spoil    func(w *world) // what there is already
		args     []string
		code     int
		word     status.Word
		headline string
		sees     string // the command status, of the bucket
	}{
		"up to date": {func(*world) {}, nil, CodeDone, status.Good, "✅", "fresh"},
		"mismatch": {func(w *world) {
			w.server.Fault("/package/new-1.0.tar.gz", hackagetest.Corrupt(9))
			w.hackage.Upload("new", "1.0", nil, nil)
		}, nil, CodeDegraded, status.Look, "⚠️", "degraded"},
		"alarm": {func(w *world) {
			foreign := w.git(w.files(), "commit-tree", "-p", "hackage", "-m", "by hand", "hackage^{tree}")
			w.git(w.files(), "update-ref", "refs/heads/hackage", strings.TrimSpace(foreign))
		}, nil, CodeDegraded, status.Look, "⚠️", "degraded"},
		"time limit": {func(w *world) {
			for _, name := range []string{"newa", "newb", "newc", "newd"} {
				w.hackage.Upload(name, "1.0", nil, nil)
			}
			w.timeUpAt(1)
		}, []string{"--time-limit", "1h", "--concurrency", "1"}, CodeDone, status.Filling, "⏳", "filling"},
		"one repository":       {away, nil, CodeError, status.Failed, "❌", "degraded"},
		"upstream unreachable": {func(w *world) { w.server.Fault("/", hackagetest.Status(http.StatusForbidden)) }, nil, CodeError, status.Failed, "❌", "degraded"},
		"expired": {func(w *world) {
			w.hackage.SetExpiry(hackagetest.Timestamp, time.Now().Add(-time.Hour))
			w.hackage.Resign()
		}, nil, CodeError, status.Failed, "❌", "degraded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOutside(t, nil)
			w := newWorld(t, hackagetest.Small())
			w.batch = 1
			w.sync(CodeDone)
			test.spoil(w)
			summary := filepath.Join(w.dir, "summary")
			w.env["GITHUB_STEP_SUMMARY"] = summary
			w.env["HACKAGE_MIRROR_PING_URL"], w.env["HACKAGE_MIRROR_NOTIFY_URL"] = s.URL+pingPath+"/ping", s.URL+pingPath+"/note"
			w.sync(test.code, test.args...)
			w.checkWord(s, test.word)
			raw, err := os.ReadFile(summary)
			if first, _, _ := strings.Cut(string(raw), "\n"); err != nil || !strings.Contains(first, test.headline) {
				t.Errorf("the summary begins with %q, %v", first, err)
			}
			delete(w.env, "GITHUB_STEP_SUMMARY")
			code, said := w.run(w.statusArgs("--stale-after", "9999h")...)
			if (code == CodeDone) != (test.sees == "fresh") || code != CodeDone && code != CodeDegraded || !strings.HasPrefix(said, test.sees+":") {
				t.Errorf("status ends with %d:\n%s", code, said)
			}
		})
	}
}

// statusArgs are those of the command status that looks at the bucket.
func (w *world) statusArgs(more ...string) []string {
	return slices.Concat([]string{"status", w.bucket()}, w.upstreamArgs()[1:], more)
}

// checkWord holds the status and the calls against a word.
func (w *world) checkWord(s *outside, want status.Word) {
	w.Helper()
	if got := w.told(); got.Health != want || (got.Run.Error == "") != (want == status.Good || want == status.Filling) {
		w.Errorf("the status says %q: %s (%s)", got.Health, got.Sentence, got.Run.Error)
	}
	asked, bodies := s.heard()
	end := "/ping"
	if want == status.Failed {
		end = "/ping/fail"
	}
	if !slices.Contains(asked, end) || len(asked) > 3 {
		w.Errorf("the calls are %q", asked)
	}
	note := slices.Index(asked, "/note")
	if (note < 0) != (want == status.Good) || note >= 0 && !strings.Contains(bodies[note], `"health":"`+string(want)+`"`) {
		w.Errorf("the calls are %q, with %q", asked, bodies)
	}
}

// TestFirstFillTellsHowFarItIs, whatever reads it, and is no failure.
func TestFirstFillTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, longHackage())
	w.batch = 5
	l := w.timeUpAt(6)
	args := w.bucketArgs(w.bucket())
	w.fill(CodeDone, append(args, "--time-limit", "1h", "--concurrency", "1")...)
	s := w.told()
	if s.Health != status.Filling || !strings.HasPrefix(s.Sentence, "Filling: ") || !strings.HasSuffix(s.Sentence, " of 30 releases are here; the next run goes on.") || s.Run.Error != "" {
		t.Errorf("it says %s: %s (%s)", s.Health, s.Sentence, s.Run.Error)
	}
	code, said := w.run(w.statusArgs()...)
	if code != CodeDegraded || !strings.HasPrefix(said, "filling: ") || !strings.Contains(strings.Join(strings.Fields(said), " "), s.Sentence) {
		t.Errorf("status ends with %d:\n%s", code, said)
	}
	l.hours.Store(0)
	w.fill(CodeDone, args...)
	w.checkHolds(w.told(), "filled")
	if s := w.told(); s.Health != status.Good || s.Sentence != "Up to date." {
		t.Errorf("then it says %s: %s", s.Health, s.Sentence)
	}
	w.normalStatus()
}
