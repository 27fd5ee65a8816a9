//go:build unix

package cli

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A demonstration is the demo in a folder of its own, as a user runs it.
type demonstration struct {
	*world
	home string // also where it is started
	args []string
}

// newDemonstration runs the demo with the words of the command line. Whoever
// would want the network finds a proxy that is not there.
func newDemonstration(t *testing.T, args ...string) (*demonstration, string) {
	t.Helper()
	d := &demonstration{world: &world{T: t}, home: t.TempDir(), args: args}
	d.dir = filepath.Join(d.home, "demo")
	if len(args) > 0 {
		d.dir = filepath.Join(d.home, args[0])
	}
	said, err := d.demo().Output()
	if err != nil {
		t.Fatalf("demo: %v\n%s", err, said)
	}
	return d, string(said)
}

func (d *demonstration) demo() *exec.Cmd {
	return d.command(program, append([]string{"demo"}, d.args...)...)
}

// command prepares a command in the user's folder.
func (d *demonstration) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = d.home
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + d.home, "TMPDIR=" + d.T.TempDir(),
		"HTTP_PROXY=http://127.0.0.1:1", "HTTPS_PROXY=http://127.0.0.1:1",
	}
	return cmd
}

// commands are those that the demo prints: lines indented by two.
func printedCommands(said string) []string {
	var list []string
	_, said, _ = strings.Cut(said, "What to look at next:")
	for line := range strings.Lines(said) {
		if text, ok := strings.CutPrefix(line, "  "); ok && !strings.HasPrefix(text, " ") {
			list = append(list, strings.TrimSuffix(text, "\n"))
		}
	}
	return list
}

func TestDemoPrintsCommandsThatWork(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"where it is by itself": nil, "with a space": {"a demo's folder"}, "deeper": {"new/er"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, said := newDemonstration(t, args...)
			commands := printedCommands(said)
			if len(commands) < 8 {
				t.Fatalf("it prints only %d commands:\n%s", len(commands), said)
			}
			// One after the other, up to each, in one shell: some prepare others.
			out, err := d.command("sh", "-e", "-c", strings.Join(commands, "\n")).CombinedOutput()
			if err != nil {
				t.Fatalf("the commands do not work: %v\n%s", err, out)
			}
			d.says(string(out), "Good signature from \"Demo of hackage-mirror", "Index-Length: ")
			if n := strings.Count(string(out), "Good signature"); n != 2 {
				t.Errorf("%d signatures were checked, want 2", n)
			}
			d.checkDigest(string(out))
			d.leavesNothingSecret()
		})
	}
}

// checkDigest compares what the commands print of one release in two ways.
func (d *demonstration) checkDigest(out string) {
	d.Helper()
	var record struct {
		Hashes map[string]string `json:"package-hashes"`
	}
	_, raw, _ := strings.Cut(out, `{"package-hashes"`)
	if err := json.NewDecoder(strings.NewReader(`{"package-hashes"` + raw)).Decode(&record); err != nil {
		d.Errorf("no record is printed: %v", err)
	}
	d.says(out, record.Hashes["SHA256"]+"  ")
	if len(record.Hashes["SHA256"]) != 64 {
		d.Errorf("the record has SHA256 %q", record.Hashes["SHA256"])
	}
}

// leavesNothingSecret looks for private keys, and for an agent that could hold
// one.
func (d *demonstration) leavesNothingSecret() {
	d.Helper()
	files := 0
	err := filepath.WalkDir(d.home, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		if !entry.Type().IsRegular() {
			d.Errorf("%q is no regular file: somebody listens there", path)
			return nil
		}
		if strings.Contains(path, "private-keys") || strings.HasPrefix(entry.Name(), "secring") {
			d.Errorf("%q is where gpg keeps private keys", path)
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte("PRIVATE KEY")) {
			d.Errorf("%q contains a private key", path)
		}
		return err
	})
	if err != nil || files < 100 {
		d.Errorf("looked at %d files, %v", files, err)
	}
}

func TestDemoShowsAFirstRunAndGrowth(t *testing.T) {
	t.Parallel()
	d, said := newDemonstration(t)
	d.says(said, "done: 26 releases, 0 revisions", "done: 30 releases, 3 revisions")
	keyring := filepath.Join(d.dir, demoKeyring)
	for _, name := range []string{demoFiles, demoHashes} {
		repository := d.path(name)
		d.gitKeyring(keyring, repository, append([]string{"verify-commit"}, strings.Fields(d.git(repository, "rev-list", "hackage"))...)...)
		d.gitKeyring(keyring, repository, "verify-tag", "current-hackage")
		d.git(repository, "fsck", "--strict")
	}
	if n := strings.Count(d.git(d.path(demoHashes), "ls-tree", "-r", "--name-only", "hackage"), ".json\n"); n != 56 {
		t.Errorf("the hashes repository has %d records, want 56", n)
	}
}

func TestDemoRefusesAFolderThatIsInUse(t *testing.T) {
	t.Parallel()
	d, _ := newDemonstration(t)
	before := d.contents(d.dir)
	again := d.demo()
	out, err := again.CombinedOutput()
	if err == nil || again.ProcessState.ExitCode() != CodeUsage {
		t.Fatalf("the second demo ended with %v:\n%s", err, out)
	}
	d.says(string(out), "is not empty; remove it or name another one")
	if !maps.Equal(d.contents(d.dir), before) {
		t.Error("the second demo changed the first one's folder")
	}
}
