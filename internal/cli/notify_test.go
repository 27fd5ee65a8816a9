package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// A note is what a chat, and a program, read of what it is told.
type note struct {
	Text, Content, Before, Health, Sentence string
	Run                                     struct{ Outcome, Error, URL string }
	Index                                   struct {
		State string
		Lag   int64 `json:"lag-seconds"`
	}
	Mentions struct{ Parse []string } `json:"allowed_mentions"`
}

// notes returns what was told since the last call.
func (s *outside) notes(t *testing.T) []note {
	t.Helper()
	_, bodies := s.heard()
	all := make([]note, len(bodies))
	for i, body := range bodies {
		if err := json.Unmarshal([]byte(body), &all[i]); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
	}
	return all
}

// TestNotesWithoutABucket: there is no former state, so each failed run is told of.
func TestNotesWithoutABucket(t *testing.T) {
	t.Parallel()
	s := newOutside(t, nil)
	w := newWorld(t, hackagetest.Small())
	w.env["HACKAGE_MIRROR_NOTIFY_URL"] = s.URL + pingPath
	run := func(code int, more ...string) {
		t.Helper()
		if got, said := w.run(append(append(w.upstreamArgs(), "--files-repository", w.files()), more...)...); got != code {
			t.Fatalf("exit code %d:\n%s", got, said)
		}
	}
	run(CodeDone)
	run(CodeDone)
	w.server.Fault("/timestamp.json", hackagetest.Status(http.StatusForbidden))
	run(CodeError, "--dry-run")
	if got := s.notes(t); len(got) > 0 {
		t.Errorf("told %+v", got)
	}
	run(CodeError)
	run(CodeUsage, "--nonsense")
	got := s.notes(t)
	if len(got) != 2 || got[0].Health != "failed" || got[0].Before != "" || got[0].Text != got[0].Content || got[0].Mentions.Parse == nil ||
		!strings.HasPrefix(got[0].Text, "Hackage mirror: failed. ") || !strings.Contains(got[0].Run.Error, "403") || !strings.Contains(got[1].Text, "nonsense") {
		t.Errorf("told %+v", got)
	}
}

// told checks what was told since the last call: the states, and what they were.
func (s *outside) told(t *testing.T, want ...string) (all []note) {
	t.Helper()
	got, all := []string{}, s.notes(t)
	for _, n := range all {
		got = append(got, n.Before+" "+n.Health)
	}
	if !slices.Equal(got, append([]string{}, want...)) {
		t.Errorf("told %q, want %q", got, want)
	}
	return all
}

// TestEachChangeIsToldOnce, also of runs that cannot read upstream.
func TestEachChangeIsToldOnce(t *testing.T) {
	t.Parallel()
	s := newOutside(t, nil)
	w := newWorld(t, hackagetest.Small())
	w.env["HACKAGE_MIRROR_NOTIFY_URL"] = s.URL + pingPath
	down := func() { w.server.Fault("/timestamp.json", hackagetest.Status(http.StatusForbidden)) }
	twice := func(code int, want ...string) {
		t.Helper()
		w.sync(code)
		s.told(t, want...)
		w.sync(code)
		s.told(t)
	}
	down()
	w.sync(CodeError) // there is no bucket yet to remember anything
	s.told(t, " failed")
	w.server.Heal()
	twice(CodeDone)
	down()
	w.sync(CodeError, "--dry-run")
	s.told(t)
	twice(CodeError, "good failed")
	w.server.Heal()
	w.hackage.Upload("new", "1.0", nil, nil)
	w.server.Fault("/package/new-1.0.tar.gz", hackagetest.Corrupt(7))
	w.sync(CodeDegraded)
	if got := s.told(t, "failed look"); got[0].Index.Lag <= 0 || got[0].Index.State == "" {
		t.Errorf("told %+v", got)
	}
	twice(CodeDegraded)
	down()
	twice(CodeError, "look failed")
	w.server.Heal()
	twice(CodeDone, "failed good")
	w.checkAll()
}

// TestChangeThatNobodyTook is told again by the next run.
func TestChangeThatNobodyTook(t *testing.T) {
	t.Parallel()
	s := newOutside(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	w := newWorld(t, hackagetest.Small())
	w.env["HACKAGE_MIRROR_NOTIFY_URL"] = s.URL + pingPath
	w.sync(CodeDone)
	w.server.Fault("/timestamp.json", hackagetest.Status(http.StatusForbidden))
	w.says(w.sync(CodeError), `notify-url was not told that the state is now "failed": the answer is 502 Bad Gateway`)
	s.told(t, "good failed")
	other := newOutside(t, nil)
	w.env["HACKAGE_MIRROR_NOTIFY_URL"] += "," + other.URL + pingPath
	w.sync(CodeError)
	s.told(t, "good failed")
	other.told(t, "good failed")
	w.sync(CodeError)
	s.told(t)
	other.told(t)
}

// TestChangesOfSeveralBuckets: one of them that is away is a failure that is told
// once, and so is its return.
func TestChangesOfSeveralBuckets(t *testing.T) {
	t.Parallel()
	for name, order := range map[string]func(first, second string) []string{
		"the first":  func(away, here string) []string { return []string{"--bucket", away, "--bucket", here} },
		"the second": func(away, here string) []string { return []string{"--bucket", here, "--bucket", away} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOutside(t, nil)
			w := newWorld(t, hackagetest.Small())
			w.env["HACKAGE_MIRROR_NOTIFY_URL"] = s.URL + pingPath
			away := filepath.Join(w.path("away"), "bucket")
			run := func(code int, want ...string) {
				t.Helper()
				if got, said := w.run(append(w.upstreamArgs(), order(away, w.bucket())...)...); got != code {
					t.Fatalf("exit code %d, want %d:\n%s", got, code, said)
				}
				s.told(t, want...)
			}
			run(CodeDone)
			if err := os.Rename(w.path("away"), w.path("kept")); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(w.path("away"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			run(CodeError, "good failed")
			run(CodeError)
			if err := os.Remove(w.path("away")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(w.path("kept"), w.path("away")); err != nil {
				t.Fatal(err)
			}
			run(CodeDone, "failed good")
			run(CodeDone)
		})
	}
}
