package hackagetest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A Fault is something that goes wrong with an answer. It lasts for ever unless
// Times says how often.
type Fault struct {
	times      int
	cachedOnly bool
	rangesOnly bool
	apply      func(r *http.Request, a *answer)
}

// answer is what a handler is about to send. A fault may also edit the request,
// which is a copy.
type answer struct {
	status int // if not 0, instead of the file
	header http.Header
	path   string
	file   *content
	stopAt int64 // bytes of body before the answer stops, -1 for never
	stall  bool  // and then waits, and does not end the connection
	// edit, if it is set, changes the body after its header was made.
	edit func(body []byte) []byte
}

// Times lets the fault happen to the first n requests only.
func (f Fault) Times(n int) Fault {
	f.times = n
	return f
}

// UnlessFresh makes the fault one of a cache on the way: a request with
// Cache-Control max-age=0 or no-cache is spared and not counted.
func (f Fault) UnlessFresh() Fault {
	f.cachedOnly = true
	return f
}

// OfRanges makes the fault one of answers to requests for a part: a request
// without a Range is spared and not counted.
func (f Fault) OfRanges() Fault {
	f.rangesOnly = true
	return f
}

// RetryAfter adds a Retry-After header: seconds or an HTTP date.
func (f Fault) RetryAfter(value string) Fault {
	before := f.apply
	f.apply = func(r *http.Request, a *answer) {
		before(r, a)
		a.header.Set("Retry-After", value)
	}
	return f
}

// Status answers with a status and a short text instead of the file.
func Status(code int) Fault {
	return Fault{apply: func(_ *http.Request, a *answer) { a.status = code }}
}

// Stall takes the request and never answers, until the client gives up or the
// handler is closed.
func Stall() Fault { return StallAfter(0) }

// StallAfter sends the header and n bytes of the body and then nothing more,
// until the client gives up or the handler is closed. With n = 0 not even the
// header is sent.
func StallAfter(n int64) Fault {
	return Fault{apply: func(_ *http.Request, a *answer) { a.stopAt, a.stall = n, true }}
}

// Cut announces the whole length, sends n bytes of the body and closes the
// connection.
func Cut(n int64) Fault {
	return Fault{apply: func(_ *http.Request, a *answer) { a.stopAt = n }}
}

// Corrupt flips all bits of the file's byte at offset; a negative one counts
// from the end, one past either end is the byte there. Length and ETag stay
// those of the right file.
func Corrupt(offset int64) Fault {
	return alter(func(raw []byte) []byte {
		at := offset
		if at < 0 {
			at += int64(len(raw))
		}
		if len(raw) > 0 {
			raw[max(0, min(at, int64(len(raw)-1)))] ^= 0xff
		}
		return raw
	})
}

// Shorten serves only the file's first n bytes, as if they were all of it.
func Shorten(n int) Fault {
	return alter(func(raw []byte) []byte { return raw[:min(n, len(raw))] })
}

// Lengthen serves the file with n zero bytes behind it, as if they were part of
// it.
func Lengthen(n int) Fault {
	return alter(func(raw []byte) []byte { return append(raw, make([]byte, n)...) })
}

// alter serves another file under the ETag of the right one.
func alter(change func(raw []byte) []byte) Fault {
	return Fault{apply: func(_ *http.Request, a *answer) {
		if a.file != nil {
			tag := a.file.md5
			a.file = newContent(change(a.file.bytes()))
			a.file.md5 = tag
		}
	}}
}

// Stale serves the file as it was at g, from a cache: a request with
// Cache-Control max-age=0 gets the present one.
func Stale(g *Generation) Fault {
	return Fault{cachedOnly: true, apply: func(_ *http.Request, a *answer) {
		a.file = g.files()[a.path]
		a.status = g.withdrawn(a.path)
	}}
}

// IgnoreRange answers a request for a part with the whole file and status 200.
func IgnoreRange() Fault {
	return Fault{apply: func(r *http.Request, _ *answer) { r.Header.Del("Range") }}
}

// WrongRange answers a request for a part with another part of the same length
// and says so in Content-Range: the file's start, or, if that was asked for,
// what is one byte further.
func WrongRange() Fault {
	return Fault{apply: func(r *http.Request, _ *answer) {
		var first, last int64
		asked := r.Header.Get("Range")
		switch n, _ := fmt.Sscanf(asked, "bytes=%d-%d", &first, &last); {
		case n == 2 && first > 0:
			r.Header.Set("Range", fmt.Sprintf("bytes=0-%d", last-first))
		case n == 2:
			r.Header.Set("Range", fmt.Sprintf("bytes=1-%d", last+1))
		case n == 1 && first > 0:
			r.Header.Set("Range", "bytes=0-")
		case n == 1:
			r.Header.Set("Range", "bytes=1-")
		}
	}}
}

// ShiftRange answers a request for a part with bytes from n further on, though
// Content-Range says that it is what was asked for. Behind the file's end it goes
// on at its start.
func ShiftRange(n int) Fault {
	return alter(func(raw []byte) []byte {
		at := n % max(1, len(raw))
		if at < 0 {
			at += len(raw)
		}
		return slices.Concat(raw[at:], raw[:at])
	}).OfRanges()
}

// MiscountRange answers a request for a part with n bytes fewer than Content-Range
// says, or with zeros behind it if n is negative. Content-Length is true.
func MiscountRange(n int64) Fault {
	return Fault{apply: func(_ *http.Request, a *answer) {
		a.edit = func(body []byte) []byte {
			if n < 0 {
				return append(body, make([]byte, -n)...)
			}
			return body[:max(0, int64(len(body))-n)]
		}
	}}.OfRanges()
}

// Redirect sends the client to another base address, keeping the path.
func Redirect(base string) Fault {
	return Fault{apply: func(r *http.Request, a *answer) {
		a.status = http.StatusFound
		a.header.Set("Location", strings.TrimSuffix(base, "/")+r.URL.Path)
	}}
}

// RedirectLoop sends the client to where it is.
func RedirectLoop() Fault { return Redirect("") }
