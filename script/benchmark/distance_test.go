package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestLineCarriesAndCounts: what goes over a line comes out as it was, and not
// before it was there and back thrice: once to be opened, twice to be asked.
func TestLineCarriesAndCounts(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all, _ := io.ReadAll(r.Body)
		_, _ = w.Write(all) // the client says what did not arrive
	}))
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
	if n, m := l.requests.Load(), l.connections.Load(); n != 2 || m != 1 {
		t.Errorf("%d requests over %d connections", n, m)
	}
}
