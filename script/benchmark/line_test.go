package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestLineCarriesAndCounts: what goes over a line comes out as it was, and not
// before it was there and back thrice: once to be opened, twice to be asked.
func TestLineCarriesAndCounts(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64 // a busy client may open one for each request
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all, _ := io.ReadAll(r.Body)
		_, _ = w.Write(all) // the client says what did not arrive
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	const rtt = 40 * time.Millisecond
	l, err := newLine(s.Listener.Addr().String(), rtt)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sent, begun := strings.Repeat("to and fro\n", 1<<16), time.Now()
	for range 2 {
		answer, err := http.Post("http://"+l.Addr().String(), "text/plain", strings.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(answer.Body); err != nil || string(got) != sent {
			t.Errorf("%d bytes came back of %d: %v", len(got), len(sent), err)
		}
		_ = answer.Body.Close()
	}
	if took := time.Since(begun); took < 3*rtt {
		t.Errorf("it took %s", took)
	}
	if n, m := l.requests.Load(), l.connections.Load(); n != 2 || m != opened.Load() {
		t.Errorf("%d requests over %d connections, and the server saw %d", n, m, opened.Load())
	}
}
