//go:build unix

package run

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// A signal that asks to end is not a kill: the run stops where it is, says so,
// cleans up, and the next one goes on.
func TestInterruptedRunEndsAndSaysSo(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			hackage := hackagetest.Small()
			h := &history{world: newWorld(t, hackage)}
			g := hackage.Generation()
			p := h.process(t, h.dir, g)
			// The run cannot get past this tarball, so it ends by the signal.
			p.handler.Fault("/package/extra-1.0.tar.gz", hackagetest.Stall())
			var once sync.Once
			p.at = func(n int64) {
				if n == 8 {
					once.Do(func() { p.signal(signal) })
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			stop := context.AfterFunc(ctx, func() { p.signal(os.Kill) })
			defer stop()
			_ = p.run()
			if code := p.cmd.ProcessState.ExitCode(); code != CodeError {
				t.Fatalf("exit code %d, want %d:\n%s", code, CodeError, p.said)
			}
			h.says(p.said.String(), "Interrupted; the next run goes on from what was reached.")
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
