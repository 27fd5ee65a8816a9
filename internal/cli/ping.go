package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
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
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
)

// Those who watch from outside, by ping-url and notify-url. They are told, and
// nothing else: what goes wrong with them is a warning and changes no exit code.
// Their addresses are secrets, so no message repeats one, nor what a server or
// the network says, which may.
const (
	// callTime bounds a call. It is also what servers that hang may add to a run:
	// all are called concurrently, and a call that says that the run began is
	// given up after half of it once the run has ended.
	callTime = 10 * time.Second
	// lastCallTime takes its place from when somebody asks the run to end: GitHub's
	// runner kills ten seconds after that.
	lastCallTime = 2500 * time.Millisecond
	// maxPing bounds what a ping says, in bytes.
	maxPing = 10_000
	// maxPingLine bounds a line of it, so that there is room for others.
	maxPingLine = 2_000
)

// An outsider is somebody who watches from outside.
type outsider struct {
	name    string // for messages: the option, and which of its addresses
	address *url.URL

	begun   chan struct{} // closed when the call that the run began is over
	giveUp  context.CancelFunc
	atBegin error // what became of that call
}

// outsiders returns those of an option.
func outsiders(option string, given secret.Secret) (all []*outsider, err error) {
	if err := given.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	lines := strings.FieldsFunc(string(given.Bytes()), func(r rune) bool { return r == '\n' })
	for i, line := range lines {
		o := &outsider{name: option}
		if len(lines) > 1 {
			o.name = fmt.Sprintf("%s (address %d of %d)", option, i+1, len(lines))
		}
		u, parseErr := url.Parse(line)
		if parseErr != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Fragment != "" || strings.ContainsAny(line, ", \t") {
			err = errors.Join(err, fmt.Errorf("%s is not an http(s) address; write https://HOST/PATH, one on each line, with %%2C for a comma and %%20 for a blank", o.name))
			continue
		}
		o.address = u
		all = append(all, o)
	}
	return all, err
}

// checkOutsiders warns of what is no address. It is no reason not to mirror.
func (o *Options) checkOutsiders(c *checker) {
	for option, given := range map[string]secret.Secret{pingOption: o.PingURL, notifyOption: o.NotifyURL} {
		all, err := outsiders(option, given)
		if err != nil {
			for _, problem := range parts(err) {
				c.warn("%v; it is told nothing", problem)
			}
		}
		for _, o := range all {
			if o.address.Scheme == "http" && !addresses.IsLoopback(o.address.Hostname()) {
				c.warn("%s goes over http: anyone on the way can read the address and call it in this mirror's name", o.name)
			}
		}
	}
}

// The options.
const (
	pingOption   = "ping-url"
	notifyOption = "notify-url"
	dryRunOption = "dry-run"
)

// below is an address with a word added to its path, before the query.
func below(u *url.URL, word string) string {
	text, query, asked := strings.Cut(u.String(), "?")
	if text = strings.TrimRight(text, "/") + "/" + word; asked {
		text += "?" + query
	}
	return text
}

// A caller calls those who watch from outside about one run.
type caller struct {
	env      Env
	client   *http.Client
	patience time.Duration // with all at the end of a run
	hurry    time.Duration // the same, once somebody asked it to end
	pings    []*outsider
	notes    []*outsider
	calls    errgroup.Group
	mu       sync.Mutex // for the log
}

// warn tells of what went wrong with one of several calls that are under way.
func (c *caller) warn(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.env.warn(text)
}

// newCaller returns the caller of one run. A dry run is nobody's business.
func newCaller(o *Options, env Env) *caller {
	c := &caller{env: env, patience: cmp.Or(env.callTime, callTime), hurry: lastCallTime, client: &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		},
		// Another address is not the one that somebody gave.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if !o.DryRun {
		c.pings, _ = outsiders(pingOption, o.PingURL) // Check tells of what is none
		c.notes, _ = outsiders(notifyOption, o.NotifyURL)
	}
	return c
}

// begin says that a run begins, and waits for nobody.
func (c *caller) begin(ctx context.Context) {
	for _, o := range c.pings {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.patience)
		o.begun, o.giveUp = make(chan struct{}), cancel
		c.calls.Go(func() error {
			defer close(o.begun)
			o.atBegin = c.post(limited, below(o.address, "start"), "text/plain; charset=utf-8", nil)
			return nil
		})
	}
}

// end says how a run ended, and waits until everybody was told, or cannot be. It
// reports whether somebody took the change.
func (c *caller) end(ctx context.Context, run *report.Run, change *change) (notified bool) {
	var took atomic.Bool
	patience := c.patience
	if ctx.Err() != nil {
		patience = c.hurry
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(c.hurry, cancel) })()
	for _, o := range c.pings {
		c.calls.Go(func() error { c.ping(limited, o, run, patience/2); return nil })
	}
	for _, o := range c.notes {
		if change == nil {
			break
		}
		c.calls.Go(func() error {
			err := c.post(limited, o.address.String(), "application/json", change.json())
			if err == nil {
				took.Store(true)
			} else {
				c.warn(fmt.Sprintf("%s was not told that the state is now %q: %v", o.name, change.Health, err))
			}
			return nil
		})
	}
	_ = c.calls.Wait() // each has said what went wrong
	c.client.CloseIdleConnections()
	return took.Load()
}

// ping tells one outsider how the run ended. The two calls about a run must not
// pass each other, or it would seem to go on for ever.
func (c *caller) ping(ctx context.Context, o *outsider, run *report.Run, patience time.Duration) {
	if o.begun != nil {
		select {
		case <-o.begun:
		case <-time.After(patience):
		case <-ctx.Done():
		}
		o.giveUp()
		<-o.begun
	}
	address := o.address.String()
	if run.Outcome != report.Done && run.Outcome != report.Degraded {
		address = below(o.address, "fail")
	}
	if err := c.post(ctx, address, "text/plain; charset=utf-8", account(run, c.env)); err != nil {
		c.warn(fmt.Sprintf("%s was not told how the run ended: %v", o.name, err))
	} else if o.atBegin != nil {
		c.warn(fmt.Sprintf("%s was not told that the run began: %v", o.name, o.atBegin))
	}
}

// post makes one call. Its errors have no word of anybody else's.
func (c *caller) post(ctx context.Context, address, kind string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("that is not an address")
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("User-Agent", hackage.UserAgent(c.env.Version))
	response, err := c.client.Do(request)
	if err != nil {
		return errors.New(reason(err))
	}
	defer func() { _ = response.Body.Close() }()
	// What it says beyond the code is not read: it may take its time for that.
	switch code := response.StatusCode; {
	case code/100 == 3:
		return fmt.Errorf("the answer is a redirect (%d), and none is followed; give the address that it leads to", code)
	case code/100 != 2:
		return fmt.Errorf("the answer is %d %s", code, http.StatusText(code))
	}
	return nil
}

// reason says in words of our own why a call failed.
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
func account(run *report.Run, env Env) []byte {
	first := string(run.Outcome)
	if run.Outcome == report.Degraded {
		first = strings.TrimSuffix(lookAtThis, ": ")
	}
	lines := []string{run.Tool + ": " + first}
	for line := range strings.Lines(run.Error) {
		lines = append(lines, report.Line(line))
	}
	if page := report.RunPage(env.Getenv); page != "" {
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
