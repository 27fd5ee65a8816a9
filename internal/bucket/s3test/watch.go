package s3test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// A Watch stands before a server and counts its requests.
type Watch struct {
	// URL is its endpoint.
	URL string
	// Hook, if set, sees each request first and answers it itself if it returns
	// true. Set it while there are none.
	Hook func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests []Request
}

// A Request is what came, without its body.
type Request struct {
	Method string
	Path   string // with the bucket's name in front
	Query  url.Values
	Header http.Header
}

// Operation is the method, or LIST for a GET that lists a bucket's objects.
func (r Request) Operation() string {
	if r.Method == http.MethodGet && (r.Query.Has("list-type") || r.Query.Has("marker") || r.Query.Has("prefix")) {
		return "LIST"
	}
	return r.Method
}

// NewWatch returns a Watch before the server at an URL, which ends with t.
func NewWatch(t testing.TB, server string) *Watch {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // which is signed
	}}
	return NewWatchOf(t, proxy)
}

// NewWatchOf returns a Watch before a handler.
func NewWatchOf(t testing.TB, handler http.Handler) *Watch {
	t.Helper()
	watch := &Watch{}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watch.mu.Lock()
		watch.requests = append(watch.requests, Request{r.Method, r.URL.Path, r.URL.Query(), r.Header.Clone()})
		watch.mu.Unlock()
		if watch.Hook == nil || !watch.Hook(w, r) {
			handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	watch.URL = front.URL
	return watch
}

// Requests returns all requests so far, in the order they came.
func (w *Watch) Requests() []Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}

// Counts returns how many requests there were, by Operation.
func (w *Watch) Counts() map[string]int {
	counts := map[string]int{}
	for _, r := range w.Requests() {
		counts[r.Operation()]++
	}
	return counts
}

// Reset forgets the requests so far.
func (w *Watch) Reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = nil
}
