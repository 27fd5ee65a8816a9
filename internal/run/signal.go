package run

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Interruptible returns a context that ends when somebody asks the program to
// end: by ^C, by SIGTERM, or by going away from the terminal (but for nohup's). GitHub's runner sends the first when a job is
// cancelled, the second 7.5 seconds later, and kills after 2.5 more, so that one
// changes nothing. A second ^C ends the program at once: whoever presses it does
// not want to wait, and a run that is killed leaves nothing half-done to readers.
func Interruptible() (ctx context.Context, stop func()) {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop = signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
	return ctx, stop
}
