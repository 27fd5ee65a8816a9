package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// parseOutputs reads a file of outputs as the runner does.
func parseOutputs(t *testing.T, content string) map[string]string {
	t.Helper()
	out := map[string]string{}
	lines := strings.Split(strings.TrimSuffix(content, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		name, mark, ok := strings.Cut(lines[i], "<<")
		if !ok {
			t.Fatalf("line %d is none that begins an output: %q", i+1, lines[i])
		}
		var value []string
		for i++; i < len(lines) && lines[i] != mark; i++ {
			value = append(value, lines[i])
		}
		if i == len(lines) {
			t.Fatalf("output %q has no end", name)
		}
		if _, twice := out[name]; twice {
			t.Fatalf("output %q is there twice", name)
		}
		out[name] = strings.Join(value, "\n")
	}
	return out
}

// readOutputs writes the files of a run and returns what the runner reads.
func writeFiles(t *testing.T, r *Run) (outputs map[string]string, summary string) {
	t.Helper()
	dir := t.TempDir()
	env := map[string]string{"GITHUB_OUTPUT": filepath.Join(dir, "output"), "GITHUB_STEP_SUMMARY": filepath.Join(dir, "summary")}
	if err := r.WriteFiles(func(name string) string { return env[name] }); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		raw, err := os.ReadFile(env[name])
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	return parseOutputs(t, read("GITHUB_OUTPUT")), read("GITHUB_STEP_SUMMARY")
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	got, _ := writeFiles(t, daily(t))
	for name, want := range map[string]string{
		"changed": "true", "index-state": "2026-11-22T06:00:05Z", "index-length": "932483072", "releases": "14", "revisions": "21", "bytes": "4813120",
		"files-commit": "6fb8fa3a2c0f7f9d2d7a1f4be6f1f1b5e2a7c9d1", "hashes-commit": "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", "pending": "4",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if len(got) != len(Outputs()) || !strings.HasPrefix(got["summary-json"], `{"tool":"hackage-mirror v1.2.3",`) {
		t.Errorf("outputs %v", got)
	}
	got, _ = writeFiles(t, failed())
	for name, want := range map[string]string{"changed": "false", "index-state": "", "index-length": "0", "files-commit": "", "pending": "0"} {
		if got[name] != want {
			t.Errorf("after a run that failed %s is %q, want %q", name, got[name], want)
		}
	}
}

// A value that is a form of output itself stays a value.
func TestOutputsCannotBeForged(t *testing.T) {
	t.Parallel()
	r := daily(t)
	r.Destinations[1].Commit = "abc\nend_known\nchanged<<x\nforged\nx"
	draws := 0
	content := r.outputs(func() string {
		// Somebody knew the first marks beforehand.
		if draws++; draws < 20 {
			return "known"
		}
		return fmt.Sprint("unknown", draws)
	})
	got := parseOutputs(t, content)
	if got["files-commit"] != r.Destinations[1].Commit {
		t.Errorf("the value became %q", got["files-commit"])
	}
	if got["changed"] != "true" || len(got) != len(Outputs()) {
		t.Errorf("outputs were forged: %q", got)
	}
	hostile, _ := writeFiles(t, hostile())
	if len(hostile) != len(Outputs()) || hostile["changed"] != "true" || hostile["files-commit"] != attack {
		t.Errorf("outputs of an attack: %q", hostile)
	}
}

func TestMarksAreNotTheSameTwice(t *testing.T) {
	t.Parallel()
	marks := map[string]bool{}
	for range 2 {
		content, _ := writeFilesRaw(t, quiet())
		for line := range strings.Lines(content) {
			if _, mark, ok := strings.Cut(strings.TrimSpace(line), "<<end_"); ok {
				if len(mark) < 20 || marks[mark] {
					t.Errorf("mark %q can be guessed", mark)
				}
				marks[mark] = true
			}
		}
	}
	if len(marks) != 2*len(Outputs()) {
		t.Errorf("%d marks", len(marks))
	}
}

func writeFilesRaw(t *testing.T, r *Run) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "output")
	if err := r.WriteFiles(func(name string) string { return map[string]string{"GITHUB_OUTPUT": path}[name] }); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	return string(raw), err
}

func TestFilesAreAppendedTo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "summary")
	if err := os.WriteFile(path, []byte("# before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := func(name string) string { return map[string]string{"GITHUB_STEP_SUMMARY": path}[name] }
	for range 2 {
		if err := quiet().WriteFiles(env); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(raw); !strings.HasPrefix(got, "# before\n## ✅") || strings.Count(got, "## ✅") != 2 {
		t.Errorf("the file holds:\n%s", got)
	}
}

func TestNobodyWantsFiles(t *testing.T) {
	t.Parallel()
	if WantsFiles(nowhere) {
		t.Error("files are wanted")
	}
	if err := daily(t).WriteFiles(nowhere); err != nil {
		t.Error(err)
	}
}

func TestFileThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "no", "such", "folder")
	err := quiet().WriteFiles(func(name string) string { return missing })
	if err == nil || !strings.Contains(err.Error(), "GITHUB_OUTPUT") || !strings.Contains(err.Error(), "GITHUB_STEP_SUMMARY") {
		t.Errorf("error %v, want one that names both variables", err)
	}
}
