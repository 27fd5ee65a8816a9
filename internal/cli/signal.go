package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// patience is how long a run that was told to stop may take before another ^C
// ends it.
const patience = 5 * time.Second

// Interruptible returns a context that ends when somebody asks the program to
// end: by ^C, by SIGTERM or SIGQUIT, or by going away from the terminal (but for
// nohup's). GitHub's runner sends the first when a job is cancelled, the second 7.5 seconds later, and kills after 2.5 more, so that one
// changes nothing. Another ^C does not end the program before patience is over:
// what readers would meet half-done is published by then.
func Interruptible() (ctx context.Context, stop func()) {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT}
	if !signal.Ignored(syscall.SIGHUP) {
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop = signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, func() {
		over := time.Now().Add(patience)
		again := make(chan os.Signal, 1)
		signal.Notify(again, os.Interrupt)
		<-again
		time.Sleep(time.Until(over))
		os.Exit(CodeInterrupted)
	})
	return ctx, stop
}
