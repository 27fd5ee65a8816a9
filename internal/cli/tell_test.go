package cli

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// onGitHub makes the world's runs those of a runner, which reads files
// afterwards.
func (w *world) onGitHub() {
	w.Helper()
	w.env["GITHUB_ACTIONS"], w.env["HACKAGE_MIRROR_ACTION"] = "true", "true"
	w.env["GITHUB_SERVER_URL"] = "https://github.com"
	w.env["GITHUB_OUTPUT"] = w.path("github-output")
	w.env["GITHUB_STEP_SUMMARY"] = w.path("github-summary")
}

// afterStep returns what the runner reads after a step, and takes it away.
func (w *world) afterStep() (outputs map[string]string, summary string) {
	w.Helper()
	take := func(variable string) string {
		raw, err := os.ReadFile(w.env[variable])
		if err != nil {
			w.Fatal(err)
		}
		if err := os.Remove(w.env[variable]); err != nil {
			w.Fatal(err)
		}
		return string(raw)
	}
	return readOutputs(w.T, take("GITHUB_OUTPUT")), take("GITHUB_STEP_SUMMARY")
}

// readOutputs reads a file of outputs, of which each value has one line.
func readOutputs(t *testing.T, content string) map[string]string {
	t.Helper()
	outputs, lines := map[string]string{}, strings.Split(content, "\n")
	for i := 0; i+2 < len(lines); i += 3 {
		name, mark, ok := strings.Cut(lines[i], "<<")
		if !ok || lines[i+2] != mark {
			t.Fatalf("no output: %q", lines[i:i+3])
		}
		outputs[name] = lines[i+1]
	}
	return outputs
}

// holds says what outputs must be.
func (w *world) holds(outputs map[string]string, want map[string]string) {
	w.Helper()
	for name, value := range want {
		if outputs[name] != value {
			w.Errorf("output %s is %q, want %q", name, outputs[name], value)
		}
	}
	if len(outputs) != 10 {
		w.Errorf("%d outputs, want 10: %v", len(outputs), outputs)
	}
}

func TestRunnerHearsWhatWasDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.onGitHub()
	g := w.hackage.Generation()
	said := w.sync(CodeDone)
	outputs, summary := w.afterStep()
	w.holds(outputs, map[string]string{
		"changed": "true", "releases": fmt.Sprint(len(g.Releases())), "pending": "0",
		"files-commit":  strings.TrimSpace(w.git(w.files(), "rev-parse", "hackage")),
		"hashes-commit": strings.TrimSpace(w.git(w.hashes(), "rev-parse", "hackage")),
	})
	var facts struct {
		Outcome      string
		New          []struct{ Release, Time string }
		Destinations []struct{ Kind string }
		Phases       []struct{ Name string }
	}
	if err := json.Unmarshal([]byte(outputs["summary-json"]), &facts); err != nil {
		t.Fatal(err)
	}
	if facts.Outcome != "done" || len(facts.New) != len(g.Releases()) || facts.New[0].Time == "" || len(facts.Destinations) != 3 {
		t.Errorf("summary-json: %+v", facts)
	}
	var phases []string
	for _, p := range facts.Phases {
		phases = append(phases, p.Name)
	}
	if got := strings.Join(phases[:6], " "); got != "opening states metadata index permissions tarballs" || len(phases) != 8 {
		t.Errorf("phases %q", phases)
	}
	w.says(summary, "## ✅ Hackage mirror: up to date", "The mirror has Hackage as of **", "**Expires**: ", "/package/alpha-0.2\">", "**For readers**: address ", "signing key <code>")
	checkLog(t, said, 0) // of phases without a line of their own

	said = w.sync(CodeDone)
	outputs, summary = w.afterStep()
	w.holds(outputs, map[string]string{"changed": "false", "releases": "0", "revisions": "0", "bytes": "0", "files-commit": "", "hashes-commit": ""})
	w.says(summary, "## ✅ Hackage mirror: up to date", "Nothing new came, in ")
	checkLog(t, said, 0)

	w.hackage.Upload("new", "1.0", nil, nil)
	checkLog(t, w.sync(CodeDone, "--verbose"), 1)
}

// checkLog fails unless the commands in a log are as they should be: masks
// before anything else, and groups that begin and end.
func checkLog(t *testing.T, said string, groups int) {
	t.Helper()
	_, log, ok := strings.Cut(said, "::add-mask::")
	if !ok {
		t.Fatalf("nothing is masked:\n%s", said)
	}
	open, talking := "", false
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "::add-mask::"):
			if talking {
				t.Errorf("%q comes after other lines", line)
			}
		case strings.HasPrefix(line, "::group::"):
			if open != "" {
				t.Errorf("%s within %s", line, open)
			}
			open = line
		case line == "::endgroup::":
			if open == "" {
				t.Error("a group ends that did not begin")
			}
			open = ""
		case strings.HasPrefix(line, "::warning title=hackage-mirror::upstream is read over http"):
			talking = true
		case strings.HasPrefix(line, "::"):
			t.Errorf("what is this: %q", line)
		default:
			talking = talking || strings.Contains(line, " ") // the rest of the first mask has none
		}
	}
	if open != "" || strings.Count(log, "::group::") != groups {
		t.Errorf("the log has not %d groups, or %q does not end:\n%s", groups, open, log)
	}
}

func TestRunnerHearsOfFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.onGitHub()
	w.server.Fault("/timestamp.json", hackagetest.Status(404))
	said := w.sync(CodeError)
	outputs, summary := w.afterStep()
	w.holds(outputs, map[string]string{"changed": "false", "index-state": "", "releases": "0"})
	w.says(summary, "## ❌ Hackage mirror: failed", "- ❌ <code>upstream ", "nothing was changed", "left as it was")
	w.says(said, "\n::error title=hackage-mirror::upstream ")
	w.says(outputs["summary-json"], `"outcome":"failed"`, `"error":"upstream`)
}

func TestRunnerHearsOfEachDestinationThatFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.onGitHub()
	var more []string
	for i := range 12 {
		path := w.path(fmt.Sprintf("file%d", i))
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		more = append(more, "--bucket", path)
	}
	said := w.sync(CodeError, more...)
	_, summary := w.afterStep()
	if got := strings.Count(said, "\n::error title=hackage-mirror::bucket "); got != 10 {
		t.Errorf("%d errors are shown, want 10:\n%s", got, said)
	}
	if got := strings.Count(said, "\nhackage-mirror: bucket "); got != 2 {
		t.Errorf("%d errors are only in the log, want 2:\n%s", got, said)
	}
	if got := strings.Count(summary, "- ❌ "); got != 12 {
		t.Errorf("the summary has %d of 12 errors", got)
	}
	w.says(summary, "## ❌ Hackage mirror: 12 of 15 destinations failed")
}

func TestRunnerHearsOfWhatNeedsAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.onGitHub()
	w.hackage.SetExpiry(hackagetest.Root, time.Now().Add(10*24*time.Hour))
	w.server.Fault("/package/alpha-0.2.tar.gz", hackagetest.Corrupt(0))
	said := w.sync(CodeDegraded)
	outputs, summary := w.afterStep()
	w.holds(outputs, map[string]string{"changed": "true", "pending": "1"})
	w.says(said, "\n::warning title=hackage-mirror::upstream's root.json expires in 9 days, at", "\n::warning title=hackage-mirror::up to date, but look at this: alpha-0.2: ")
	w.says(summary, "## ⚠️ Hackage mirror: up to date, but look at this", "### What needs you", "alpha-0&#46;2</code></a>: upstream has bytes", "expires in 9 days, ", "clients refuse it")
}

func TestTimeLimitIsInTheOutputs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, longHackage())
	w.onGitHub()
	w.batch = 3
	w.timeUpAt(1)
	left := len(w.hackage.Generation().Releases()) - 3
	w.sync(CodeDone, "--time-limit", "1h")
	outputs, summary := w.afterStep()
	w.holds(outputs, map[string]string{
		"changed": "true", "releases": "3",
		"pending": fmt.Sprint(left),
	})
	w.says(summary, fmt.Sprintf("**Still to come**: %d releases, because the time limit was reached.", left))
}

func TestDryRunIsToldAsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.onGitHub()
	w.sync(CodeDone, "--dry-run")
	outputs, summary := w.afterStep()
	w.holds(outputs, map[string]string{"changed": "false", "releases": fmt.Sprint(len(w.hackage.Generation().Releases())), "pending": "0"})
	w.says(summary, "dry run, nothing was written", " would come", "alpha-0.2")
}

func TestJSONGoesToStandardOutput(t *testing.T) {
	t.Parallel()
	for name, onGitHub := range map[string]bool{"on GitHub": true, "elsewhere": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			if onGitHub {
				w.onGitHub()
			}
			for _, want := range []string{"done", "failed"} {
				code, said := w.run(w.args("--json")...)
				decoder := json.NewDecoder(strings.NewReader(said)) // what standard error says comes after
				var facts struct {
					Outcome string
					New     []struct{ Time string }
				}
				if err := decoder.Decode(&facts); err != nil || facts.Outcome != want || (code == CodeDone) != (want == "done") {
					t.Fatalf("exit code %d, outcome %q, %v:\n%s", code, facts.Outcome, err, said)
				}
				if want == "done" && facts.New[0].Time == "" {
					t.Error("the releases have no times")
				}
				if strings.Contains(said, "\ndone: ") {
					t.Error("there is text as well")
				}
				w.server.Fault("/timestamp.json", hackagetest.Status(404))
			}
		})
	}
}

// A step's files that are not there must not be made up.
func TestNothingForARunnerThatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	said := w.sync(CodeDone)
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "::") {
			t.Errorf("a command for nobody: %q", line)
		}
	}
	for _, name := range there(t, w.dir) {
		if name != "bucket" && name != "files.git" && name != "hashes.git" {
			t.Errorf("the run made %q", name)
		}
	}
}

func TestFileOfTheRunnerThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.onGitHub()
	w.env["GITHUB_OUTPUT"] = filepath.Join(w.dir, "no", "such", "folder")
	w.says(w.sync(CodeDone), "::warning title=hackage-mirror::open the file of GITHUB_OUTPUT")
	w.checkAll()
}

// there lists a folder.
func there(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := fs.ReadDir(os.DirFS(dir), ".")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, entry := range entries {
		names[entry.Name()] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// The files repository takes no tarballs, but it has new releases all the same.
func TestReleasesOfTheFilesRepositoryAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.onGitHub()
	args := append(w.upstreamArgs(), "--files-repository", w.files())
	for _, run := range []struct {
		more    []string
		changed string
		none    bool
	}{{[]string{"--dry-run"}, "false", false}, {nil, "true", false}, {nil, "false", true}} {
		code, said := w.run(append(args, run.more...)...)
		if code != CodeDone {
			t.Fatalf("exit code %d:\n%s", code, said)
		}
		outputs, summary := w.afterStep()
		w.holds(outputs, map[string]string{"changed": run.changed})
		if (outputs["releases"] == "0") != run.none || strings.Contains(summary, "alpha-0.2") == run.none {
			t.Errorf("%q: %s releases, and the summary says:\n%s", run.more, outputs["releases"], summary)
		}
	}
}

// A git host's words are somebody else's.
func TestWordsOfARemoteAreOnlyText(t *testing.T) {
	t.Parallel()
	needShell(t)
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	w.grow()
	w.onGitHub()
	w.hook(w.files(), "no\n::add-mask::everything\n::error::forged%0A\n##[error]forged\nchanged<<x\nforged\nx\n| <b>bold</b> `code` @octocat\n```")
	said := w.sync(CodeError)
	w.says(said, "add-mask::everything") // as text
	for line := range strings.Lines(said) {
		if strings.HasPrefix(strings.TrimSpace(line), "::add-mask::everything") || strings.HasPrefix(line, "::error::") || strings.Contains(line, "##[") {
			t.Errorf("a forged command: %q", line)
		}
	}
	outputs, summary := w.afterStep()
	w.holds(outputs, map[string]string{"changed": "true", "files-commit": ""})
	if _, table, _ := strings.Cut(summary, "| Destination |"); strings.Contains(summary, "<b>") || strings.Contains(table, "@octocat") || strings.Contains(table, "`code`") {
		t.Errorf("mark-up of somebody else's:\n%s", summary)
	}
}
