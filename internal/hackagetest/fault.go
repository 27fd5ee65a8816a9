package hackagetest

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
)

// A Fault is something that goes wrong with an answer. It lasts for ever unless
// Times says how often.
type Fault struct {
	pattern string
	times   int
	spares  func(*http.Request) bool // these requests are not counted either
	apply   func(*answer)
}

// Fault lets something go wrong with the paths of a pattern. One that ends in a
// slash is of all paths below it ("/" every path), any other is that of
// path.Match: "/*.json", "/package/foo-1.0.tar.gz". Of several faults that fit
// a request, the one given first happens, until its times are over.
func (h *Handler) Fault(pattern string, f Fault) {
	if _, err := path.Match(pattern, ""); err != nil || !strings.HasPrefix(pattern, "/") {
		panic(fmt.Sprintf("hackagetest: bad pattern %q of a fault", pattern))
	}
	f.pattern = pattern
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, f)
}

// Heal ends all faults.
func (h *Handler) Heal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = nil
}

// Times lets the fault happen to the first n requests only.
func (f Fault) Times(n int) Fault {
	f.times = n
	return f
}

// UnlessFresh makes the fault one of a cache on the way: a request with
// Cache-Control max-age=0 is spared.
func (f Fault) UnlessFresh() Fault {
	f.spares = func(r *http.Request) bool { return r.Header.Get("Cache-Control") == "max-age=0" }
	return f
}

// OfRanges makes the fault one of answers to requests for a part: a request
// without a Range is spared.
func (f Fault) OfRanges() Fault {
	f.spares = func(r *http.Request) bool { return r.Header.Get("Range") == "" }
	return f
}

// RetryAfter adds a Retry-After header: seconds or an HTTP date.
func (f Fault) RetryAfter(value string) Fault {
	before := f.apply
	f.apply = func(a *answer) {
		before(a)
		a.Header().Set("Retry-After", value)
	}
	return f
}

// Status answers with a status and a short text instead of the file.
func Status(code int) Fault { return Fault{apply: func(a *answer) { a.status = code }} }

// Stall sends the header and n bytes of the body and then nothing more, until the
// client gives up or the handler is closed. With n = 0 not even the header is sent.
func Stall(n int64) Fault {
	return Fault{apply: func(a *answer) { a.stopAt, a.stall = n, true }}
}

// Cut announces the whole length, sends n bytes of the body and closes the
// connection.
func Cut(n int64) Fault { return Fault{apply: func(a *answer) { a.stopAt = n }} }

// Corrupt flips all bits of the file's byte at offset; a negative one counts
// from the end, one past either end is the byte there. Length and ETag stay
// those of the right file.
func Corrupt(offset int) Fault {
	return alter(func(raw []byte) []byte {
		at := offset
		if at < 0 {
			at += len(raw)
		}
		raw[max(0, min(at, len(raw)-1))] ^= 0xff
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
	return Fault{apply: func(a *answer) {
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
	return Fault{apply: func(a *answer) { a.file, a.status = g.files()[a.path], g.withdrawn(a.path) }}.UnlessFresh()
}

// IgnoreRange answers a request for a part with the whole file and status 200.
func IgnoreRange() Fault { return Fault{apply: func(a *answer) { a.request.Header.Del("Range") }} }

// WrongRange answers a request for a part with another part of the same length
// and says so in Content-Range: it begins one byte earlier, or, if the file's start
// was asked for, one byte later.
func WrongRange() Fault {
	return Fault{apply: func(a *answer) {
		var first, last int64
		n, _ := fmt.Sscanf(a.request.Header.Get("Range"), "bytes=%d-%d", &first, &last)
		step := int64(1)
		if first > 0 {
			step = -1
		}
		part := fmt.Sprintf("bytes=%d-", first+step)
		if n == 2 {
			part += fmt.Sprint(last + step)
		}
		a.request.Header.Set("Range", part)
	}}.OfRanges()
}

// ShiftRange answers a request for a part with bytes from n further on, though
// Content-Range says that it is what was asked for. Behind the file's end it goes
// on at its start.
func ShiftRange(n int) Fault {
	return alter(func(raw []byte) []byte {
		at := (n%len(raw) + len(raw)) % len(raw)
		return slices.Concat(raw[at:], raw[:at])
	}).OfRanges()
}

// MiscountRange answers a request for a part with n bytes fewer than Content-Range
// says, or with zeros behind it if n is negative. Content-Length is true.
func MiscountRange(n int) Fault {
	return Fault{apply: func(a *answer) {
		a.edit = func(body []byte) []byte {
			return append(body, make([]byte, max(0, -n))...)[:max(0, len(body)-n)]
		}
	}}.OfRanges()
}

// Redirect sends the client to another base address, keeping the path. The empty one
// is where it is, again and again.
func Redirect(base string) Fault {
	return Fault{apply: func(a *answer) {
		a.status = http.StatusFound
		a.Header().Set("Location", strings.TrimSuffix(base, "/")+a.request.URL.Path)
	}}
}
