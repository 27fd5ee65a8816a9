package hackagetest

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
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
	close   sync.Once

	mu     sync.Mutex
	shown  *Generation
	faults []*placed
	log    []*Request
}

// placed is a fault on a pattern with the number of times left.
type placed struct {
	Fault
	pattern string
	left    int
}

// Handler returns a new handler of h, without faults.
func (h *Hackage) Handler() *Handler {
	return &Handler{current: h.Generation, done: make(chan struct{})}
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
func (h *Handler) Close() { h.close.Do(func() { close(h.done) }) }

// Show serves g from now on, whatever the Hackage becomes; nil serves the
// Hackage again.
func (h *Handler) Show(g *Generation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shown = g
}

// Fault lets something go wrong with the paths of a pattern. One that ends in a
// slash takes all paths below it ("/" every path), any other is that of
// path.Match: "/*.json", "/package/foo-1.0.tar.gz". Of several faults that fit
// a request, the one placed first happens, until its times are over.
func (h *Handler) Fault(pattern string, f Fault) {
	if _, err := path.Match(pattern, ""); err != nil || !strings.HasPrefix(pattern, "/") {
		panic(fmt.Sprintf("hackagetest: bad pattern %q of a fault", pattern))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, &placed{Fault: f, pattern: pattern, left: f.times})
}

// Heal takes all faults away.
func (h *Handler) Heal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := &recorder{ResponseWriter: w, handler: h, request: h.record(r), context: r.Context(), stopAt: -1}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		out.refuse(http.StatusMethodNotAllowed, http.Header{})
		return
	}
	h.mu.Lock()
	g := h.shown
	h.mu.Unlock()
	if g == nil {
		g = h.current()
	}
	a := answer{header: w.Header(), path: strings.TrimPrefix(r.URL.Path, "/"), stopAt: -1}
	a.file, a.status = g.files()[a.path], g.withdrawn(a.path)
	r = r.Clone(r.Context())
	if f, ok := h.due(r); ok {
		f.apply(r, &a)
	}
	out.send(r, a)
}

// due finds the fault that happens to a request and counts it.
func (h *Handler) due(r *http.Request) (Fault, bool) {
	control := r.Header.Get("Cache-Control")
	fresh := strings.Contains(control, "max-age=0") || strings.Contains(control, "no-cache")
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.faults {
		if !matches(f.pattern, r.URL.Path) || f.cachedOnly && fresh ||
			f.rangesOnly && r.Header.Get("Range") == "" || f.times > 0 && f.left == 0 {
			continue
		}
		f.left--
		return f.Fault, true
	}
	return Fault{}, false
}

// matches says whether a path fits a pattern as Handler.Fault has them.
func matches(pattern, name string) bool {
	if strings.HasSuffix(pattern, "/") {
		return strings.HasPrefix(name, pattern)
	}
	ok, _ := path.Match(pattern, name)
	return ok
}

// send writes an answer.
func (w *recorder) send(r *http.Request, a answer) {
	if w.stopAt, w.stall = a.stopAt, a.stall; w.stall && w.stopAt == 0 {
		w.wait()
	}
	if a.status == 0 && a.file == nil {
		a.status = http.StatusNotFound
	}
	if a.status != 0 {
		w.refuse(a.status, a.header)
		return
	}
	a.header.Set("ETag", `"`+hex.EncodeToString(a.file.md5[:])+`"`)
	types := map[string]string{".json": "application/json", ".tar": "application/x-tar", ".gz": "application/x-gzip"}
	a.header.Set("Content-Type", types[path.Ext(a.path)])
	a.header.Set("Cache-Control", "public, no-transform, max-age=60")
	if strings.HasPrefix(a.path, "package/") {
		a.header.Set("Cache-Control", "public, no-transform, max-age=2592000")
	}
	if a.edit == nil {
		http.ServeContent(w, r, "", time.Time{}, a.file.reader())
		return
	}
	right := httptest.NewRecorder()
	maps.Copy(right.Header(), a.header)
	http.ServeContent(right, r, "", time.Time{}, a.file.reader())
	maps.Copy(a.header, right.Header())
	body := a.edit(right.Body.Bytes())
	a.header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(right.Code)
	_, _ = w.Write(body) // the client sees what is lacking
}

// refuse writes a status with its name as text.
func (w *recorder) refuse(status int, header http.Header) {
	header.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	if w.request.Method != http.MethodHead && status != http.StatusNotModified {
		fmt.Fprintln(w, status, http.StatusText(status))
	}
}
