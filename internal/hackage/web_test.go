package hackage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// What passes is retried, each time with a word about it, and then the file is
// whole.
func TestPassingFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault hackagetest.Fault
		says  string
	}{
		"429":                  {hackagetest.Status(429).RetryAfter("0"), "429"},
		"429 without a time":   {hackagetest.Status(429), "429"},
		"408":                  {hackagetest.Status(408), "408"},
		"500":                  {hackagetest.Status(500), "500"},
		"503":                  {hackagetest.Status(503).RetryAfter("nonsense"), "503"},
		"503 until a past day": {hackagetest.Status(503).RetryAfter("Mon, 01 Jan 2024 00:00:00 GMT"), "503"},
		"cut before the body":  {hackagetest.Cut(0), "EOF"},
		"cut in the body":      {hackagetest.Cut(20), "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			s := serve(t, h)
			checkPasses(t, h, s.Handler, s.URL, hasty(h), test.fault, test.says)
		})
	}
}

// A silence that passes, on a clock on which only silence takes time.
func TestPassingStalls(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]int64{"before header": 0, "in the body": 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := hackagetest.Small()
				o := hasty(h)
				checkPasses(t, h, serveInMemory(t, h, &o), inMemory, o, hackagetest.Stall(sent), "nothing arrived for 1m0s")
			})
		})
	}
}

// checkPasses has a fault befall a tarball twice.
func checkPasses(t *testing.T, h *hackagetest.Hackage, s *hackagetest.Handler, address string, o Options, fault hackagetest.Fault, says string) {
	t.Helper()
	s.Fault("/package/", fault.Times(2))
	told := &notes{}
	o.Notify = told.add
	raw, err := fetchTarball(t.Context(), open(t, address, o), alpha(), target(h.Generation(), alpha()))
	if err != nil || !bytes.Equal(raw, h.Generation().Tarball(alpha())) {
		t.Fatalf("got %d bytes: %v", len(raw), err)
	}
	for i, r := range told.all() {
		if r.Attempt != i+1 || r.What != address+"/package/alpha-0.2.tar.gz" || !strings.Contains(r.Err.Error(), says) {
			t.Errorf("told of %+v", r)
		}
	}
	if s.Count("/package/") < 3 || len(told.all()) != s.Count("/package/")-1 {
		t.Errorf("%d requests, told of %d retries", s.Count("/package/"), len(told.all()))
	}
}

func TestFaultsThatStay(t *testing.T) {
	t.Parallel()
	for status, requests := range map[int]int{
		204: 1, 206: 1, 304: 1, 400: 1, 401: 1, 402: 1, 403: 1, 404: 1, 407: 1, 410: 1, 418: 1, 451: 1,
		408: 3, 425: 3, 429: 3, 500: 3, 502: 3, 503: 3, 504: 3,
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			asked := 0
			o := hasty(h)
			o.Attempts = 3
			o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
				asked++
				return respond(req, status, strings.NewReader("")), nil
			})
			_, err := fetchTarball(t.Context(), open(t, "https://upstream.example", o), alpha(), target(h.Generation(), alpha()))
			if err == nil || asked != requests || !strings.Contains(err.Error(), strconv.Itoa(status)) {
				t.Errorf("%d requests: %v", asked, err)
			}
			if (requests > 1) != strings.Contains(err.Error(), "(3 attempts)") {
				t.Errorf("error does not tell the attempts: %v", err)
			}
		})
	}
}

// One answer that would be final for a tarball does not end a run that has read
// nothing yet: it may be that of one edge.
func TestOneDenialOfMetadataIsAskedAboutAgain(t *testing.T) {
	t.Parallel()
	for _, file := range metadataFiles() {
		for _, status := range []int{400, 401, 403, 404, 410} {
			t.Run(fmt.Sprint(file, status), func(t *testing.T) {
				t.Parallel()
				h := hackagetest.Small()
				s := serve(t, h)
				s.Fault("/"+file, hackagetest.Status(status).Times(1))
				metadata(t, open(t, s.URL, hasty(h)), state.Seen{})
				s.Fault("/"+file, hackagetest.Status(status))
				s.Forget()
				if _, err := open(t, s.URL, hasty(h)).Metadata(t.Context(), state.Seen{}); err == nil || s.Count("/"+file) != denialRounds {
					t.Errorf("asked %d times: %v", s.Count("/"+file), err)
				}
			})
		}
	}
}

// A bucket as upstream says 403 of what it does not have, unless it may be
// listed; a firewall says 403 of everything, with a page.
func TestForbiddenByABucketIsMissing(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	for body, missing := range map[string]bool{
		`<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`: true,
		"<html>Access denied</html>": false, "": false,
	} {
		o := hasty(h)
		o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			return respond(req, http.StatusForbidden, strings.NewReader(body)), nil
		})
		_, err := fetchTarball(t.Context(), open(t, "https://upstream.example", o), alpha(), target(h.Generation(), alpha()))
		if err == nil || errors.Is(err, state.ErrMissing) != missing {
			t.Errorf("with body %q: %v", body, err)
		}
	}
}

func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	s := h.Serve()
	s.Close()
	o := hasty(h)
	told := &notes{}
	o.Notify = told.add
	o.Attempts = 4
	if _, err := open(t, s.URL, o).Metadata(t.Context(), state.Seen{}); err == nil || len(told.all()) != 3 {
		t.Errorf("%d retries: %v", len(told.all()), err)
	}
}

// A body longer than signed is not read on, but for a bounded look at what it is.
func TestEndlessBody(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	want := target(h.Generation(), alpha())
	served := &zeros{}
	o := hasty(h)
	o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		return respond(req, http.StatusOK, served), nil
	})
	u := open(t, "http://upstream.example", o)
	raw, err := fetchTarball(t.Context(), u, alpha(), want)
	if !errors.Is(err, state.ErrMismatch) || !strings.Contains(err.Error(), "other bytes") {
		t.Error(err)
	}
	if int64(len(raw)) > want.Length || served.n > 3*(want.Length+1)+mismatchRoom {
		t.Errorf("%d bytes kept and %d read of %d", len(raw), served.n, want.Length)
	}
	if _, err := u.Metadata(t.Context(), state.Seen{}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// zeros never ends.
type zeros struct{ n int64 }

func (z *zeros) Read(p []byte) (int, error) {
	clear(p)
	z.n += int64(len(p))
	return len(p), nil
}

// Where only the end of the connection ends a body, too short a one is taken for
// a broken connection; where a length was announced, for another file.
func TestShortBody(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	raw := h.Generation().Tarball(alpha())
	for name, test := range map[string]struct {
		framed bool
		tries  int
	}{"unframed": {false, 3}, "framed": {true, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tries := 0
			o := hasty(h)
			o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
				tries++
				body := raw
				if tries < test.tries {
					body = raw[:len(raw)/2]
				}
				resp := respond(req, http.StatusOK, bytes.NewReader(body))
				if test.framed {
					resp.TransferEncoding = []string{"chunked"}
				}
				return resp, nil
			})
			told := &notes{}
			o.Notify = told.add
			got, err := fetchTarball(t.Context(), open(t, "http://upstream.example", o), alpha(), target(h.Generation(), alpha()))
			if err != nil || !bytes.Equal(got, raw) || tries != test.tries {
				t.Errorf("%d tries: %v", tries, err)
			}
		})
	}
}

func TestContentEncodingIsRefused(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	for coding, refused := range map[string]bool{"gzip": true, "x-gzip": true, "br": true, "identity": false} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Accept-Encoding"); got != "identity" {
				t.Errorf("Accept-Encoding: %q", got)
			}
			w.Header().Set("Content-Encoding", coding)
			_, _ = w.Write(h.Generation().File(r.URL.Path[1:]))
		}))
		defer s.Close()
		_, err := fetchTarball(t.Context(), open(t, s.URL, hasty(h)), alpha(), target(h.Generation(), alpha()))
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "Content-Encoding") {
			t.Errorf("%s: %v", coding, err)
		}
	}
}

func TestRequestsNameUs(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	s := serve(t, h)
	o := hasty(h)
	o.UserAgent = UserAgent("1.2.3")
	metadata(t, open(t, s.URL+"/", o), state.Seen{})
	all := s.Requests("/")
	if len(all) != 4 {
		t.Errorf("%d requests", len(all))
	}
	for _, r := range all {
		if r.Header.Get("User-Agent") != "hackage-mirror/1.2.3 (+https://github.com/hackage-mirror/hackage-mirror)" {
			t.Errorf("User-Agent: %q", r.Header.Get("User-Agent"))
		}
		if r.Header.Get("Cache-Control") != "" || strings.Contains(r.Path, "//") {
			t.Errorf("request: %+v", r)
		}
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	s, other := serve(t, h), serve(t, h)
	want := target(h.Generation(), alpha())
	u := open(t, s.URL, hasty(h))
	s.Fault("/package/", hackagetest.Redirect(other.URL))
	if _, err := fetchTarball(t.Context(), u, alpha(), want); err != nil || other.Count("/package/") != 1 {
		t.Errorf("one redirect: %v", err)
	}
	for name, fault := range map[string]hackagetest.Fault{
		"6": hackagetest.Redirect(""),
		"1": hackagetest.Redirect("ftp://upstream.example"),
	} {
		s.Heal()
		s.Forget()
		s.Fault("/package/", fault)
		_, err := fetchTarball(t.Context(), u, alpha(), want)
		if err == nil || !strings.Contains(err.Error(), "redirect") || fmt.Sprint(s.Count("/package/")) != name {
			t.Errorf("%d requests instead of %s: %v", s.Count("/package/"), name, err)
		}
	}
}

func TestNoRedirectGivesUpEncryption(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	asked := 0
	o := hasty(h)
	o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		asked++
		return respond(req, http.StatusFound, strings.NewReader(""), "Location", "http://user:secret@upstream.example/x"), nil
	})
	_, err := fetchTarball(t.Context(), open(t, "https://upstream.example", o), alpha(), target(h.Generation(), alpha()))
	if err == nil || asked != 1 || !strings.Contains(err.Error(), "not encrypted") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%d requests: %v", asked, err)
	}
}

// A certificate that nobody vouches for is not asked twice, and the error says
// what to look at.
func TestUnknownCertificate(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	s := httptest.NewUnstartedServer(h.Handler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	o := hasty(h)
	told := &notes{}
	o.Notify = told.add
	_, err := open(t, s.URL, o).Metadata(t.Context(), state.Seen{})
	if err == nil || len(told.all()) != 0 || !strings.Contains(err.Error(), "certificates") {
		t.Errorf("%d retries: %v", len(told.all()), err)
	}
}

// Neither name nor password of an address shows anywhere, but both are sent.
func TestCredentialsStayInside(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	sent := 0
	o := hasty(h)
	o.Attempts = 2
	told := &notes{}
	o.Notify = told.add
	o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		if user, password, _ := req.BasicAuth(); user == "someone" && password == "secret" {
			sent++
		}
		return nil, errors.New("connection reset")
	})
	u := open(t, "https://someone:secret@upstream.example/base", o)
	_, err := u.Metadata(t.Context(), state.Seen{})
	text := fmt.Sprint(err, u, told.all())
	if sent != 2 || strings.Contains(text, "someone") || strings.Contains(text, "secret") {
		t.Errorf("sent %d times; %s", sent, text)
	}
	if !strings.Contains(text, "https://upstream.example/base/timestamp.json") {
		t.Errorf("address is not named: %s", text)
	}
}

// A cancelled context ends a stalled transfer and a long wait at once; both
// tests would run into their time-out otherwise.
func TestCancelEndsPromptly(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	for name, test := range map[string]struct {
		fault hackagetest.Fault
		wait  time.Duration
	}{
		"in a stalled body": {hackagetest.Stall(20), time.Millisecond},
		"in a wait":         {hackagetest.Status(503), time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, h)
			s.Fault("/package/", test.fault)
			ctx, cancel := context.WithCancelCause(t.Context())
			reason := errors.New("the user has left")
			o := hasty(h)
			o.Timeout, o.Patience, o.FirstWait = time.Hour, 10*time.Hour, test.wait
			o.Notify = func(Retry) { cancel(reason) }
			u := open(t, s.URL, o)
			err := u.Tarball(ctx, alpha(), target(h.Generation(), alpha()), func() io.Writer {
				return writeFunc(func(p []byte) (int, error) {
					cancel(reason)
					return len(p), nil
				})
			})
			if !errors.Is(err, reason) {
				t.Error(err)
			}
		})
	}
}

// TestPassword: the server gets user and password, and nobody that it redirects to.
func TestPassword(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	o := hasty(h)
	o.User, o.Password = "me", []byte("hunter2")
	var elsewhere []string
	hosts := []string{"cdn.example", "upstream.example:8443", "cdn.upstream.example"}
	o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.URL.Host != "upstream.example" {
			elsewhere = append(elsewhere, req.Header.Get("Authorization"))
			return respond(req, http.StatusOK, bytes.NewReader(h.Generation().Tarball(alpha()))), nil
		}
		if user, password, ok := req.BasicAuth(); !ok || user != "me" || password != "hunter2" {
			return respond(req, http.StatusUnauthorized, strings.NewReader("")), nil
		}
		to := respond(req, http.StatusFound, strings.NewReader(""))
		to.Header.Set("Location", "https://"+hosts[len(elsewhere)]+req.URL.Path)
		return to, nil
	})
	for range hosts {
		raw, err := fetchTarball(t.Context(), open(t, "https://upstream.example", o), alpha(), target(h.Generation(), alpha()))
		if err != nil || !bytes.Equal(raw, h.Generation().Tarball(alpha())) {
			t.Errorf("%d bytes, %v", len(raw), err)
		}
	}
	if len(elsewhere) != len(hosts) || strings.Join(elsewhere, "") != "" {
		t.Errorf("other hosts got %q", elsewhere)
	}
	o.Password = []byte("hunter3")
	_, err := fetchTarball(t.Context(), open(t, "https://upstream.example", o), alpha(), target(h.Generation(), alpha()))
	if err == nil || !strings.Contains(err.Error(), "upstream-password") || strings.Contains(err.Error(), "hunter") {
		t.Errorf("a wrong password: %v", err)
	}
}
