//go:build unix

package acttest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the repository's folder.
func root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// need returns the path of a program. A test without it is skipped, or fails
// where everything was set up for it.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
			if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
				return path
			}
		}
		unable(t, program+" is not installed; script/bootstrap installs it")
	}
	return path
}

func unable(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// toolbox makes a folder for PATH that has these programs and nothing else.
func toolbox(t testing.TB, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range programs {
		if err := os.Symlink(need(t, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// standIn puts a script in the place of a program.
func standIn(t testing.TB, dir, name, script string) {
	t.Helper()
	write(t, filepath.Join(dir, name), "#!/usr/bin/env bash\n"+script, 0o755)
}

func write(t testing.TB, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// run runs a program with just these variables and returns all it said.
func run(t testing.TB, dir string, env []string, program string, args ...string) (code int, said string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", program, err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// must runs a program that has to succeed.
func must(t testing.TB, dir string, env []string, program string, args ...string) string {
	t.Helper()
	code, said := run(t, dir, env, program, args...)
	if code != 0 {
		t.Fatalf("%s %q: exit code %d:\n%s", program, args, code, said)
	}
	return said
}

// environment is the process's own, but for what the runner or the user of a
// test's machine may have set, and then these variables.
func environment(more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		for _, prefix := range []string{"GITHUB_", "RUNNER_", "INPUT_", "GIT_", "AWS_", "GH_", "HACKAGE_MIRROR_", "CURL_HOME"} {
			if strings.HasPrefix(variable, prefix) {
				return true
			}
		}
		return false
	})
	return append(env, more...)
}

// says fails the test unless a text has every part.
func says(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("it does not say %q:\n%s", part, text)
		}
	}
}
