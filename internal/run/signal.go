package run

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Interruptible returns a context that ends when somebody asks the program to
// end: by ^C, or by SIGTERM. GitHub's runner sends the first when a job is
// cancelled, the second 7.5 seconds later, and kills after 2.5 more, so that one
// changes nothing. A second ^C ends the program at once: whoever presses it does
// not want to wait, and a run that is killed leaves nothing half-done to readers.
func Interruptible() (ctx context.Context, stop func()) {
	ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
	return ctx, stop
}
