//go:build unix

package acttest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// runnerFiles returns what a runner reads in this repository, by name.
func runnerFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{"action.yml", "docs/probe.yml"} {
		files[name] = read(t, filepath.Join(root(t), name))
	}
	err := fs.WalkDir(os.DirFS(root(t)), ".github", func(name string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(name) == ".yml" {
			files[name] = read(t, filepath.Join(root(t), name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 7 {
		t.Fatalf("found only %d files", len(files))
	}
	return files
}

// Somebody else's action is that of one commit, with its version beside it. Our
// own is what a user writes.
func TestActionsArePinned(t *testing.T) {
	t.Parallel()
	uses := regexp.MustCompile(`(?m)^\s*(?:- )?uses: *(.*)$`)
	pinned := regexp.MustCompile(`^([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+$`)
	pins := map[string]string{}
	found := 0
	for name, text := range runnerFiles(t) {
		for _, match := range uses.FindAllStringSubmatch(text, -1) {
			found++
			if match[1] == "./" || regexp.MustCompile(`^hackage-mirror/hackage-mirror(/\.github/actions/notice)?@v1$`).MatchString(match[1]) {
				continue
			}
			pin := pinned.FindStringSubmatch(match[1])
			if pin == nil {
				t.Errorf("%s uses %q; want it by its commit, with # and its version", name, match[1])
				continue
			}
			if before := pins[pin[1]]; before != "" && before != match[1] {
				t.Errorf("%s uses %q, another file %q", name, match[1], before)
			}
			pins[pin[1]] = match[1]
		}
	}
	if found == 0 {
		t.Error("no uses: was found")
	}
}

// scripts returns what steps run, by indentation.
func scripts(text string) []string {
	var scripts []string
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		at := strings.Index(lines[i], "run: ")
		if at < 0 || strings.Trim(lines[i][:at], " -") != "" {
			continue
		}
		script := lines[i][at+len("run: "):]
		for i+1 < len(lines) && (lines[i+1] == "" || strings.HasPrefix(lines[i+1], strings.Repeat(" ", at+1))) {
			i++
			script += "\n" + lines[i]
		}
		scripts = append(scripts, script)
	}
	return scripts
}

// What a script is given as text it runs, and the runner prints. Values come by
// the environment.
func TestScriptsHoldNoValue(t *testing.T) {
	t.Parallel()
	found := 0
	for name, text := range runnerFiles(t) {
		for _, script := range scripts(text) {
			found++
			if strings.Contains(script, "${{") {
				t.Errorf("%s runs an expression:\n%s", name, script)
			}
		}
	}
	if found < 8 {
		t.Errorf("found only %d scripts", found)
	}
}

// inputs returns the inputs that a workflow gives to our Action, step by step.
func inputs(text string) []map[string]string {
	var steps []map[string]string
	for _, block := range strings.Split(text, "uses: hackage-mirror/hackage-mirror@v1\n")[1:] {
		_, with, _ := strings.Cut(block, "        with:\n")
		step := map[string]string{}
		for line := range strings.Lines(with) {
			name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
			if strings.HasPrefix(name, "#") {
				continue
			}
			if !strings.HasPrefix(line, "          ") || !ok {
				break
			}
			step[name] = value
		}
		steps = append(steps, step)
	}
	return steps
}

// Each option that a user may need can be set without an edit, by a variable or
// secret of its own name.
func TestWorkflowsHandOnTheOptions(t *testing.T) {
	t.Parallel()
	_, declared, _ := strings.Cut(read(t, filepath.Join(root(t), "action.yml")), "\ninputs:\n")
	declared, _, _ = strings.Cut(declared, "\noutputs:\n")
	var options []string
	for _, match := range regexp.MustCompile(`(?m)^  ([a-z0-9-]+):$`).FindAllStringSubmatch(declared, -1) {
		options = append(options, match[1])
	}
	// These mean nothing in a workflow, as the header of mirror.yml says of all that
	// are options of sync, or are for backfill.yml alone.
	never := []string{"command", "install", "json", "log-format", "config", "shard"}
	says(t, read(t, filepath.Join(root(t), ".github", "workflows", "mirror.yml")), "The options "+strings.Join(never[2:5], ", ")+" and\n# "+never[5]+" are not handed on.")
	// These are set by inputs or defaults, and mirror.yml has them all.
	rare := append([]string{"full", "adopt", "accept-rewrite", "watch", "packages", "token", "time-limit", "dry-run", "verbose"}, never...)
	secret := regexp.MustCompile(`^(signing-|.*ssh-key$|.*-password$|(ping|notify)-url$)`)
	for _, file := range []string{"mirror.yml", "backfill.yml"} {
		steps := inputs(read(t, filepath.Join(root(t), ".github", "workflows", file)))
		if len(steps) == 0 {
			t.Errorf("%s does not use the Action", file)
		}
		for _, step := range steps {
			for name, value := range step {
				variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
				want := "${{ vars." + variable + " }}"
				if secret.MatchString(name) {
					want = "${{ secrets." + variable + " }}"
				}
				if !slices.Contains(options, name) {
					t.Errorf("%s gives the input %q, which there is not", file, name)
				} else if !slices.Contains(rare, name) && value != want {
					t.Errorf("%s sets %s to %s, want %s", file, name, value, want)
				}
			}
		}
		full := steps[len(steps)-1]
		for _, option := range options {
			except := never
			if file == "backfill.yml" {
				except = rare
			}
			if _, ok := full[option]; !ok && !slices.Contains(except, option) {
				t.Errorf("%s lacks the option %q", file, option)
			}
		}
	}
}

// A run must never be cut short by another one, and holds no right it does not
// use.
func TestWorkflowsWaitForEachOther(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"mirror.yml", "backfill.yml"} {
		text := read(t, filepath.Join(root(t), ".github", "workflows", file))
		says(t, text, "\npermissions: {}\n", "\n  group: mirror-hackage\n  cancel-in-progress: false\n")
		jobs := strings.Count(text, "\n    runs-on: ")
		if limits := strings.Count(text, "\n    timeout-minutes: "); jobs == 0 || limits != jobs {
			t.Errorf("%s has %d jobs and %d time limits", file, jobs, limits)
		}
	}
}

// Nothing is published that was not tested and built everywhere.
func TestReleaseWaitsForAllTests(t *testing.T) {
	t.Parallel()
	text := read(t, filepath.Join(root(t), ".github", "workflows", "release.yml"))
	says(t, text, "\n  test:\n", "      - run: script/test\n", "\n  again:\n", "\n    needs: [test, again]\n", "\n    environment: release\n")
}

// The program may print masks, which hold the secrets, where the runner reads it
// directly; by this it knows.
func TestActionSaysThatItIsOne(t *testing.T) {
	t.Parallel()
	says(t, read(t, filepath.Join(root(t), "action.yml")), "\n        HACKAGE_MIRROR_ACTION: \"true\"\n", "\n      run: exec \"$GITHUB_ACTION_PATH/script/action-bootstrap\" run\n")
}
