package hackage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// maxWait is the longest wait between attempts that the server did not ask for.
const maxWait = 30 * time.Second

// fetched is what is known of a file after it was read.
type fetched struct {
	etag    string
	current bool // the copy that the request's etag names is
}

// fetch asks for a file until it arrives as a whole or asking has no point. Each
// attempt writes to a sink of its own, never more than the request's limit. What
// arrived is not verified beyond its length.
func (u *Upstream) fetch(ctx context.Context, r request, sink func() io.Writer) (fetched, error) {
	name := u.src.name(r.key)
	tries := 0
	got, err := backoff.Retry(ctx, func() (fetched, error) {
		tries++
		return u.attempt(ctx, r, sink)
	},
		backoff.WithBackOff(&backoff.ExponentialBackOff{
			InitialInterval: u.o.FirstWait, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: max(maxWait, u.o.FirstWait),
		}),
		backoff.WithMaxTries(uint(u.o.Attempts)),
		backoff.WithMaxElapsedTime(u.o.Patience+u.o.allowance(r.limit)),
		backoff.WithNotify(func(err error, wait time.Duration) {
			u.o.Notify(Retry{What: name, Attempt: tries, Wait: wait, Err: err})
		}),
	)
	switch {
	case err == nil:
		return got, nil
	case tries > 1:
		return fetched{}, fmt.Errorf("fetch %s (%d attempts): %w", name, tries, err)
	}
	return fetched{}, fmt.Errorf("fetch %s: %w", name, err)
}

// attempt asks once.
func (u *Upstream) attempt(ctx context.Context, r request, sink func() io.Writer) (fetched, error) {
	watched, dog := watch(ctx, u.o, r.limit)
	defer dog.stop()
	got, err := u.transfer(watched, r, sink, dog)
	if cause := context.Cause(watched); err != nil && cause != nil {
		// The error only says that the context ended; this says why.
		return fetched{}, cause
	}
	return got, err
}

func (u *Upstream) transfer(ctx context.Context, r request, sink func() io.Writer, dog *watchdog) (fetched, error) {
	a, err := u.src.open(ctx, r)
	if err != nil {
		return fetched{}, err
	}
	if a.body == nil {
		return fetched{etag: a.etag, current: true}, nil
	}
	defer func() { _ = a.body.Close() }()
	if a.size > r.limit || r.exact && a.size >= 0 && a.size != r.limit {
		return fetched{}, r.wrongLength(fmt.Sprintf("%d bytes", a.size))
	}
	body := dog.watched(a.body)
	n, err := pour(sink(), io.LimitReader(body, r.limit))
	if err != nil {
		return fetched{}, err
	}
	if n == r.limit {
		if extra, _ := io.ReadFull(body, make([]byte, 1)); extra > 0 {
			return fetched{}, r.wrongLength("more bytes")
		}
	}
	if a.size >= 0 && n != a.size {
		return fetched{}, fmt.Errorf("%d of %d bytes arrived: %w", n, a.size, io.ErrUnexpectedEOF)
	}
	if r.exact && n != r.limit {
		err := r.wrongLength(fmt.Sprintf("%d bytes", n))
		if a.unframed {
			// Perhaps the connection broke, and another attempt gets the rest.
			return fetched{}, errors.Unwrap(err)
		}
		return fetched{}, err
	}
	return fetched{etag: a.etag}, nil
}

// wrongLength is the refusal of a file with so many bytes. Asking again in the
// same way would give the same.
func (r request) wrongLength(got string) error {
	if r.exact {
		return backoff.Permanent(&worded{fmt.Sprintf("upstream sends %s where %d are signed", got, r.limit), tuf.ErrLength})
	}
	return backoff.Permanent(&worded{fmt.Sprintf("upstream sends %s where %d are the limit", got, r.limit), ErrTooLarge})
}

// A worded error says in its text all that its kind says.
type worded struct {
	text string
	kind error
}

func (w *worded) Error() string { return w.text }

// Unwrap returns what a caller may branch on.
func (w *worded) Unwrap() error { return w.kind }

// pour copies and tells the writer's errors, which no other attempt would heal,
// from the reader's.
func pour(w io.Writer, r io.Reader) (int64, error) {
	guarded := &guardedWriter{w: w}
	n, err := io.Copy(guarded, r)
	if guarded.err != nil {
		return n, backoff.Permanent(fmt.Errorf("store the downloaded bytes: %w", guarded.err))
	}
	return n, err
}

type guardedWriter struct {
	w   io.Writer
	err error
}

func (g *guardedWriter) Write(p []byte) (int, error) {
	n, err := g.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	g.err = err
	return n, err
}

// fetchBytes fetches a small file into memory.
func (u *Upstream) fetchBytes(ctx context.Context, r request) ([]byte, fetched, error) {
	var buffer bytes.Buffer
	got, err := u.fetch(ctx, r, func() io.Writer {
		buffer.Reset()
		return &buffer
	})
	return buffer.Bytes(), got, err
}

// fetchSigned fetches the file that info describes, past the digester. Other bytes than
// the signed ones are asked for once more past the caches and are then ErrMismatch.
func (u *Upstream) fetchSigned(ctx context.Context, key string, info tuf.FileInfo, d *digester, sink func() io.Writer) error {
	r := request{key: key, limit: info.Length, exact: true}
	err := u.fetchDigest(ctx, r, info, d, sink)
	if !isMismatch(err) {
		return err
	}
	u.o.Notify(Retry{What: u.src.name(key), Attempt: 1, Err: errors.Unwrap(err)})
	r.fresh = true
	err = u.fetchDigest(ctx, r, info, d, sink)
	if isMismatch(err) {
		return &worded{err.Error(), errors.Join(state.ErrMismatch, err)}
	}
	return err
}

func isMismatch(err error) bool {
	return errors.Is(err, tuf.ErrLength) || errors.Is(err, tuf.ErrDigest)
}

// fetchDigest fetches a file and compares its digest.
func (u *Upstream) fetchDigest(ctx context.Context, r request, info tuf.FileInfo, d *digester, sink func() io.Writer) error {
	_, err := u.fetch(ctx, r, d.before(sink))
	if err != nil {
		return err
	}
	return d.check(u.src.name(r.key), info)
}
