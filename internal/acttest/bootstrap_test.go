//go:build unix

package acttest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// What the download server has: a program that says what it is.
const (
	release = "v1.2.3"
	// impatience is the patience of the script with servers that are none, in seconds.
	impatience = 6
	// usual is its patience else: enough on a busy machine, and the first pauses, which
	// are shares of it, are 0.
	usual   = 29
	genuine = "#!/bin/sh\necho from the release\n"
	forged  = "#!/bin/sh\necho forged\n"
)

// An installation is an Action's folder, a runner's folders and a download
// server.
type installation struct {
	*testing.T
	folder, runner string
	server         *httptest.Server
	path           string // PATH

	mu       sync.Mutex
	requests []string
}

// newInstallation returns the Action of a release, whose binary is served.
func newInstallation(t *testing.T) *installation {
	t.Helper()
	need(t, "bash")
	need(t, "curl")
	in := &installation{T: t, folder: t.TempDir(), runner: t.TempDir(), path: os.Getenv("PATH")}
	write(t, filepath.Join(in.folder, "go.mod"), "module example.invalid/action\n\ngo 1.26.0\n", 0o644)
	write(t, filepath.Join(in.folder, "main.go"), "package main\n\nfunc main() { println(\"from source\") }\n", 0o644)
	write(t, filepath.Join(in.folder, "VERSION"), release+"\ngo1.26.0\n", 0o644)
	in.promise("hackage-mirror-linux-amd64", genuine)
	in.serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(genuine)) })
	return in
}

// promise writes the checksums.txt of the release.
func (in *installation) promise(name, content string) {
	in.Helper()
	sum := sha256.Sum256([]byte(content))
	other := sha256.Sum256([]byte("another"))
	lines := fmt.Sprintf("%x  hackage-mirror-plan9-386\n%x  %s\n", other, sum, name)
	write(in, filepath.Join(in.folder, "checksums.txt"), lines, 0o644)
}

// serve answers downloads.
func (in *installation) serve(answer http.HandlerFunc) {
	in.Helper()
	in.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in.mu.Lock()
		in.requests = append(in.requests, r.URL.Path)
		in.mu.Unlock()
		answer(w, r)
	}))
	in.Cleanup(in.server.Close)
}

// asked returns the paths that were asked for since the last time.
func (in *installation) asked() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	asked := in.requests
	in.requests = nil
	return asked
}

func bootstrapScript(t testing.TB) string {
	return filepath.Join(root(t), "script", "action-bootstrap")
}

// environment is what the runner gives to the script.
func (in *installation) environment(install string, more ...string) []string {
	return append(environment("PATH="+in.path, "GITHUB_ACTION_PATH="+in.folder, "GITHUB_OUTPUT="+filepath.Join(in.folder, "output"),
		"GITHUB_ACTION_REF=v9.9.9", "GITHUB_REF=refs/tags/v8.8.8",
		"RUNNER_OS=Linux", "RUNNER_ARCH=X64", "RUNNER_TEMP="+in.runner, "RUNNER_TOOL_CACHE="+filepath.Join(in.runner, "tools"),
		"INSTALL="+install, "DOWNLOAD_BASE="+in.server.URL+"/releases/", "BOOTSTRAP_PATIENCE="+strconv.Itoa(usual)), more...)
}

// bootstrap runs the script as the runner does, and returns the path of the
// program that it put in place.
func (in *installation) bootstrap(install string, more ...string) (code int, said, program string) {
	in.Helper()
	output := filepath.Join(in.TempDir(), "output")
	env := in.environment(install, append(more, "GITHUB_OUTPUT="+output)...)
	code, said = run(in, in.runner, env, bootstrapScript(in))
	if raw, err := os.ReadFile(output); err == nil {
		program, _ = strings.CutPrefix(strings.TrimSuffix(string(raw), "\n"), "program=")
	}
	if (code == 0) != (program != "") {
		in.Errorf("exit code %d, and the program is %q", code, program)
	}
	return code, said, program
}

// installs runs the script, which must succeed, and the program, which must say
// where it is from.
func (in *installation) installs(install, want string, more ...string) (said string) {
	in.Helper()
	code, said, program := in.bootstrap(install, more...)
	if code != 0 {
		in.Fatalf("exit code %d:\n%s", code, said)
	}
	if _, got := run(in, in.runner, nil, program); got != want+"\n" {
		in.Errorf("the program says %q, want %q:\n%s", got, want, said)
	}
	return said
}

// refuses runs the script, which must fail and leave nothing to run.
func (in *installation) refuses(install string, more ...string) (said string) {
	in.Helper()
	code, said, _ := in.bootstrap(install, more...)
	if code != 1 {
		in.Errorf("exit code %d, want 1:\n%s", code, said)
	}
	says(in, said, "::error title=hackage-mirror::")
	return said
}

// kept lists what the tool cache holds.
func (in *installation) kept() []string {
	in.Helper()
	found, err := filepath.Glob(filepath.Join(in.runner, "tools", "hackage-mirror", "*", "*"))
	if err != nil {
		in.Fatal(err)
	}
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	return found
}

func TestBinaryIsDownloadedAndChecked(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	says(t, in.installs("auto", "from the release"), release, "downloaded and checked")
	if asked := in.asked(); !slices.Equal(asked, []string{"/releases/v1.2.3/hackage-mirror-linux-amd64"}) {
		t.Errorf("asked for %q", asked)
	}
	says(t, in.installs("binary", "from the release"), "kept from an earlier job")
	if asked := in.asked(); len(asked) != 0 {
		t.Errorf("a second job asked for %q", asked)
	}
	if _, _, program := in.bootstrap("binary"); strings.HasPrefix(program, filepath.Join(in.runner, "tools")) {
		t.Errorf("%s runs, where other jobs can change it", program)
	}
	// What lies around on a runner may have been changed there.
	write(t, filepath.Join(in.runner, "tools", "hackage-mirror", release, "hackage-mirror-linux-amd64"), forged, 0o755)
	in.installs("auto", "from the release")
	if kept := in.kept(); !slices.Equal(kept, []string{"hackage-mirror-linux-amd64"}) {
		t.Errorf("the tool cache has %q", kept)
	}
}

// The file that is asked for is that of the runner's system.
func TestBinaryIsThatOfTheRunner(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	for runner, want := range map[string]string{
		"Linux X64": "linux-amd64", "Linux ARM64": "linux-arm64",
		"macOS X64": "darwin-amd64", "macOS ARM64": "darwin-arm64",
		"Windows X64": "windows-amd64.exe", "Windows ARM64": "windows-arm64.exe",
	} {
		system, architecture, _ := strings.Cut(runner, " ")
		in.promise("hackage-mirror-"+want, genuine)
		in.asked()
		in.installs("binary", "from the release", "RUNNER_OS="+system, "RUNNER_ARCH="+architecture)
		if asked := in.asked(); !slices.Equal(asked, []string{"/releases/v1.2.3/hackage-mirror-" + want}) {
			t.Errorf("%s asked for %q", runner, asked)
		}
	}
	says(t, in.refuses("binary", "RUNNER_ARCH=X86"), "release v1.2.3 has no binary for linux-386")
	says(t, in.refuses("binary", "RUNNER_ARCH=S390X"), "release v1.2.3 has no binary for linux-S390X")
}

// Other bytes than promised end the job, whatever else could be done.
func TestTamperedBinaryIsRefused(t *testing.T) {
	t.Parallel()
	for _, install := range []string{"auto", "binary"} {
		in := newInstallation(t)
		in.serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(forged)) })
		want, have := sha256.Sum256([]byte(genuine)), sha256.Sum256([]byte(forged))
		said := in.refuses(install)
		says(t, said, hex.EncodeToString(want[:]), hex.EncodeToString(have[:]), "It was not run")
		if strings.Contains(said, "source") {
			t.Errorf("it went on:\n%s", said)
		}
		if kept := in.kept(); len(kept) != 0 {
			t.Errorf("the tool cache has %q", kept)
		}
	}
}

// A commit that is no release is built.
func TestWithoutChecksumItIsBuilt(t *testing.T) {
	t.Parallel()
	need(t, "go")
	const none, without = "this commit of the Action is not a release", "release v1.2.3 has no binary for linux-amd64"
	for name, spoil := range map[string]func(*installation) (want string){
		"no VERSION": func(in *installation) string { remove(in, filepath.Join(in.folder, "VERSION")); return none },
		"odd VERSION": func(in *installation) string {
			write(in, filepath.Join(in.folder, "VERSION"), "../v1\n", 0o644)
			return none
		},
		"no checksums.txt": func(in *installation) string { remove(in, filepath.Join(in.folder, "checksums.txt")); return none },
		"no line":          func(in *installation) string { in.promise("hackage-mirror-linux-arm64", genuine); return without },
		"odd line": func(in *installation) string {
			write(in, filepath.Join(in.folder, "checksums.txt"), "0123  hackage-mirror-linux-amd64\n", 0o644)
			return without
		},
	} {
		in := newInstallation(t)
		want := spoil(in)
		says(t, in.installs("auto", "from source"), "::notice", want)
		says(t, in.refuses("binary"), "There is no binary", "install: auto", want)
		if asked := in.asked(); len(asked) != 0 {
			t.Errorf("%s: asked for %q", name, asked)
		}
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// Without Go and without a binary it says what to do.
func TestWithoutGoItSaysWhatToDo(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.path = toolbox(t, tools...)
	in.serve(http.NotFound)
	says(t, in.refuses("auto"), "could not be downloaded", "actions/setup-go", `go-version "1.26"`)
	says(t, in.refuses("source"), "actions/setup-go")
	remove(t, filepath.Join(in.folder, "go.mod"))
	says(t, in.refuses("auto"), "could not be downloaded", "no source to build from")
}

// tools are what the script calls, but for those that know SHA-256.
var tools = []string{"bash", "env", "sed", "awk", "tr", "cut", "curl", "mktemp", "mkdir", "chmod", "cp", "mv", "rm", "sleep", "cat", "head", "tail", "wc"}

// Each system has another program for SHA-256.
func TestDigestPrograms(t *testing.T) {
	t.Parallel()
	t.Run("shasum", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t)
		in.path = toolbox(t, append(tools, "shasum", "perl")...)
		in.installs("binary", "from the release")
		in.serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(forged)) })
		in.promise("hackage-mirror-linux-amd64", "changed")
		in.refuses("binary")
	})
	t.Run("certutil", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t)
		in.path = toolbox(t, tools...)
		standIn(t, in.path, "certutil", fmt.Sprintf(`[[ $1 == -hashfile && $3 == SHA256 && $(cat "$2") == *release* ]] || exit 1
printf 'SHA256 hash of %%s:\r\n%x\r\nCertUtil: -hashfile command completed successfully.\r\n' "$2"`, sha256.Sum256([]byte(genuine))))
		in.installs("binary", "from the release")
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		in := newInstallation(t)
		in.path = toolbox(t, tools...)
		says(t, in.refuses("auto"), "sha256sum, shasum or certutil")
	})
}

func TestDownloadServerIsSpokenToInSecret(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	for _, base := range []string{
		"http://downloads.example.invalid", "http://127.0.0.1:1@downloads.example.invalid/", "ftp://127.0.0.1/", "/tmp",
		"http://localhost.example.invalid/", "https://downloads.example.invalid/https://me@h",
	} {
		says(t, in.refuses("auto", "DOWNLOAD_BASE="+base), "The input download-base")
	}
	for _, secret := range []string{
		"https://me:hunter2@downloads.example.invalid/", "https://downloads.example.invalid/?token=hunter2",
		"https://downloads.example.invalid/#hunter2", "https://downloads.example.invalid/https://me:hunter2@h/",
	} {
		if said := in.refuses("auto", "DOWNLOAD_BASE="+secret); strings.Contains(said, "hunter2") {
			t.Errorf("a password is printed:\n%s", said)
		}
	}
	if asked := in.asked(); len(asked) != 0 {
		t.Errorf("asked for %q", asked)
	}
	says(t, in.refuses("always"), `install is "always"`)
}

// The tool cache only saves a download: where it cannot be written, or is none,
// the program comes all the same.
func TestToolCacheMayBeMissing(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	file := filepath.Join(in.folder, "VERSION")
	for _, cache := range []string{"", filepath.Join(file, "tools"), file, "/proc/tools"} {
		in.installs("binary", "from the release", "RUNNER_TOOL_CACHE="+cache)
	}
	if kept := in.kept(); len(kept) != 0 {
		t.Errorf("the tool cache has %q", kept)
	}
}

func TestMissingCurlIsNamed(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.path = toolbox(t, append(slices.DeleteFunc(slices.Clone(tools), func(name string) bool { return name == "curl" }), "sha256sum")...)
	says(t, in.refuses("binary"), "curl, which downloads releases, is not installed")
}

// What the job set for its own builds is not for this one.
func TestBuildIgnoresTheJobsSettings(t *testing.T) {
	t.Parallel()
	need(t, "go")
	in := newInstallation(t)
	write(t, filepath.Join(in.runner, "go.work"), "go 9.9\n", 0o644)
	in.installs("source", "from source", "GOFLAGS=-mod=vendor -tags=x", "GOOS=windows", "GOARCH=arm64", "GOAMD64=v4",
		"GOEXPERIMENT=nothing", "GOWORK="+filepath.Join(in.runner, "go.work"), "CGO_ENABLED=1")
}

// becomes runs the script as action.yml does. The program prints its arguments.
func (in *installation) becomes(command string, more ...string) (code int, said string) {
	in.Helper()
	const program = "#!/bin/sh\nfor word; do printf '<%s>' \"$word\"; done\n"
	in.promise("hackage-mirror-linux-amd64", program)
	in.serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(program)) })
	return run(in, in.runner, in.environment("binary", append(more, "HACKAGE_MIRROR_COMMAND="+command)...), bootstrapScript(in), "run")
}

// The input command is words over all its lines, as a shell reads them, and no
// more than that.
func TestCommandIsSplit(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"":                                      "<sync>",
		"  \n ":                                 "<sync>",
		" \n# only a comment":                   "<sync>",
		"\ufeffdemo\u00a0--x\u200b\n":           "<demo><--x>",
		"demo 'a\u00a0b'":                       "<demo><a\u00a0b>",
		"sync":                                  "<sync>",
		"sync\n  --dry-run\n--packages 'a b'\n": "<sync><--dry-run><--packages><a b>",
		"sync \\\n  --x \"c 'd'\"e '' \"\"\r\n": "<sync><--x><c 'd'e><><>",
		"yes: # no\n#more $(it)\n--a#b":         "<yes:><--a#b>",
		`demo D:\a\b "D:\a b\c" c\ d \"q\" \\ \$x "\$x \\"`: `<demo><D:\a\b><D:\a b\c><c d><"q"><\><$x><$x \>`,
		`sync --bucket s3://x?a=1&b=2;* ~ '$(touch x)' !y`:  `<sync><--bucket><s3://x?a=1&b=2;*><~><$(touch x)><!y>`,
		"sync --x 'a\nb' \"c\nd\"":                          "<sync><--x><a\nb><c\nd>",
	} {
		if code, said := newInstallation(t).becomes(command); code != 0 || !strings.HasSuffix(said, "downloaded and checked\n"+want) {
			t.Errorf("%q becomes, with exit code %d:\n%s\nwant %s", command, code, said, want)
		}
	}
	for command, want := range map[string]string{
		"sync 'a":             "has a ' without an end",
		"sync \"a\n--dry-run": "has a \" without an end",
		"sync $(touch x)":     "has a $, and nothing is expanded",
		"sync \"$X\"":         "has a $",
		"sync `touch x`":      "has a `",
	} {
		in := newInstallation(t)
		code, said := in.becomes(command)
		if code != 2 || len(in.asked()) != 0 {
			t.Errorf("%q: exit code %d", command, code)
		}
		says(t, said, "::error title=hackage-mirror::", want)
	}
}

// The program gets what the workflow gives it; what downloads and checks it gets
// none of that.
func TestSecretsAreForTheProgramOnly(t *testing.T) {
	t.Parallel()
	const program = "#!/bin/sh\nenv\n"
	in := newInstallation(t)
	in.promise("hackage-mirror-linux-amd64", program)
	in.serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(program)) })
	bin, seen := t.TempDir(), filepath.Join(t.TempDir(), "seen")
	for _, name := range []string{"curl", "sha256sum", "cp", "mktemp"} {
		standIn(t, bin, name, fmt.Sprintf("env >>%q\nexec %q \"$@\"\n", seen, need(t, name)))
	}
	in.path = bin + ":" + in.path
	secrets := []string{"INPUT_SIGNING_KEY=hunter2\nhunter3", "INPUT_TOKEN=hunter4", "AWS_SECRET_ACCESS_KEY=hunter5"}
	code, said := run(t, in.runner, in.environment("binary", append(secrets, "HACKAGE_MIRROR_COMMAND=sync", "HACKAGE_MIRROR_ACTION=true")...), bootstrapScript(t), "run")
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
	says(t, said, append(secrets, "HACKAGE_MIRROR_ACTION=true")...)
	if others := read(t, seen); strings.Contains(others, "hunter") || !strings.Contains(others, "RUNNER_TEMP=") {
		t.Errorf("others see\n%s", others)
	}
}

// running is that part of the script which runs commands; its first argument is the
// script, its second the folder.
const running = `
set -euo pipefail
source <(sed -n '/^# What a cancelled job must not leave/,/^# platform prints/p' "$1")
work=$2`

// A command that ends at once ends its timer in the moment after the fork, when the
// child still has the script's traps. It neither removes what the script holds nor
// outlives the command.
func TestCommandsThatEndAtOnce(t *testing.T) {
	t.Parallel()
	need(t, "bash")
	const loop = running + `
for _ in {1..400}; do
  begun=$SECONDS
  within 10 true
  [[ -d $work ]] || { echo "the folder is gone"; exit 1; }
  ((SECONDS < begun + 10)) || { echo "the timer went on"; exit 1; }
done`
	for range 2 {
		work := t.TempDir()
		t.Run("loop", func(t *testing.T) {
			t.Parallel()
			must(t, "", nil, "bash", "-c", loop, "loop", filepath.Join("..", "..", "script", "action-bootstrap"), work)
			if _, err := os.Stat(work); err == nil {
				t.Error("the script itself left its folder")
			}
		})
	}
}

// A signal may come when something was started and the script has not yet written down
// what. It ends both the command and its timer.
func TestSignalWhileACommandStarts(t *testing.T) {
	t.Parallel()
	need(t, "bash")
	heed(syscall.SIGTERM)
	const tells = running + `
tells() { kill -TERM $$; exec sleep 1000; }
within 1000 tells`
	for range 20 {
		life, theirs, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		work := t.TempDir()
		cmd := exec.CommandContext(t.Context(), "bash", "-c", tells, "tells", bootstrapScript(t), work)
		cmd.ExtraFiles = []*os.File{theirs} // which all that it starts has as well
		if err := errors.Join(cmd.Start(), theirs.Close()); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // its exit code is looked at
		if code := cmd.ProcessState.ExitCode(); code != 130 {
			t.Errorf("exit code %d, want 130", code)
		}
		if _, err := io.Copy(io.Discard, life); err != nil { // all are gone, or this blocks
			t.Error(err)
		}
		if err := life.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(work); err == nil {
			t.Error("the folder is left")
		}
	}
}
