package hackagetest

import (
	"context"
	"net/http"
)

// A Request is one that a Handler got, and what it answered.
type Request struct {
	Method, Path            string
	UserAgent, CacheControl string
	Range, IfNoneMatch      string
	// Header is the request's whole header.
	Header http.Header
	// Status is that of the answer, 0 while there is none.
	Status int
	// Bytes is how much of a body was sent.
	Bytes int64
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

// record puts a request into the log. What is sent is noted before it is sent,
// so that a client which has an answer finds it in the log.
func (h *Handler) record(r *http.Request) *Request {
	logged := &Request{
		Method:       r.Method,
		Path:         r.URL.Path,
		UserAgent:    r.UserAgent(),
		CacheControl: r.Header.Get("Cache-Control"),
		Range:        r.Header.Get("Range"),
		IfNoneMatch:  r.Header.Get("If-None-Match"),
		Header:       r.Header.Clone(),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = append(h.log, logged)
	return logged
}

// recorder is a response writer that logs what it sends and can stop midway.
type recorder struct {
	http.ResponseWriter
	handler *Handler
	request *Request
	context context.Context
	stopAt  int64 // as in answer
	stall   bool
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	w.handler.mu.Lock()
	w.request.Status = status
	w.handler.mu.Unlock()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(p []byte) (int, error) {
	w.handler.mu.Lock()
	stops := w.stopAt >= 0 && w.request.Bytes+int64(len(p)) > w.stopAt
	if stops {
		p = p[:w.stopAt-w.request.Bytes]
	}
	w.request.Bytes += int64(len(p))
	w.handler.mu.Unlock()
	n, err := w.ResponseWriter.Write(p)
	if err != nil || !stops {
		return n, err
	}
	// What was written must leave before the connection goes.
	if err := http.NewResponseController(w.ResponseWriter).Flush(); err != nil {
		return n, err
	}
	if w.stall {
		w.wait()
	}
	panic(http.ErrAbortHandler)
}

// wait holds the answer until the client or the handler gives up.
func (w *recorder) wait() {
	select {
	case <-w.context.Done():
	case <-w.handler.done:
	}
	panic(http.ErrAbortHandler)
}
