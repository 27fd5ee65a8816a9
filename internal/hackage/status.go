package hackage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// statusError says what an HTTP status other than success means, and whether to
// ask again.
func (w *web) statusError(resp *http.Response) error {
	status := fmt.Sprintf("status %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound:
		return deny("%s: %w", status, state.ErrMissing)
	case code == http.StatusGone, code == http.StatusUnavailableForLegalReasons:
		return deny("%s: %w", status, state.ErrWithdrawn)
	case code == http.StatusForbidden && hides(resp):
		return deny("%s, which a bucket also answers for a missing object to users who may not list it: %w", status, state.ErrMissing)
	case code == http.StatusUnauthorized:
		return deny("%s: upstream wants a user and a password, or others: check upstream-user and upstream-password", status)
	case code == http.StatusForbidden:
		return deny("%s: upstream refuses this machine or user: check the address, or ask its operator", status)
	case code == http.StatusProxyAuthRequired:
		return deny("%s: the proxy wants credentials: set them in HTTPS_PROXY", status)
	case code == http.StatusTooManyRequests:
		return w.later(resp, errors.New(status+": upstream limits the rate of requests: lower the concurrency"))
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code >= 500:
		return w.later(resp, errors.New(status+": upstream has a problem of its own"))
	case code < 400:
		return deny("%s, which does not answer the request: check that the address is a Hackage repository", status)
	}
	return deny("%s: check the address", status)
}

// deny returns a denial, after which no attempt follows at once.
func deny(format string, args ...any) error {
	return backoff.Permanent(&denial{fmt.Errorf(format, args...)})
}

// hides reports whether a refusal is that of an S3 server, which says the same of
// what is missing, and no page of a firewall.
func hides(resp *http.Response) bool {
	begin, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // what was read decides
	return bytes.Contains(begin, []byte("<Code>AccessDenied</Code>"))
}

// later gives err the wait that the server asked for. One that is longer than
// our patience is not cut short: coming back early would make things worse.
func (w *web) later(resp *http.Response, err error) error {
	wait, ok := retryAfter(resp.Header.Get("Retry-After"), w.now())
	if !ok {
		return err
	}
	if wait > w.patience {
		return deny("%w; upstream asks for a pause of %s: try again then", err, wait)
	}
	return &delayed{err: err, after: &backoff.RetryAfterError{Duration: wait}}
}

// retryAfter reads a Retry-After header: seconds or an HTTP date.
func retryAfter(header string, now time.Time) (time.Duration, bool) {
	header = strings.TrimSpace(header)
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if date, err := http.ParseTime(header); err == nil {
		return max(0, date.Sub(now)), true
	}
	return 0, false
}

// delayed is an error after which the server named the time to wait.
type delayed struct {
	err   error
	after *backoff.RetryAfterError
}

func (d *delayed) Error() string { return d.err.Error() }

func (d *delayed) Unwrap() []error { return []error{d.err, d.after} }
