package hackage

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
)

// maxRedirects is how many redirects one request follows. Hackage needs one.
const maxRedirects = 5

// web is a repository behind HTTP.
type web struct {
	base     *url.URL
	client   *http.Client
	agent    string
	auth     string // header Authorization, "" for none
	now      func() time.Time
	patience time.Duration
}

func newWeb(base *url.URL, o Options) *web {
	transport := o.transport
	if transport == nil {
		transport = newTransport(o.Timeout)
	}
	auth := ""
	if o.User != "" {
		auth = "Basic " + base64.StdEncoding.EncodeToString(append([]byte(o.User+":"), o.Password...))
	}
	return &web{
		auth:     auth,
		base:     base,
		client:   &http.Client{Transport: transport, CheckRedirect: checkRedirect},
		agent:    o.UserAgent,
		now:      o.Now,
		patience: o.Patience,
	}
}

// newTransport returns a transport of our own: the default one is shared with
// whatever else runs in the process, keeps only two idle connections to a host,
// and asks for compression, which would not leave the bytes as they were signed.
// The watchdog of each attempt bounds the wait for an answer's header and body.
func newTransport(timeout time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: min(timeout, 15*time.Second), KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: timeout / 2, PingTimeout: timeout / 2},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    min(timeout, 15*time.Second),
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    64,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
}

// checkRedirect follows a few redirects, and none that gives up encryption. The
// password is for upstream's own origin: the client would take it along to another
// port of its host and to hosts below it.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if origin(via[0].URL) != origin(req.URL) {
		req.Header.Del("Authorization")
	}
	last := via[len(via)-1].URL
	switch {
	case len(via) > maxRedirects:
		return backoff.Permanent(fmt.Errorf("more than %d redirects, the last to %s", maxRedirects, addresses.Public(req.URL)))
	case req.URL.Scheme != "https" && req.URL.Scheme != "http":
		return backoff.Permanent(fmt.Errorf("redirected to %s, which is not a web address", addresses.Public(req.URL)))
	case last.Scheme == "https" && req.URL.Scheme == "http":
		return backoff.Permanent(fmt.Errorf("redirected from https to %s, which is not encrypted", addresses.Public(req.URL)))
	}
	return nil
}

// checkHome is checkRedirect for what only upstream's own host may send.
func checkHome(req *http.Request, via []*http.Request) error {
	if from, to := origin(via[0].URL), origin(req.URL); from != to {
		return backoff.Permanent(fmt.Errorf("redirected to %s; this file is unsigned, so it is accepted only from upstream's own host", addresses.Public(req.URL)))
	}
	return checkRedirect(req, via)
}

// origin is an address's host, and its port unless that is the scheme's own: http
// may become https.
func origin(u *url.URL) string {
	port := u.Port()
	if u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		port = ""
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

func (w *web) open(ctx context.Context, r request) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base.JoinPath(r.key).String(), nil)
	if err != nil {
		return nil, backoff.Permanent(errors.New("make a request of the address: it is not a URL"))
	}
	req.Header.Set("User-Agent", w.agent)
	if w.auth != "" {
		req.Header.Set("Authorization", w.auth) // see checkRedirect
	}
	// Said aloud, because some caches take silence for "anything goes".
	req.Header.Set("Accept-Encoding", "identity")
	if r.fresh {
		req.Header.Set("Cache-Control", "max-age=0")
	}
	if validETag(r.etag) {
		req.Header.Set("If-None-Match", r.etag)
	}
	if r.part {
		// No If-Range: what arrives proves itself.
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", r.offset, r.offset+r.limit-1))
	}
	client := *w.client
	if r.home {
		client.CheckRedirect = checkHome
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, transportError(err)
	}
	a, err := w.read(r, req, resp)
	if err != nil || a.body == nil {
		// Nothing of value is in it; the connection is given up rather than
		// read on for an end that may be far.
		_ = resp.Body.Close()
	}
	return a, err
}

// read makes an answer of a response.
func (w *web) read(r request, req *http.Request, resp *http.Response) (*answer, error) {
	if resp.StatusCode == http.StatusNotModified && req.Header.Get("If-None-Match") != "" {
		return &answer{etag: req.Header.Get("If-None-Match")}, nil
	}
	switch {
	case r.part:
		if err := w.checkPart(r, resp); err != nil {
			return nil, err
		}
	case resp.StatusCode != http.StatusOK:
		return nil, w.statusError(resp)
	}
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, backoff.Permanent(fmt.Errorf("sent with Content-Encoding %.40q, but signed bytes must arrive verbatim: "+
			"turn off compression in the server, proxy or cache that adds it", coding))
	}
	return &answer{
		body:     resp.Body,
		size:     resp.ContentLength,
		unframed: resp.ContentLength < 0 && resp.ProtoMajor == 1 && len(resp.TransferEncoding) == 0,
		etag:     resp.Header.Get("ETag"),
	}, nil
}

// validETag reports whether etag can be sent back. It may come from a file that
// others can write.
func validETag(etag string) bool {
	opaque, ok := strings.CutPrefix(strings.TrimPrefix(etag, "W/"), `"`)
	if !ok || len(etag) > 256 || !strings.HasSuffix(opaque, `"`) {
		return false
	}
	for _, c := range []byte(strings.TrimSuffix(opaque, `"`)) {
		if c <= ' ' || c == '"' || c >= 0x7f {
			return false
		}
	}
	return true
}

// transportError takes the address out of the client's error, because it may
// hold credentials and the caller names the file anyway. A certificate that does
// not verify will not do so in a second either.
func transportError(err error) error {
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return backoff.Permanent(fmt.Errorf("%w: check the address, the clock and the installed certificates", err))
	}
	return err
}

func (w *web) name(key string) string { return addresses.Public(w.base.JoinPath(key)) }

func (w *web) String() string { return addresses.Public(w.base) }
