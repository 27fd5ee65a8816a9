package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
)

// A gate stands before an S3 server and counts.
type gate struct {
	server *httptest.Server
	mu     sync.Mutex
	counts traffic // by method; the bytes are those of both directions
}

// newGate returns a gate before the server at an URL.
func newGate(server string) (*gate, error) {
	target, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	g := &gate{counts: traffic{}}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // which is signed
	}}
	g.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.add(r.Method, count{requests: 1})
		r.Body = &countedBody{r.Body, func(n int64) { g.add(r.Method, count{bytes: n}) }}
		proxy.ServeHTTP(&countedAnswer{w, func(n int64) { g.add(r.Method, count{bytes: n}) }}, r)
	}))
	return g, nil
}

func (g *gate) add(method string, c count) {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := g.counts[method]
	g.counts[method] = count{sum.requests + c.requests, sum.bytes + c.bytes}
}

// take returns the counts and sets them to zero.
func (g *gate) take() traffic {
	g.mu.Lock()
	defer g.mu.Unlock()
	counts := g.counts
	g.counts = traffic{}
	return counts
}

type countedBody struct {
	io.ReadCloser
	add func(int64)
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.add(int64(n))
	return n, err
}

type countedAnswer struct {
	http.ResponseWriter
	add func(int64)
}

func (a *countedAnswer) Write(p []byte) (int, error) {
	n, err := a.ResponseWriter.Write(p)
	a.add(int64(n))
	return n, err
}

// Unwrap lets the proxy flush.
func (a *countedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
