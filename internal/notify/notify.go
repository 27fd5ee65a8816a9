// Package notify tells those who watch from outside of each run, by ping-url, and of
// each change of a mirror's health, by notify-url. They are told, and nothing else:
// what goes wrong with them is a warning and changes no exit code. Their addresses are
// secrets, so no message repeats one, nor what a server or the network says, which may.
package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
)

const (
	// callTime bounds a call. It is also what servers that hang may add to a run:
	// all are called concurrently, and a call that says that the run started is
	// given up after half of it once the run has ended.
	callTime = 10 * time.Second
	// lastCallTime is its bound from when somebody asks the run to end: GitHub's
	// runner kills ten seconds after that.
	lastCallTime = 2500 * time.Millisecond
	// maxPing bounds what a ping says, in bytes.
	maxPing = 10_000
	// maxPingLine bounds a line of it, so that there is room for others.
	maxPingLine = 2_000
)

// A receiver is somebody who watches from outside.
type receiver struct {
	name    string // for messages: the option, and which of its addresses
	address *url.URL

	started chan error // gives what became of the call that the run started; nil: there was none
	giveUp  context.CancelFunc
}

// receivers returns those of an option, and what of it is no address, or one that others
// can read on the way.
func receivers(option string, given secret.Secret) (all []*receiver, warnings []string) {
	if err := given.Err(); err != nil {
		return nil, []string{fmt.Sprintf("%s: %v; it is told nothing", option, err)}
	}
	var unencrypted []string
	lines := strings.FieldsFunc(string(given.Bytes()), func(r rune) bool { return r == '\n' })
	for i, line := range lines {
		name := option
		if len(lines) > 1 {
			name = fmt.Sprintf("%s (address %d of %d)", option, i+1, len(lines))
		}
		u, err := url.Parse(line)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Fragment != "" || strings.ContainsAny(line, ", \t") {
			warnings = append(warnings, name+" is not an http(s) address; write https://HOST/PATH, one on each line, with %2C for a comma and %20 for a blank; it is told nothing")
			continue
		}
		if u.Scheme == "http" && !addresses.IsLoopback(u.Hostname()) {
			unencrypted = append(unencrypted, name+" goes over http: anyone on the way can read the address and call it in this mirror's name")
		}
		all = append(all, &receiver{name: name, address: u})
	}
	return all, append(warnings, unencrypted...)
}

// Warnings says what is wrong with an option. It is no reason not to mirror.
func Warnings(option string, given secret.Secret) []string {
	_, warnings := receivers(option, given)
	return warnings
}

// The options.
const (
	PingOption   = "ping-url"
	NotifyOption = "notify-url"
)

// below is an address with a word added to its path, before the query.
func below(u *url.URL, word string) string {
	text, query, asked := strings.Cut(u.String(), "?")
	if text = strings.TrimRight(text, "/") + "/" + word; asked {
		text += "?" + query
	}
	return text
}

// A Config says who is to be told, and how.
type Config struct {
	Ping, Notify secret.Secret // addresses
	UserAgent    string
	Page         string        // of the run on GitHub; may be empty
	Patience     time.Duration // with all at the end of a run; zero for ten seconds
	Warn         func(string)
}

// A Notifier tells of one run.
type Notifier struct {
	Config
	client  *http.Client
	last    time.Duration // patience once somebody asked the run to end
	pings   []*receiver
	changes []*receiver
	calls   errgroup.Group
	mu      sync.Mutex // for the log
}

// warn tells of what went wrong with one of several calls that are under way.
func (n *Notifier) warn(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Warn(text)
}

// New returns the notifier of one run.
func New(c Config) *Notifier {
	c.Patience = cmp.Or(c.Patience, callTime)
	n := &Notifier{Config: c, last: lastCallTime, client: &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		},
		// Another address is not the one that somebody gave.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	n.pings, _ = receivers(PingOption, c.Ping) // Warnings tells of what is none
	n.changes, _ = receivers(NotifyOption, c.Notify)
	return n
}

// Started says that a run starts, and waits for nobody.
func (n *Notifier) Started(ctx context.Context) {
	for _, o := range n.pings {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.Patience)
		o.started, o.giveUp = make(chan error, 1), cancel
		n.calls.Go(func() error {
			o.started <- n.post(limited, below(o.address, "start"), "text/plain; charset=utf-8", nil)
			return nil
		})
	}
}

// Ended says how a run ended, and waits until everybody was told, or cannot be. It
// reports whether somebody was told of the change.
func (n *Notifier) Ended(ctx context.Context, run *report.Run, change *Change) (notified bool) {
	var told atomic.Bool
	patience := n.Patience
	if ctx.Err() != nil {
		patience = n.last
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(n.last, cancel) })()
	for _, o := range n.pings {
		n.calls.Go(func() error { n.ping(limited, o, run, patience/2); return nil })
	}
	for _, o := range n.changes {
		if change == nil {
			break
		}
		n.calls.Go(func() error {
			body, err := json.Marshal(change)
			if err == nil {
				err = n.post(limited, o.address.String(), "application/json", body)
			}
			if err == nil {
				told.Store(true)
			} else {
				n.warn(fmt.Sprintf("%s was not told that the state is now %q: %v", o.name, change.Health, err))
			}
			return nil
		})
	}
	_ = n.calls.Wait() // each has said what went wrong
	n.client.CloseIdleConnections()
	return told.Load()
}

// ping tells one receiver how the run ended. The two calls about a run must not
// pass each other, or it would seem to go on for ever.
func (n *Notifier) ping(ctx context.Context, o *receiver, run *report.Run, patience time.Duration) {
	var startErr error
	if o.started != nil {
		defer time.AfterFunc(patience, o.giveUp).Stop()
		defer context.AfterFunc(ctx, o.giveUp)()
		startErr = <-o.started
		o.giveUp()
	}
	address := o.address.String()
	if run.Outcome != report.Done && run.Outcome != report.Degraded {
		address = below(o.address, "fail")
	}
	if err := n.post(ctx, address, "text/plain; charset=utf-8", account(run, n.Page)); err != nil {
		n.warn(fmt.Sprintf("%s was not told how the run ended: %v", o.name, err))
	} else if startErr != nil {
		n.warn(fmt.Sprintf("%s was not told that the run began: %v", o.name, startErr))
	}
}

// post makes one call. Its errors have no word of anybody else's.
func (n *Notifier) post(ctx context.Context, address, kind string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("that is not an address")
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("User-Agent", n.UserAgent)
	response, err := n.client.Do(request)
	if err != nil {
		return errors.New(reason(err))
	}
	defer func() { _ = response.Body.Close() }()
	// What it says beyond the code is not read: that may come late.
	switch code := response.StatusCode; {
	case code/100 == 3:
		return fmt.Errorf("the answer is a redirect (%d), and none is followed; give the address that it leads to", code)
	case code/100 != 2:
		return fmt.Errorf("the answer is %d %s", code, http.StatusText(code))
	}
	return nil
}

// reason says without foreign words why a call failed.
func reason(err error) string {
	_, dns := errors.AsType[*net.DNSError](err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	timeout, _ := errors.AsType[net.Error](err)
	switch {
	case timeout != nil && timeout.Timeout(), errors.Is(err, context.Canceled):
		return "there was no answer in time"
	case dns:
		return "its host has no address"
	case certificate:
		return "its certificate is not to be trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "the connection was closed"
	}
	return "the connection failed"
}

// account says in a ping how a run ended: what is the matter first, for what is
// too long is cut.
func account(run *report.Run, page string) []byte {
	first := string(run.Outcome)
	if run.Outcome == report.Degraded {
		first = "up to date, but look at this"
	}
	lines := []string{run.Tool + ": " + first}
	for line := range strings.Lines(run.Error) {
		lines = append(lines, report.Line(line))
	}
	if page != "" {
		lines = append(lines, page)
	}
	lines = slices.AppendSeq(lines, strings.SplitSeq(strings.TrimSpace(run.Text()), "\n"))
	var text strings.Builder
	for _, line := range lines {
		if line = plain.Cut(line, maxPingLine, "…") + "\n"; text.Len()+len(line) > maxPing {
			break
		}
		text.WriteString(line)
	}
	return []byte(text.String())
}
