//go:build linux

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal returns both ends of a pseudo-terminal: ours, and the one that a
// command takes for its terminal.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("not tested: no terminal can be made: %v", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}

// A conversation is init at a terminal.
type conversation struct {
	*testing.T
	cmd    *exec.Cmd
	screen *os.File
	stdout bytes.Buffer
	seen   strings.Builder
}

// converse starts init in a clone of me/mirror.
func converse(t *testing.T, args ...string) *conversation {
	t.Helper()
	dir := t.TempDir()
	for _, line := range []string{"init -q", "remote add origin git@github.com:me/mirror.git", "config user.name Me", "config user.email me@example.org"} {
		git := exec.Command("git", strings.Fields(line)...)
		git.Dir = dir
		if out, err := git.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", line, err, out)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := terminal(t)
	c := &conversation{T: t, screen: ours}
	c.cmd = &exec.Cmd{
		Path: self, Args: append([]string{program, "init"}, args...), Dir: dir, // see TestMain
		Env:   []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1", "GH_CONFIG_DIR=" + dir},
		Stdin: theirs, Stderr: theirs, Stdout: &c.stdout,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Setctty: true},
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // it may have ended long ago
		_ = c.cmd.Wait()
	})
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	return c
}

// until reads the screen until it ends with a text.
func (c *conversation) until(text string) {
	c.Helper()
	buffer := make([]byte, 256)
	for !strings.HasSuffix(c.seen.String(), text) {
		n, err := c.screen.Read(buffer)
		c.seen.Write(buffer[:n])
		if err != nil {
			c.Fatalf("read the screen: %v; want %q after\n%s", err, text, c.seen.String())
		}
	}
}

// answer waits for a question and types.
func (c *conversation) answer(question, keys string) {
	c.Helper()
	c.until(question)
	if _, err := io.WriteString(c.screen, keys); err != nil {
		c.Fatal(err)
	}
}

// end waits for the command's end and returns its exit code.
func (c *conversation) end() int {
	c.Helper()
	for buffer := make([]byte, 256); ; {
		n, err := c.screen.Read(buffer) // an error when nobody holds the other end any more
		c.seen.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	err := c.cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		c.Fatal(err)
	}
	return c.cmd.ProcessState.ExitCode()
}

func TestInitAtATerminal(t *testing.T) {
	t.Parallel()
	c := converse(t)
	c.answer("[me/all-cabal-files]: ", "\n")
	c.answer("[me/all-cabal-hashes]: ", "me/hashes\n")
	c.answer("or none [none]: ", "\n")
	c.answer("[deploy-keys]: ", "none of these\n")
	c.answer("[deploy-keys]: ", "\n")
	c.answer("[Me <me@example.org>]: ", "\n")
	if code := c.end(); code != CodeDone {
		t.Fatalf("exit code %d:\n%s", code, c.seen.String())
	}
	for _, part := range []string{"signs as Me <me@example.org>", "opens me/hashes", "Left to do"} {
		if !strings.Contains(c.stdout.String(), part) {
			t.Errorf("it does not say %q:\n%s", part, c.stdout.String())
		}
	}
	if _, err := os.Stat(filepath.Join(c.cmd.Dir, ".github", "workflows", "mirror.yml")); err != nil {
		t.Error(err)
	}
}

func TestInitIsInterruptedAtATerminal(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int{"\x03": CodeInterrupted, "\x04": CodeError} {
		t.Run(map[string]string{"\x03": "control-C", "\x04": "control-D"}[key], func(t *testing.T) {
			t.Parallel()
			c := converse(t)
			c.answer("[me/all-cabal-files]: ", key)
			if code := c.end(); code != want {
				t.Errorf("exit code %d:\n%s", code, c.seen.String())
			}
			if entries, err := os.ReadDir(c.cmd.Dir); err != nil || len(entries) != 1 {
				t.Errorf("it wrote %v, %v", entries, err)
			}
		})
	}
}

// With --yes nothing is asked, terminal or not.
func TestInitAsksNothingWithYes(t *testing.T) {
	t.Parallel()
	c := converse(t, "--yes")
	if code := c.end(); code != CodeDone || strings.Count(c.seen.String(), "\n") != 1 || !strings.HasPrefix(c.seen.String(), "This makes keys in ") {
		t.Errorf("exit code %d:\n%s", code, c.seen.String())
	}
}
