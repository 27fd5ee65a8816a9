package hackage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

func TestTarballIsExactlyTheSignedOne(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	g := h.Generation()
	both(t, h, g, hasty(h), func(t *testing.T, u *Upstream) {
		releases := g.Releases()
		if len(releases) == 0 {
			t.Fatal("no releases")
		}
		for _, r := range releases {
			raw, err := fetchTarball(t.Context(), u, r, target(g, r))
			if err != nil || !bytes.Equal(raw, g.Tarball(r)) {
				t.Errorf("%s: %d bytes, %v", r, len(raw), err)
			}
		}
	})
}

func TestTarballRefuses(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	g := h.Generation()
	raw := g.Tarball(alpha())
	flipped := bytes.Clone(raw)
	flipped[len(raw)/2] ^= 1
	for name, test := range map[string]struct {
		raw  []byte
		want error
	}{
		"flipped": {raw: flipped, want: state.ErrMismatch},
		"cut":     {raw: raw[:len(raw)-1], want: state.ErrMismatch},
		"longer":  {raw: append(bytes.Clone(raw), 0), want: state.ErrMismatch},
		"empty":   {raw: []byte{}, want: state.ErrMismatch},
		"absent":  {raw: nil, want: state.ErrMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, h, g.With(alpha().TarballKey(), test.raw), hasty(h), func(t *testing.T, u *Upstream) {
				_, err := fetchTarball(t.Context(), u, alpha(), target(g, alpha()))
				if !errors.Is(err, test.want) || !strings.Contains(err.Error(), "alpha-0.2") {
					t.Error(err)
				}
			})
		})
	}
}

// The error of a mismatch says what is signed and what came instead, so that a
// person can decide about exactly these bytes.
func TestMismatchTellsWhatIsServed(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	g := h.Generation()
	raw := g.Tarball(alpha())
	flipped := bytes.Clone(raw)
	flipped[0] ^= 1
	for name, test := range map[string]struct {
		served []byte
		says   string
	}{
		"other bytes": {flipped, fmt.Sprintf("alpha-0.2: upstream has bytes with SHA-256 %x where %x is signed", sum(flipped), sum(raw))},
		"one more":    {append(bytes.Clone(raw), 0), fmt.Sprintf("alpha-0.2: upstream has %d bytes where %d are signed", len(raw)+1, len(raw))},
		"one less":    {raw[1:], fmt.Sprintf("alpha-0.2: upstream has %d bytes where %d are signed", len(raw)-1, len(raw))},
		"none":        {[]byte{}, fmt.Sprintf("alpha-0.2: upstream has 0 bytes where %d are signed", len(raw))},
		"far longer":  {make([]byte, len(raw)+mismatchRoom+1), fmt.Sprintf("alpha-0.2: upstream has other bytes than the %d that are signed", len(raw))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, h, g.With(alpha().TarballKey(), test.served), hasty(h), func(t *testing.T, u *Upstream) {
				_, err := fetchTarball(t.Context(), u, alpha(), target(g, alpha()))
				mismatch, ok := errors.AsType[*MismatchError](err)
				if !ok || err.Error() != test.says {
					t.Fatalf("error is %v", err)
				}
				if served := mismatch.Served; name != "far longer" && (served.Length != int64(len(test.served)) || served.SHA256 != sum(test.served)) {
					t.Errorf("served is %+v", served)
				}
			})
		})
	}
}

func TestTarballFromAStaleCache(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	s := serve(t, h)
	s.Fault("/package/", hackagetest.Stale(h.Generation()))
	h.Replace("alpha", "0.2", []byte("another tarball"))
	raw, err := fetchTarball(t.Context(), open(t, s.URL, hasty(h)), alpha(), target(h.Generation(), alpha()))
	if err != nil || string(raw) != "another tarball" {
		t.Errorf("got %d bytes: %v", len(raw), err)
	}
	asked := s.Requests("/package/")
	if len(asked) != 2 || asked[0].Header.Get("Cache-Control") != "" || asked[1].Header.Get("Cache-Control") != "max-age=0" {
		t.Errorf("requests: %+v", asked)
	}
}

func TestTarballWithdrawn(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{404: state.ErrMissing, 410: state.ErrWithdrawn, 451: state.ErrWithdrawn} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			s := serve(t, h)
			h.Withdraw("alpha", "0.2", status)
			_, err := fetchTarball(t.Context(), open(t, s.URL, hasty(h)), alpha(), target(h.Generation(), alpha()))
			if !errors.Is(err, want) || s.Count("/package/") != 1 || !strings.Contains(err.Error(), fmt.Sprint(status)) {
				t.Errorf("%d requests: %v", s.Count("/package/"), err)
			}
			if errors.Is(err, fs.ErrNotExist) != (want == state.ErrMissing) {
				t.Errorf("is it fs.ErrNotExist? %v", err)
			}
		})
	}
}

func TestTarballTooLarge(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	s := serve(t, h)
	for _, length := range []int64{MaxTarball + 1, -1} {
		_, err := fetchTarball(t.Context(), open(t, s.URL, hasty(h)), alpha(), index.Target{Length: length})
		if !errors.Is(err, ErrTooLarge) || s.Count("/") != 0 {
			t.Errorf("%d requests for %d bytes: %v", s.Count("/"), length, err)
		}
	}
}

// An Upstream serves many at once, and tells of the retries of all.
func TestTarballsAtOnce(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	g := h.Generation()
	s := serve(t, h)
	s.Fault("/package/", hackagetest.Status(503).Times(3))
	o := hasty(h)
	told := &notes{}
	o.Notify = told.add
	u := open(t, s.URL, o)
	var group errgroup.Group
	group.SetLimit(4)
	for _, r := range g.Releases() {
		group.Go(func() error {
			raw, err := fetchTarball(t.Context(), u, r, target(g, r))
			if err == nil && !bytes.Equal(raw, g.Tarball(r)) {
				err = fmt.Errorf("%s has other bytes", r)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil || len(told.all()) != 3 {
		t.Errorf("told of %d retries: %v", len(told.all()), err)
	}
}

// A full disk is no reason to ask again.
func TestSinkFails(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	full := errors.New("disk is full")
	g := h.Generation()
	both(t, h, g, hasty(h), func(t *testing.T, u *Upstream) {
		sinks := 0
		err := u.Tarball(t.Context(), alpha(), target(g, alpha()), func() io.Writer {
			sinks++
			return writeFunc(func(p []byte) (int, error) { return 0, full })
		})
		if !errors.Is(err, full) || sinks != 1 {
			t.Errorf("%d sinks: %v", sinks, err)
		}
	})
}

type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(p []byte) (int, error) { return f(p) }
