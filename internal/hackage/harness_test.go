package hackage

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// notes collects what Options.Notify is told.
type notes struct {
	mu   sync.Mutex
	list []Retry
}

func (n *notes) add(r Retry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, r)
}

func (n *notes) all() []Retry {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Retry(nil), n.list...)
}

// hasty are options for tests: h's keys and clock, and hardly any wait.
func hasty(h *hackagetest.Hackage) Options {
	return Options{
		Pinned:    tuf.Pinned{KeyIDs: h.KeyIDs(), Threshold: h.Threshold()},
		Now:       h.Now,
		FirstWait: time.Millisecond,
		Timeout:   time.Minute,
	}
}

// serve serves h and ends with the test.
func serve(t *testing.T, h *hackagetest.Hackage) *hackagetest.Server {
	t.Helper()
	s := h.Serve()
	t.Cleanup(s.Close)
	return s
}

// inMemory is the address of a server that serveInMemory made.
const inMemory = "http://upstream.example"

// serveInMemory serves h over connections that no system's buffers are part of, so that
// a test with a clock of its own (synctest) can wait for them. The options get the way
// there.
func serveInMemory(t *testing.T, h *hackagetest.Hackage, o *Options) *hackagetest.Handler {
	t.Helper()
	handler := h.Handler()
	pipes := &pipes{dialled: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(pipes) }() // until it is closed
	transport := newTransport(o.Timeout)
	transport.Proxy = nil
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case pipes.dialled <- theirs:
			return ours, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	o.transport = transport
	t.Cleanup(func() {
		handler.Close()
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return handler
}

// pipes are a net.Listener in memory.
type pipes struct {
	dialled chan net.Conn
	closed  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialled:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func open(t *testing.T, address string, o Options) *Upstream {
	t.Helper()
	u, err := Open(address, o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func metadata(t *testing.T, u *Upstream, seen state.Seen) *Metadata {
	t.Helper()
	m, err := u.Metadata(t.Context(), seen)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// both runs a test on the generation over HTTP and as a folder, which must not
// differ.
func both(t *testing.T, h *hackagetest.Hackage, g *hackagetest.Generation, o Options, test func(t *testing.T, u *Upstream)) {
	t.Helper()
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		s := serve(t, h)
		s.Show(g)
		test(t, open(t, s.URL, o))
	})
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := g.Write(dir); err != nil {
			t.Fatal(err)
		}
		test(t, open(t, dir, o))
	})
}

// target returns what the index of g signs for a release.
func target(g *hackagetest.Generation, r index.Release) index.Target {
	raw := g.Tarball(r)
	return index.Target{Length: int64(len(raw)), SHA256: sum(raw)}
}

// alpha is a release of hackagetest.Small.
func alpha() index.Release { return index.Release{Package: "alpha", Version: "0.2"} }

// fetchTarball returns what the last sink got.
func fetchTarball(ctx context.Context, u *Upstream, r index.Release, want index.Target) ([]byte, error) {
	var last *bytes.Buffer
	err := u.Tarball(ctx, r, want, func() io.Writer {
		last = &bytes.Buffer{}
		return last
	})
	if last == nil {
		return nil, err
	}
	return last.Bytes(), err
}

// roundTrip is a network of one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// respond makes a response to req.
func respond(req *http.Request, status int, body io.Reader, header ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(body), ContentLength: -1, Request: req,
	}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}
