package hackage

import (
	"context"
	"fmt"
	"io"
	"time"
)

// A watchdog ends an attempt in which nothing arrives for a while, or that as a
// whole takes too long, which a server that sends a byte now and then can do.
type watchdog struct {
	timeout time.Duration
	timer   *time.Timer
	stop    func()
}

// slowest is the rate in bytes per second below which a transfer is given up.
const slowest = 32 << 10

// allowance is how long an attempt to transfer size bytes may take.
func (o Options) allowance(size int64) time.Duration {
	return 10*o.Timeout + time.Duration(size/slowest)*time.Second
}

// watch returns a context that the watchdog ends. It counts from now on.
func watch(ctx context.Context, o Options, size int64) (context.Context, *watchdog) {
	whole := o.allowance(size)
	ctx, stopWhole := context.WithTimeoutCause(ctx, whole, fmt.Errorf("the transfer took longer than %s", whole))
	ctx, cancel := context.WithCancelCause(ctx)
	d := &watchdog{timeout: o.Timeout}
	d.timer = time.AfterFunc(d.timeout, func() { cancel(fmt.Errorf("nothing arrived for %s", d.timeout)) })
	d.stop = func() {
		d.timer.Stop()
		cancel(nil)
		stopWhole()
	}
	return ctx, d
}

// watched lets the watchdog count only while it waits for r, not while the
// reader does something with the bytes.
func (d *watchdog) watched(r io.Reader) io.Reader {
	d.timer.Stop()
	return &watchedReader{r: r, d: d}
}

type watchedReader struct {
	r io.Reader
	d *watchdog
}

func (w *watchedReader) Read(p []byte) (int, error) {
	w.d.timer.Reset(w.d.timeout)
	n, err := w.r.Read(p)
	w.d.timer.Stop()
	return n, err
}
