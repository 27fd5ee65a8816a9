//go:build unix

package doctest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/testdata/demo"
)

// wholeRun is the one block that is not run: it would run this test again.
const wholeRun = "script/test\n"

// blocks returns a document's blocks of code in a language.
func blocks(text, language string) []string {
	var all []string
	wanted := regexp.MustCompile("^" + language + "$")
	for _, m := range regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		if wanted.MatchString(m[1]) {
			all = append(all, m[2])
		}
	}
	return all
}

// need returns the path of a program. A test without it is skipped, or fails
// where everything was set up for it.
func need(t *testing.T, program string) string {
	t.Helper()
	found, err := exec.LookPath(program)
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if err != nil {
			found, err = exec.LookPath(filepath.Join(dir, program))
		}
	}
	switch {
	case err == nil:
		return found
	case os.Getenv("CI") == "true":
		t.Fatal(program + " is not installed; script/bootstrap installs it")
	}
	t.Skip("not tested: " + program + " is not installed; script/bootstrap installs it")
	return ""
}

// A reader has a machine on which nothing is set up but Go, git and gpg.
type reader struct {
	*testing.T
	home string // short, because gpg makes sockets in it
	env  []string
}

func newReader(t *testing.T) *reader {
	t.Helper()
	home, err := os.MkdirTemp("", "doc")
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{T: t, home: home}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", filepath.Join(home, ".gnupg"), "--kill", "all").Run() // there may be none
		_ = exec.Command("chmod", "-R", "u+w", home).Run()
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	upstream := filepath.Join(home, "upstream")
	if err := demo.Write(upstream, demo.Generations); err != nil {
		t.Fatal(err)
	}
	goEnv := func(name string) string {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		return name + "=" + strings.TrimSpace(string(out))
	}
	r.env = []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8",
		"GOPROXY=off", "GOTOOLCHAIN=local", "GOFLAGS=-buildvcs=false -trimpath", goEnv("GOCACHE"), goEnv("GOMODCACHE"),
		"GIT_CONFIG_NOSYSTEM=1", "HTTP_PROXY=http://127.0.0.1:1", "HTTPS_PROXY=http://127.0.0.1:1",
		"INPUT_UPSTREAM=" + upstream, "INPUT_ROOT-KEYS=" + strings.Join(demo.KeyIDs(), ","), "INPUT_KEY-THRESHOLD=" + strconv.Itoa(demo.Threshold),
	}
	return r
}

// run runs a program, which must succeed, and returns what it said.
func (r *reader) run(dir, program string, args ...string) string {
	r.Helper()
	cmd := exec.CommandContext(r.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, r.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// toRemove is the folder that built made, "" if it was not asked.
var toRemove string

// built is the folder with the program, built once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "doc")
	if err != nil {
		return "", err
	}
	toRemove = dir
	cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-o", filepath.Join(dir, "hackage-mirror"), ".")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(toRemove) // of the system's temporary files
	os.Exit(code)
}

// install returns the program, which PATH finds as well.
func (r *reader) install() string {
	r.Helper()
	dir, err := built()
	if err != nil {
		r.Fatal(err)
	}
	for i, variable := range r.env {
		if path, ok := strings.CutPrefix(variable, "PATH="); ok {
			r.env[i] = "PATH=" + dir + ":" + path
		}
	}
	return filepath.Join(dir, "hackage-mirror")
}

// clone copies the repository, as it lies there.
func (r *reader) clone() string {
	r.Helper()
	dir := filepath.Join(r.home, "clone")
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".git" || name == "demo" || name == "dist":
			return skip(d)
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, name), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		raw, err := os.ReadFile(filepath.Join(root, name))
		return errors.Join(err, os.WriteFile(filepath.Join(dir, name), raw, info.Mode().Perm()))
	})
	if err != nil {
		r.Fatal(err)
	}
	return dir
}

func skip(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// The blocks of a document are run in their order, in one folder: in a clone for
// those at the top, and in an empty one with the program installed for others.
func TestShellRunsAsPrinted(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"bash", "git", "go", "gpg", "sha256sum"} {
		need(t, program)
	}
	ran := 0
	for _, d := range documents(t) {
		scripts := blocks(d.text, "(?:sh|shell|bash)")
		if len(scripts) == 0 {
			continue
		}
		ran += len(scripts)
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			r := newReader(t)
			r.install()
			dir := t.TempDir()
			if path.Dir(d.name) == "." {
				dir = r.clone()
			}
			for _, script := range scripts {
				switch {
				case script == wholeRun:
				case strings.Contains(script, "script/test"):
					t.Errorf("script/test is to be in a block of its own:\n%s", script)
				default:
					t.Logf("%s%s", script, r.run(dir, "bash", "-e", "-o", "pipefail", "-c", script))
				}
			}
		})
	}
	if ran < 6 {
		t.Errorf("only %d blocks were found", ran)
	}
}
