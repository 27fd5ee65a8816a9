// Command hackage-mirror mirrors Hackage, verified, into buckets and signed git
// repositories. Run it with --help, or see the README.
package main

import (
	"os"

	"github.com/hackage-mirror/hackage-mirror/internal/run"
)

func main() {
	ctx, stop := run.Interruptible()
	code := run.Main(ctx, os.Args[1:], run.ProcessEnv())
	stop()
	os.Exit(code)
}
