package hackage

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// unwell answers each request with a status and headers and notes when.
func unwell(o *Options, times *[]time.Time, status int, header ...string) {
	o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		*times = append(*times, time.Now())
		return respond(req, status, strings.NewReader(""), header...), nil
	})
}

// The tests of this file run on a clock of their own, so waits cost nothing and
// are exact.
func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"7": 429, "120": 503, "date": 503} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := hackagetest.Small()
				o := Options{Attempts: 3, Pinned: hasty(h).Pinned}
				header, want := name, 42*time.Second
				if name == "date" {
					header = time.Now().Add(want).UTC().Format(http.TimeFormat)
				} else {
					want, _ = time.ParseDuration(name + "s")
				}
				var times []time.Time
				unwell(&o, &times, status, "Retry-After", header)
				_, err := open(t, "https://upstream.example", o).Metadata(t.Context(), state.Seen{})
				if err == nil || len(times) != 3 || times[1].Sub(times[0]) != want {
					t.Errorf("asked at %v: %v", times, err)
				}
			})
		})
	}
}

// A server that wants to be left alone for longer than we wait is left alone. Of
// metadata it may be one edge that says so, and without that there is no run.
func TestRetryAfterBeyondPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := hackagetest.Small()
		o := Options{Pinned: hasty(h).Pinned}
		var times []time.Time
		unwell(&o, &times, 429, "Retry-After", "86400")
		start := time.Now()
		u := open(t, "https://upstream.example", o)
		_, err := fetchTarball(t.Context(), u, alpha(), target(h.Generation(), alpha()))
		if err == nil || len(times) != 1 || !strings.Contains(err.Error(), "24h0m0s") || time.Since(start) != 0 {
			t.Errorf("a tarball was asked for at %v: %v", times, err)
		}
		times = nil
		_, err = u.Metadata(t.Context(), state.Seen{})
		if err == nil || len(times) != denialRounds || !strings.Contains(err.Error(), "24h0m0s") || time.Since(start) > 10*time.Second {
			t.Errorf("metadata were asked for at %v: %v", times, err)
		}
	})
}

// Hackage's caches hold an older index than the snapshot names for some minutes
// after each upload.
func TestIndexOlderThanItsSnapshotIsWaitedFor(t *testing.T) {
	t.Parallel()
	for lag, heals := range map[time.Duration]bool{0: true, 70 * time.Second: true, 10 * time.Minute: false} {
		t.Run(lag.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := hackagetest.Small()
				before := h.Generation()
				h.Upload("newer", "1.0", nil, nil)
				now := h.Generation()
				begun := time.Now()
				o := Options{Pinned: hasty(h).Pinned, Now: h.Now}
				o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
					g, key := now, strings.TrimPrefix(req.URL.Path, "/")
					if strings.HasPrefix(key, "01-index") && time.Since(begun) < lag {
						g = before
					}
					resp := respond(req, http.StatusOK, bytes.NewReader(g.File(key)))
					resp.ContentLength = int64(len(g.File(key)))
					return resp, nil
				})
				u := open(t, "https://upstream.example", o)
				m, ix, err := u.Read(t.Context(), metadata(t, u, state.Seen{}), t.TempDir(), Held{NeedGz: true})
				took := time.Since(begun)
				if !heals {
					if !errors.Is(err, ErrTorn) || took < 70*time.Second || took > 2*time.Minute {
						t.Errorf("after %s: %v", took, err)
					}
					return
				}
				if err != nil || took > lag+time.Minute {
					t.Fatalf("after %s: %v", took, err)
				}
				if ix.Tar.Info.SHA256 != sum(now.File(indexTarFile)) || m.Snapshot.IndexTarGz().SHA256 != sum(now.File(indexGzFile)) {
					t.Error("another index came")
				}
				if err := ix.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// The default waits grow, and end.
func TestWaitsGrowAndEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := hackagetest.Small()
		o := Options{Pinned: hasty(h).Pinned}
		var times []time.Time
		unwell(&o, &times, 502)
		_, err := open(t, "https://upstream.example", o).Metadata(t.Context(), state.Seen{})
		if err == nil || len(times) != 6 {
			t.Fatalf("asked at %v: %v", times, err)
		}
		if first := times[1].Sub(times[0]); first < 500*time.Millisecond || first > 1500*time.Millisecond {
			t.Errorf("first wait is %s", first)
		}
		if last := times[5].Sub(times[4]); last < 8*time.Second || last > 24*time.Second {
			t.Errorf("last wait is %s", last)
		}
	})
}

// A server that sends a byte now and then does not stall, but is given up in the
// end.
func TestTrickle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := hackagetest.Small()
		o := Options{Pinned: hasty(h).Pinned, Attempts: 1}
		o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			return respond(req, http.StatusOK, trickle{req}), nil
		})
		start := time.Now()
		_, err := open(t, "https://upstream.example", o).Metadata(t.Context(), state.Seen{})
		if err == nil || !strings.Contains(err.Error(), "took longer than 5m0s") || time.Since(start) != 5*time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

// trickle sends a byte each 20 seconds until the request is given up.
type trickle struct{ req *http.Request }

func (s trickle) Read(p []byte) (int, error) {
	select {
	case <-time.After(20 * time.Second):
		return copy(p, " "), nil
	case <-s.req.Context().Done():
		return 0, s.req.Context().Err()
	}
}

// A slow sink does not make the sender look stalled.
func TestSlowSinkIsNoStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := hackagetest.Small()
		o := Options{Pinned: hasty(h).Pinned, Attempts: 1}
		raw := h.Generation().Tarball(alpha())
		o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			return respond(req, http.StatusOK, strings.NewReader(string(raw))), nil
		})
		u := open(t, "https://upstream.example", o)
		err := u.Tarball(t.Context(), alpha(), target(h.Generation(), alpha()), func() io.Writer {
			return writeFunc(func(p []byte) (int, error) {
				time.Sleep(2 * time.Minute)
				return len(p), nil
			})
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// Torn sets are read again over more than the minute for which Hackage's caches
// keep a file.
func TestRoundsOutlastTheCaches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := hackagetest.Small()
		before := h.Generation()
		h.Resign()
		o := Options{Pinned: hasty(h).Pinned, Now: h.Now}
		torn := h.Generation().WithFrom(before, snapshotFile)
		o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			return respond(req, http.StatusOK, strings.NewReader(string(torn.File(req.URL.Path[1:])))), nil
		})
		start := time.Now()
		_, err := open(t, "https://upstream.example", o).Metadata(t.Context(), state.Seen{})
		if took := time.Since(start); !errors.Is(err, ErrTorn) || took < time.Minute || took > 3*time.Minute {
			t.Errorf("after %s: %v", took, err)
		}
	})
}
