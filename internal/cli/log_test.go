package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

func TestLogFormats(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC) }
	for format, want := range map[string]string{
		"plain": "index: 0 seconds\nhackage-mirror: warning: w\nhackage-mirror: e\n::group::x\n",
		"text": "2026-11-22T06:00:00Z index: 0 seconds\n2026-11-22T06:00:00Z hackage-mirror: warning: w\n" +
			"2026-11-22T06:00:00Z hackage-mirror: e\n::group::x\n",
		"json": `{"time":"2026-11-22T06:00:00Z","level":"info","message":"index: 0 seconds"}` + "\n" +
			`{"time":"2026-11-22T06:00:00Z","level":"warning","message":"w"}` + "\n" +
			`{"time":"2026-11-22T06:00:00Z","level":"error","message":"e"}` + "\n::group::x\n",
	} {
		var out bytes.Buffer
		l := &logWriter{w: &out, now: now}
		l.set(format)
		for _, part := range []string{"index: ", "0 seconds\nhackage-mirror: warning: w\n", "hackage-mirror: e\n::group::x\n"} {
			if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
				t.Errorf("%s: %d, %v", format, n, err)
			}
		}
		if out.String() != want {
			t.Errorf("%s is\n%s", format, &out)
		}
	}
}

// Every line of a run's log is JSON, also that of its error.
func TestLogOfARunIsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.server.Fault("/"+alpha().TarballKey(), hackagetest.Corrupt(1))
	variables := map[string]string{"PATH": os.Getenv("PATH"), "HOME": w.dir, "INPUT_LOG_FORMAT": "json"}
	env, stdout, stderr := testEnv(variables)
	env.tune, env.Now = hasty, time.Now
	code := Main(t.Context(), append(w.upstreamArgs(), "--bucket", w.bucket(), "--verbose"), env)
	for line := range strings.Lines(stdout.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("the result has the line %q", line)
		}
	}
	if code != CodeDegraded || strings.Count(stderr.String(), "\n") < 5 {
		t.Fatalf("exit code %d:\n%s", code, stderr)
	}
	levels := map[string]int{}
	for line := range strings.Lines(stderr.String()) {
		var form struct{ Time, Level, Message string }
		if err := json.Unmarshal([]byte(line), &form); err != nil || form.Message == "" || form.Time == "" {
			t.Errorf("%q: %v", line, err)
		}
		levels[form.Level]++
	}
	if levels["warning"] < 2 || levels["info"] < 3 {
		t.Errorf("levels: %v", levels)
	}
}

// A destination that cannot be written is found out before the first tarball.
func TestWhatCannotBeWrittenIsToldFirst(t *testing.T) {
	t.Parallel()
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, hackagetest.Small())
		if err := os.MkdirAll(w.bucket(), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(w.bucket(), ".hackage-mirror"), []byte("a file"))
		code, said := w.run(append(w.upstreamArgs(), "--bucket", w.bucket())...)
		if n := w.server.Count("/package/"); code != CodeError || n != 0 {
			t.Errorf("exit code %d, %d tarballs:\n%s", code, n, said)
		}
		w.says(said, ": failed: ", "it is not a folder; remove it")
	})
	t.Run("repository", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, hackagetest.Small())
		host := w.tokenHost()
		host.readOnly.Store(true)
		w.over(host.URL)
		w.env["INPUT_TOKEN"] = hostToken
		code, said := w.run(append(w.upstreamArgs(), "--hashes-repository", host.URL+"/hashes.git")...)
		if n := w.server.Count("/package/"); code != CodeError || n != 0 {
			t.Errorf("exit code %d, %d tarballs:\n%s", code, n, said)
		}
		w.says(said, "no permission to write")
		host.readOnly.Store(false)
		if code, said = w.run(append(w.upstreamArgs(), "--hashes-repository", host.URL+"/hashes.git")...); code != CodeDone {
			t.Errorf("exit code %d:\n%s", code, said)
		}
	})
}

// A dry run says where the destinations are, which its outputs say too, and names
// releases if it is asked to.
func TestDryRunTellsOfTheDestinations(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	w := newWorld(t, h)
	w.says(w.sync(CodeDone, "--dry-run"), "which is empty")
	w.sync(CodeDone)
	at := w.position(w.look)
	h.Upload("new", "1.0", nil, nil)
	w.onGitHub()
	said := w.sync(CodeDone, "--dry-run", "--verbose")
	w.says(said, "a run would bring: 1 release, 0 revisions, ", "would bring        new-1.0, ", "new for it, which is at index-state 20")
	outputs, _ := w.afterStep()
	if outputs["index-length"] != at {
		t.Errorf("index-length is %s, and the destinations are at %s", outputs["index-length"], at)
	}
}
