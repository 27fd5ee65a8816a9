package hackagetest

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Handler serves a Hackage as it is at each request, in the layout of
// hackage.haskell.org: what Generation.Paths lists, with ETag, If-None-Match, Range
// and Cache-Control as real Hackage has.
type Handler struct {
	current func() *Generation
	done    chan struct{}
	close   func()

	mu     sync.Mutex
	shown  *Generation
	faults []Fault
	log    []*Request
}

// A Request is one that a Handler got, and what it answered.
type Request struct {
	Method, Path string
	Header       http.Header
	// Status is that of the answer, 0 while there is none.
	Status int
	// Bytes is how much of a body was sent.
	Bytes int64
}

// Handler returns a new handler of h, without faults.
func (h *Hackage) Handler() *Handler {
	done := make(chan struct{})
	return &Handler{current: h.Generation, done: done, close: sync.OnceFunc(func() { close(done) })}
}

// A Server is a Handler that listens on loopback.
type Server struct {
	*Handler
	// URL is the repository's address, without a slash at the end.
	URL string

	http *httptest.Server
}

// Serve starts a server of h on a port that the system picks. Close ends it.
func (h *Hackage) Serve() *Server {
	handler := h.Handler()
	s := httptest.NewServer(handler)
	return &Server{Handler: handler, URL: s.URL, http: s}
}

// Close ends stalled answers and the server.
func (s *Server) Close() {
	s.Handler.Close()
	s.http.Close()
}

// Close ends all stalled answers, now and later.
func (h *Handler) Close() { h.close() }

// Show serves g from now on, whatever the Hackage becomes; nil serves the
// Hackage again.
func (h *Handler) Show(g *Generation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shown = g
}

// Requests lists the requests that fit a pattern (see Handler.Fault) in the
// order of their arrival.
func (h *Handler) Requests(pattern string) []Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []Request
	for _, r := range h.log {
		if matches(pattern, r.Path) {
			list = append(list, *r)
		}
	}
	return list
}

// Count returns the number of requests that fit a pattern.
func (h *Handler) Count(pattern string) int { return len(h.Requests(pattern)) }

// Bytes returns how many bytes of bodies were sent for a pattern.
func (h *Handler) Bytes(pattern string) (sum int64) {
	for _, r := range h.Requests(pattern) {
		sum += r.Bytes
	}
	return sum
}

// Forget empties the log.
func (h *Handler) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &answer{
		ResponseWriter: w, handler: h, path: strings.TrimPrefix(r.URL.Path, "/"), stopAt: -1,
		request: r.Clone(r.Context()), logged: &Request{Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone()},
	}
	h.mu.Lock()
	h.log = append(h.log, a.logged)
	g := h.shown
	h.mu.Unlock()
	if g == nil {
		g = h.current()
	}
	a.file, a.status = g.files()[a.path], g.withdrawn(a.path)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		a.status = http.StatusMethodNotAllowed
	} else if apply := h.due(r); apply != nil {
		apply(a)
	}
	a.send()
}

// due finds the fault that happens to a request, and counts it.
func (h *Handler) due(r *http.Request) func(*answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.faults {
		f := h.faults[i]
		if !matches(f.pattern, r.URL.Path) || f.spares != nil && f.spares(r) {
			continue
		}
		if h.faults[i].times--; f.times == 1 {
			h.faults = slices.Delete(h.faults, i, i+1)
		}
		return f.apply
	}
	return nil
}

// matches says whether a path fits a pattern as Handler.Fault has them.
func matches(pattern, name string) bool {
	if strings.HasSuffix(pattern, "/") {
		return strings.HasPrefix(name, pattern)
	}
	ok, _ := path.Match(pattern, name)
	return ok
}

// An answer is what a handler is about to send. What is sent is logged before, so
// that a client which has it finds it in the log.
type answer struct {
	http.ResponseWriter
	handler *Handler
	request *http.Request // a copy, which a fault may edit
	logged  *Request
	path    string
	file    *content
	status  int   // if not 0, instead of the file
	stopAt  int64 // bytes of body before the answer stops, -1 for never
	stall   bool  // and then waits, and does not end the connection
	// edit, if it is set, changes the body after its header was made.
	edit func(body []byte) []byte
}

// send writes an answer.
func (a *answer) send() {
	if a.stall && a.stopAt == 0 {
		a.wait()
	}
	if a.status == 0 && a.file == nil {
		a.status = http.StatusNotFound
	}
	if a.status != 0 {
		http.Error(a, fmt.Sprint(a.status, " ", http.StatusText(a.status)), a.status)
		return
	}
	header := a.Header()
	header.Set("ETag", `"`+hex.EncodeToString(a.file.md5[:])+`"`)
	types := map[string]string{".json": "application/json", ".tar": "application/x-tar", ".gz": "application/x-gzip"}
	header.Set("Content-Type", types[path.Ext(a.path)])
	header.Set("Cache-Control", "public, no-transform, max-age=60")
	if strings.HasPrefix(a.path, "package/") {
		header.Set("Cache-Control", "public, no-transform, max-age=2592000")
	}
	if a.edit == nil {
		http.ServeContent(a, a.request, "", time.Time{}, a.file.reader())
		return
	}
	right := httptest.NewRecorder()
	maps.Copy(right.Header(), header)
	http.ServeContent(right, a.request, "", time.Time{}, a.file.reader())
	maps.Copy(header, right.Header())
	body := a.edit(right.Body.Bytes())
	header.Set("Content-Length", strconv.Itoa(len(body)))
	a.WriteHeader(right.Code)
	_, _ = a.Write(body) // the client sees what is lacking
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	a.handler.mu.Lock()
	a.logged.Status = status
	a.handler.mu.Unlock()
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.handler.mu.Lock()
	stops := a.stopAt >= 0 && a.logged.Bytes+int64(len(p)) > a.stopAt
	if stops {
		p = p[:a.stopAt-a.logged.Bytes]
	}
	a.logged.Bytes += int64(len(p))
	a.handler.mu.Unlock()
	n, err := a.ResponseWriter.Write(p)
	if err != nil || !stops {
		return n, err
	}
	// What was written must leave before the connection goes.
	if err := http.NewResponseController(a.ResponseWriter).Flush(); err != nil {
		return n, err
	}
	if a.stall {
		a.wait()
	}
	panic(http.ErrAbortHandler)
}

// wait keeps the answer back until the client or the handler gives up.
func (a *answer) wait() {
	select {
	case <-a.request.Context().Done():
	case <-a.handler.done:
	}
	panic(http.ErrAbortHandler)
}
