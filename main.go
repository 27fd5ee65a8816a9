// Command hackage-mirror mirrors Hackage, verified, into buckets and signed git
// repositories. Run it with --help, or see the README.
package main

import (
	"os"
	"runtime/debug"

	"github.com/hackage-mirror/hackage-mirror/internal/cli"
)

// memoryLimit is where the collector begins to work harder, in bytes. Without it
// the heap of a first run, of which half is dead at most times, would grow to
// twice what is needed. GOMEMLIMIT in the environment takes precedence.
const memoryLimit = 110 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	ctx, stop := cli.Interruptible()
	code := cli.Main(ctx, os.Args[1:], cli.ProcessEnv())
	stop()
	os.Exit(code)
}
