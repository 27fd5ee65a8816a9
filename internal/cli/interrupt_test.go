//go:build unix

package cli

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// A signal that asks to end is not a kill: the run stops where it is, says so,
// cleans up, and the next one goes on.
func TestInterruptedRunEndsAndSaysSo(t *testing.T) {
	t.Parallel()
	// Who started the tests may have had some ignored, as nohup does. What we start would
	// ignore them as well, unless we are told of them.
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt, syscall.SIGHUP} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			hackage := hackagetest.Small()
			h := &history{world: newWorld(t, hackage)}
			g := hackage.Generation()
			p := h.process(t, h.dir, g)
			h.onGitHub()
			watcher := newOutside(t, nil)
			h.env["HACKAGE_MIRROR_PING_URL"] = watcher.URL + pingPath
			for name, value := range h.env {
				p.cmd.Env = append(p.cmd.Env, name+"="+value)
			}
			// The run cannot get past this tarball, so it ends by the signal.
			p.handler.Fault("/package/extra-1.0.tar.gz", hackagetest.Stall(0))
			var once sync.Once
			p.at = func(n int64) {
				if n == 8 {
					once.Do(func() { p.signal(s) })
				}
			}
			_ = p.run()
			if code := p.cmd.ProcessState.ExitCode(); code != CodeInterrupted {
				t.Fatalf("exit code %d, want %d:\n%s", code, CodeInterrupted, p.said)
			}
			h.says(p.said.String(), "Interrupted; the next run picks up from there.", "\n::error title=hackage-mirror::interrupted\n", "\ninterrupted: ")
			h.says(watcher.hears(t, "/start", "/fail"), ": interrupted\n", "because the run was interrupted")
			outputs, summary := h.afterStep()
			h.holds(outputs, map[string]string{"files-commit": "", "hashes-commit": "", "index-state": "", "pending": fmt.Sprint(len(g.Releases()))})
			h.says(summary, "Hackage mirror: interrupted", "because the run was interrupted", "left as it was")
			h.says(outputs["summary-json"], `"outcome":"interrupted"`)
			if left := there(t, p.temp()); len(left) > 0 {
				t.Errorf("temporary files are left: %q", left)
			}
			if _, err := os.Stat(filepath.Join(h.bucket(), "timestamp.json")); err == nil {
				t.Error("timestamp.json was published although the run did not end")
			}
			rerun := h.process(t, h.dir, g)
			if err := rerun.run(); err != nil {
				t.Fatalf("rerun: %v\n%s", err, rerun.said)
			}
			h.checkAll()
		})
	}
}

// interrupted is a run that a signal ends while it waits for a file of upstream's.
func (w *world) interrupted(file string) {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	defer stop()
	before := w.server.Count(file)
	w.server.Fault(file, hackagetest.Stall(0))
	defer w.server.Heal()
	go func() {
		for w.server.Count(file) == before && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		stop()
	}()
	if code, said := w.runUnder(ctx, w.args()...); code != CodeInterrupted {
		w.Fatalf("exit code %d:\n%s", code, said)
	}
}

// A run that somebody ended makes no mirror worse: readers are told what they were
// told before, and that the run was interrupted.
func TestInterruptedRunLeavesTheHealth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	is := func(word status.Word, outcome, sentence string) {
		t.Helper()
		if s := w.told(); s.Health != word || s.Run.Outcome != outcome || !strings.HasPrefix(s.Sentence, sentence) {
			t.Errorf("%s, %s: %q (%s); want %s, %s: %q", s.Health, s.Run.Outcome, s.Sentence, s.Run.Error, word, outcome, sentence)
		}
	}
	w.interrupted("/package/extra-1.0.tar.gz") // which has nothing to tell yet
	w.sync(CodeDone)
	is(status.Good, "done", "Up to date")
	// Before it has read the bucket's state, a run tells nothing.
	w.hackage.Upload("new", "1.0", nil, nil)
	w.interrupted("/package/new-1.0.tar.gz")
	is(status.Good, "interrupted", "Up to date")
	w.server.Fault("/timestamp.json", hackagetest.Status(403))
	w.sync(CodeError)
	w.server.Heal()
	is(status.Failed, "failed", "Not up to date")
	w.interrupted("/package/new-1.0.tar.gz")
	is(status.Failed, "interrupted", "Not up to date")
	w.sync(CodeDone)
	is(status.Good, "done", "Up to date")
}

// A run that is killed cannot remove its temporary files; the next one does.
func TestKilledRunsFilesAreRemovedByTheNext(t *testing.T) {
	t.Parallel()
	hackage := hackagetest.Small()
	h := &history{world: newWorld(t, hackage)}
	g := hackage.Generation()
	killed, rerun := h.process(t, h.dir, g), h.process(t, h.dir, g)
	var once sync.Once
	killed.at = func(n int64) {
		if n == 8 {
			once.Do(func() { killed.signal(os.Kill) })
		}
	}
	if err := killed.run(); err == nil {
		t.Fatal("it was not killed")
	}
	if left := there(t, killed.temp()); len(left) == 0 {
		t.Fatal("it left nothing")
	}
	rerun.cmd.Env = killed.cmd.Env
	if err := rerun.run(); err != nil {
		t.Fatalf("rerun: %v\n%s", err, rerun.said)
	}
	if left := there(t, killed.temp()); len(left) != 0 {
		t.Errorf("the rerun left %q", left)
	}
}

func TestSecondInterruptEndsSoon(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "stubborn")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGTERM} {
		if !lines.Scan() {
			break
		}
		_ = cmd.Process.Signal(signal)
	}
	// A second SIGTERM changed nothing. The handler may not be there yet when the
	// command has heard of the first signal, hence more than one.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ended is looked at
	}()
	for over := false; !over; {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
			over = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	if cmd.ProcessState.ExitCode() != CodeInterrupted {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
}
