package hackagetest

import (
	"context"
	"net/http"
	"strconv"
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

// recorder is a response writer that notes what it sends and can stop midway.
type recorder struct {
	http.ResponseWriter
	handler *Handler
	request *Request
	context context.Context
	stallAt int64
	cutAt   int64
	sent    int64
	// miscount is by how much the body is to be shorter than it would be, and
	// left is how much may still be sent then.
	miscount, left int64
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	w.handler.mu.Lock()
	w.request.Status = status
	w.handler.mu.Unlock()
	if length, err := strconv.ParseInt(w.Header().Get("Content-Length"), 10, 64); err == nil && w.miscount != 0 {
		w.left = max(0, length-w.miscount)
		w.Header().Set("Content-Length", strconv.FormatInt(w.left, 10))
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(p []byte) (int, error) {
	if w.miscount != 0 {
		return w.writeSome(p)
	}
	return w.write(p)
}

// writeSome sends what a miscounted body may still have, and drops the rest.
func (w *recorder) writeSome(p []byte) (int, error) {
	some := p[:min(int64(len(p)), w.left)]
	w.left -= int64(len(some))
	if _, err := w.write(some); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *recorder) write(p []byte) (int, error) {
	rest, stopped := w.allowed(len(p))
	w.sent += int64(rest)
	w.handler.mu.Lock()
	w.request.Bytes = w.sent
	w.handler.mu.Unlock()
	n, err := w.ResponseWriter.Write(p[:rest])
	if err != nil || !stopped {
		return n, err
	}
	// What was written must leave before the connection goes.
	if err := http.NewResponseController(w.ResponseWriter).Flush(); err != nil {
		return n, err
	}
	if w.sent == w.stallAt {
		w.wait()
	}
	panic(http.ErrAbortHandler)
}

// allowed says how many of n further bytes may be sent, and whether the answer
// stops there.
func (w *recorder) allowed(n int) (int, bool) {
	for _, limit := range []int64{w.stallAt, w.cutAt} {
		if limit >= 0 && w.sent+int64(n) > limit {
			return int(limit - w.sent), true
		}
	}
	return n, false
}

// wait holds the answer until the client or the handler gives up.
func (w *recorder) wait() {
	select {
	case <-w.context.Done():
	case <-w.handler.done:
	}
	panic(http.ErrAbortHandler)
}
