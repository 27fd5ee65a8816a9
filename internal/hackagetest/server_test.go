package hackagetest_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

const crlf = "/package/crlf-1.0.tar.gz"

// get asks for an address with a header of pairs. It does not follow redirects.
func get(t *testing.T, address string, header map[string]string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range header {
		request.Header.Set(key, value)
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// body reads an answer to its end.
func body(t *testing.T, r *http.Response) []byte {
	t.Helper()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// serve starts a server of a small Hackage for one test.
func serve(t *testing.T) (*hackagetest.Hackage, *hackagetest.Server) {
	t.Helper()
	h := hackagetest.Small()
	s := h.Serve()
	t.Cleanup(s.Close)
	return h, s
}

func TestServesEveryPath(t *testing.T) {
	t.Parallel()
	h, s := serve(t)
	h.Deprecate([]byte("[]"))
	g := h.Generation()
	for _, path := range g.Paths() {
		r := get(t, s.URL+"/"+path, nil)
		if raw := body(t, r); r.StatusCode != 200 || !bytes.Equal(raw, g.File(path)) {
			t.Errorf("%s: status %d, %d bytes", path, r.StatusCode, len(raw))
		}
	}
	for _, path := range []string{"/nothing", "/package/none-1.0.tar.gz", "/package/alpha-0.2/crlf-1.0.tar.gz", "/"} {
		if r := get(t, s.URL+path, nil); r.StatusCode != 404 {
			t.Errorf("%s: status %d", path, r.StatusCode)
		}
	}
	h.Withdraw("crlf", "1.0", 451)
	if r := get(t, s.URL+crlf, nil); r.StatusCode != 451 {
		t.Errorf("withdrawn: status %d", r.StatusCode)
	}
	if r, err := http.Post(s.URL+crlf, "", http.NoBody); err != nil || r.StatusCode != 405 {
		t.Errorf("POST: %v", err)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	h, s := serve(t)
	r := get(t, s.URL+"/timestamp.json", nil)
	sum := md5.Sum(h.Generation().File("timestamp.json"))
	tag := `"` + hex.EncodeToString(sum[:]) + `"`
	for key, want := range map[string]string{
		"ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "public, no-transform, max-age=60",
		"Content-Type": "application/json", "Content-Encoding": "",
	} {
		if got := r.Header.Get(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if r := get(t, s.URL+"/timestamp.json", map[string]string{"If-None-Match": tag}); r.StatusCode != 304 {
		t.Errorf("same ETag: status %d", r.StatusCode)
	}
	h.Resign()
	if r := get(t, s.URL+"/timestamp.json", map[string]string{"If-None-Match": tag}); r.StatusCode != 200 {
		t.Errorf("former ETag: status %d", r.StatusCode)
	}
	r = get(t, s.URL+crlf, map[string]string{"Range": "bytes=2-4"})
	if raw := body(t, r); r.StatusCode != 206 || !bytes.Equal(raw, h.Generation().File(crlf[1:])[2:5]) {
		t.Errorf("range: status %d, %q", r.StatusCode, raw)
	}
	if control := r.Header.Get("Cache-Control"); control != "public, no-transform, max-age=2592000" {
		t.Errorf("tarball: Cache-Control %q", control)
	}
}

func TestRequestLog(t *testing.T) {
	t.Parallel()
	h, s := serve(t)
	header := map[string]string{"User-Agent": "me", "Cache-Control": "max-age=0", "Range": "bytes=0-9", "If-None-Match": "x"}
	body(t, get(t, s.URL+crlf, header))
	body(t, get(t, s.URL+"/root.json", nil))
	got := s.Requests("/package/")
	if len(got) != 1 {
		t.Fatalf("%d requests of packages", len(got))
	}
	r := got[0]
	if r.Method != "GET" || r.Path != crlf || r.Header.Get("User-Agent") != "me" || r.Header.Get("Cache-Control") != "max-age=0" ||
		r.Header.Get("Range") != "bytes=0-9" || r.Header.Get("If-None-Match") != "x" || r.Status != 206 || r.Bytes != 10 {
		t.Errorf("logged %+v", r)
	}
	if n, want := s.Bytes("/*.json"), len(h.Generation().File("root.json")); n != int64(want) || s.Count("/") != 2 {
		t.Errorf("%d requests, %d bytes of metadata, want %d", s.Count("/"), n, want)
	}
	s.Forget()
	if s.Count("/") != 0 {
		t.Error("the log is not empty")
	}
}

func TestFaultTimesAndHeal(t *testing.T) {
	t.Parallel()
	_, s := serve(t)
	s.Fault("/package/", hackagetest.Status(503).RetryAfter("7").Times(1))
	s.Fault(crlf, hackagetest.Status(429).Times(1))
	s.Fault("/*.json", hackagetest.Status(403))
	var got []int
	for range 3 {
		r := get(t, s.URL+crlf, nil)
		got = append(got, r.StatusCode)
		if after := r.Header.Get("Retry-After"); (r.StatusCode == 503) != (after == "7") {
			t.Errorf("status %d: Retry-After %q", r.StatusCode, after)
		}
	}
	if got[0] != 503 || got[1] != 429 || got[2] != 200 {
		t.Errorf("statuses %v", got)
	}
	for range 3 {
		if r := get(t, s.URL+"/root.json", nil); r.StatusCode != 403 {
			t.Errorf("for ever: status %d", r.StatusCode)
		}
	}
	s.Heal()
	if r := get(t, s.URL+"/root.json", nil); r.StatusCode != 200 {
		t.Errorf("healed: status %d", r.StatusCode)
	}
}

func TestFaultsOfTheBody(t *testing.T) {
	t.Parallel()
	h, s := serve(t)
	whole := h.Generation().File(crlf[1:])
	flipped := bytes.Clone(whole)
	flipped[3] ^= 0xff
	last := bytes.Clone(whole)
	last[len(last)-1] ^= 0xff
	for name, c := range map[string]struct {
		fault hackagetest.Fault
		want  []byte
	}{
		"corrupt":      {hackagetest.Corrupt(3), flipped},
		"corrupt last": {hackagetest.Corrupt(-1), last},
		"shorten":      {hackagetest.Shorten(5), whole[:5]},
		"lengthen":     {hackagetest.Lengthen(1), append(bytes.Clone(whole), 0)},
	} {
		s.Fault(crlf, c.fault.Times(1))
		r := get(t, s.URL+crlf, nil)
		if raw := body(t, r); !bytes.Equal(raw, c.want) || r.ContentLength != int64(len(c.want)) {
			t.Errorf("%s: %d bytes of %d", name, len(raw), r.ContentLength)
		}
	}
	if !bytes.Equal(body(t, get(t, s.URL+crlf, nil)), whole) {
		t.Error("a fault changed the repository")
	}

	for _, n := range []int64{0, 10} {
		s.Fault(crlf, hackagetest.Cut(n).Times(1))
		r := get(t, s.URL+crlf, nil)
		raw, err := io.ReadAll(r.Body)
		if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(raw, whole[:n]) || r.ContentLength != int64(len(whole)) {
			t.Errorf("cut at %d: %d bytes of %d, %v", n, len(raw), r.ContentLength, err)
		}
	}
}

func TestStall(t *testing.T) {
	t.Parallel()
	h, s := serve(t)
	handler := h.Handler()
	handler.Fault("/root.json", hackagetest.Stall(0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if reason := recover(); reason != http.ErrAbortHandler {
				t.Errorf("the stalled answer ended with %v", reason)
			}
		}()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/root.json", http.NoBody).WithContext(ctx))
	}()
	if r := handler.Requests("/root.json"); len(r) != 1 || r[0].Status != 0 || w.Body.Len() != 0 {
		t.Errorf("stalled: logged %+v, %d bytes", r, w.Body.Len())
	}

	// The body stops after ten bytes; closing the server ends the waiting.
	s.Fault(crlf, hackagetest.Stall(10))
	r := get(t, s.URL+crlf, nil)
	head := make([]byte, 10)
	if _, err := io.ReadFull(r.Body, head); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if n, err := r.Body.Read(head); err == nil {
		t.Errorf("%d bytes more after the stall", n)
	}
}

func TestStale(t *testing.T) {
	t.Parallel()
	h, s := serve(t)
	old := h.Generation()
	h.Upload("later", "1", nil, nil)
	s.Fault("/", hackagetest.Stale(old))
	fresh := map[string]string{"Cache-Control": "max-age=0"}
	if raw := body(t, get(t, s.URL+"/snapshot.json", nil)); !bytes.Equal(raw, old.File("snapshot.json")) {
		t.Error("the cache is not stale")
	}
	if raw := body(t, get(t, s.URL+"/snapshot.json", fresh)); !bytes.Equal(raw, h.Generation().File("snapshot.json")) {
		t.Error("a fresh request got a stale file")
	}
	if r := get(t, s.URL+"/package/later-1.tar.gz", nil); r.StatusCode != 404 {
		t.Errorf("a file that the cache cannot have: status %d", r.StatusCode)
	}
	s.Heal()
	s.Fault(crlf, hackagetest.Corrupt(0).UnlessFresh().Times(1))
	right := h.Generation().File(crlf[1:])
	if !bytes.Equal(body(t, get(t, s.URL+crlf, fresh)), right) || bytes.Equal(body(t, get(t, s.URL+crlf, nil)), right) {
		t.Error("UnlessFresh spared the wrong request")
	}
}

func TestRangeFaults(t *testing.T) {
	t.Parallel()
	h, s := serve(t)
	whole := h.Generation().File(crlf[1:])
	s.Fault(crlf, hackagetest.IgnoreRange().Times(1))
	r := get(t, s.URL+crlf, map[string]string{"Range": "bytes=5-8"})
	if raw := body(t, r); r.StatusCode != 200 || !bytes.Equal(raw, whole) {
		t.Errorf("ignored: status %d, %d bytes", r.StatusCode, len(raw))
	}
	s.Fault(crlf, hackagetest.WrongRange())
	for asked, want := range map[string][]byte{
		"bytes=5-8": whole[4:8], "bytes=0-3": whole[1:5], "bytes=7-": whole[6:], "bytes=0-": whole[1:],
	} {
		r := get(t, s.URL+crlf, map[string]string{"Range": asked})
		if raw := body(t, r); r.StatusCode != 206 || !bytes.Equal(raw, want) {
			t.Errorf("asked for %s: status %d, %s", asked, r.StatusCode, r.Header.Get("Content-Range"))
		}
	}
}

// Faults of ranges are told by what comes, not by what the header says, and spare
// requests for the whole file.
func TestRangesThatLie(t *testing.T) {
	t.Parallel()
	h, s := serve(t)
	whole := h.Generation().File(crlf[1:])
	size := len(whole)
	end := fmt.Sprintf("bytes=%d-%d", size-4, size-1)
	for name, test := range map[string]struct {
		fault hackagetest.Fault
		want  []byte
	}{
		"shifted": {hackagetest.ShiftRange(3), slices.Concat(whole[size-1:], whole[:3])},
		"back":    {hackagetest.ShiftRange(-1), whole[size-5 : size-1]},
		"short":   {hackagetest.MiscountRange(1), whole[size-4 : size-1]},
		"empty":   {hackagetest.MiscountRange(9), nil},
		"long":    {hackagetest.MiscountRange(-2), slices.Concat(whole[size-4:], []byte{0, 0})},
		"refused": {hackagetest.Status(416).OfRanges(), []byte("416 Requested Range Not Satisfiable\n")},
	} {
		s.Heal()
		s.Fault(crlf, test.fault)
		r := get(t, s.URL+crlf, map[string]string{"Range": end})
		raw := body(t, r)
		if !bytes.Equal(raw, test.want) || r.ContentLength >= 0 && r.ContentLength != int64(len(raw)) {
			t.Errorf("%s: status %d, %q of %d bytes; want %q", name, r.StatusCode, raw, r.ContentLength, test.want)
		}
		if span := fmt.Sprintf("bytes %d-%d/%d", size-4, size-1, size); name != "refused" && r.Header.Get("Content-Range") != span {
			t.Errorf("%s: Content-Range %q", name, r.Header.Get("Content-Range"))
		}
		if r := get(t, s.URL+crlf, nil); r.StatusCode != 200 || !bytes.Equal(body(t, r), whole) {
			t.Errorf("%s: the whole is not right", name)
		}
	}
}

func TestNoise(t *testing.T) {
	t.Parallel()
	raw := hackagetest.Noise("a", 100_000)
	if !bytes.Equal(raw, hackagetest.Noise("a", 100_000)) || bytes.Equal(raw, hackagetest.Noise("b", 100_000)) {
		t.Error("not the same for the same seed")
	}
	h := hackagetest.New(hackagetest.Options{})
	h.Upload("noise", "1", raw, nil)
	if packed := len(h.Generation().File("01-index.tar.gz")); packed < 70_000 {
		t.Errorf("packed into %d bytes", packed)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	_, s := serve(t)
	s.Fault("/root.json", hackagetest.Redirect(""))
	s.Fault(crlf, hackagetest.Redirect("http://elsewhere.invalid/"))
	for path, want := range map[string]string{"/root.json": "/root.json", crlf: "http://elsewhere.invalid" + crlf} {
		if r := get(t, s.URL+path, nil); r.StatusCode != 302 || r.Header.Get("Location") != want {
			t.Errorf("%s: status %d to %q", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	old := h.Generation()
	h.Resign()
	handler := h.Handler()
	ask := func() []byte {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/timestamp.json", http.NoBody))
		return w.Body.Bytes()
	}
	handler.Show(old)
	if !bytes.Equal(ask(), old.File("timestamp.json")) {
		t.Error("the shown generation is not served")
	}
	handler.Show(nil)
	if !bytes.Equal(ask(), h.Generation().File("timestamp.json")) {
		t.Error("the Hackage is not served again")
	}
}
