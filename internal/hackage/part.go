package hackage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/cenkalti/backoff/v5"

	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// errPart says that the source did not give the part of a file that it was asked
// for. Asking for the whole file may do better.
var errPart = errors.New("not the part of the file that was requested")

// fetchPart fetches a part of a file, which is then what the caller must prove.
// If the file has another length than was signed, an old copy or a newer one in a
// cache would explain it, so it is asked for once more past the caches.
func (u *Upstream) fetchPart(ctx context.Context, r request, sink func() io.Writer) error {
	r.part, r.exact = true, true
	_, err := u.fetch(ctx, r, sink)
	if !errors.Is(err, tuf.ErrLength) {
		return err
	}
	u.o.Notify(Retry{What: u.src.name(r.key), Attempt: 1, Err: err})
	r.fresh = true
	_, err = u.fetch(ctx, r, sink)
	return err
}

// checkTotal compares the length that a file has with the signed one.
func (r request) checkTotal(length int64) error {
	if r.total == 0 || r.total == length {
		return nil
	}
	return fmt.Errorf("the file has %d bytes where %d are signed: %w", length, r.total, tuf.ErrLength)
}

// checkPart refuses a response that is not the part that was asked for, before
// any of its body is read.
func (w *web) checkPart(r request, resp *http.Response) error {
	given := resp.Header.Get("Content-Range")
	switch resp.StatusCode {
	case http.StatusOK:
		return backoff.Permanent(fmt.Errorf("the server gives only whole files: %w", errPart))
	case http.StatusRequestedRangeNotSatisfiable:
		total, err := strconv.ParseInt(strings.TrimPrefix(given, "bytes */"), 10, 64)
		if err == nil && r.checkTotal(total) != nil {
			return backoff.Permanent(r.checkTotal(total))
		}
		return backoff.Permanent(fmt.Errorf("the server refuses the range: %w", errPart))
	case http.StatusPartialContent:
	default:
		return w.statusError(resp)
	}
	first, last, total, err := contentRange(given)
	if err != nil {
		return backoff.Permanent(err)
	}
	if total >= 0 && r.checkTotal(total) != nil {
		return backoff.Permanent(r.checkTotal(total))
	}
	if first != r.offset || last != r.offset+r.limit-1 {
		return backoff.Permanent(fmt.Errorf("bytes %d to %d were requested, but %d to %d arrived: %w",
			r.offset, r.offset+r.limit-1, first, last, errPart))
	}
	return nil
}

// contentRange reads the header of that name: bytes FIRST-LAST/TOTAL, where a *
// for an unknown total gives -1.
func contentRange(header string) (first, last, total int64, err error) {
	rest, inBytes := strings.CutPrefix(header, "bytes ")
	span, size, _ := strings.Cut(rest, "/")
	from, to, _ := strings.Cut(span, "-")
	numbers := [3]int64{-1, -1, -1}
	for i, text := range [3]string{from, to, size} {
		n, err := strconv.ParseUint(text, 10, 63)
		if err == nil {
			numbers[i] = int64(n)
		} else if i < 2 || text != "*" {
			inBytes = false
		}
	}
	if !inBytes {
		return 0, 0, 0, fmt.Errorf("the answer has Content-Range %.80q: %w", header, errPart)
	}
	return numbers[0], numbers[1], numbers[2], nil
}
