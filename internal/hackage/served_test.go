package hackage

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A repository whose index is being replaced gets time to end that, and what was
// seen names the newest uploads.
func TestServed(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	old := h.Generation()
	newest := h.Upload("newest", "1.0", nil, nil)
	s := serve(t, h)
	u := open(t, s.URL, hasty(h))
	m, seen, err := u.Served(t.Context())
	if err != nil || m == nil || !seen.End || seen.Newest[0].Release != newest {
		t.Fatalf("%+v, %v", seen, err)
	}
	if err := u.Has(t.Context(), seen.Newest[0]); err != nil {
		t.Error(err)
	}
	seen.Newest[0].Target.Length++
	if err := u.Has(t.Context(), seen.Newest[0]); !errors.Is(err, tuf.ErrLength) {
		t.Errorf("a tarball of another length: %v", err)
	}
	s.Fault("/"+indexTarFile, hackagetest.Stale(old))
	if m, _, err := u.Served(t.Context()); m == nil || err != nil && !errors.Is(err, tuf.ErrLength) {
		t.Errorf("an index of another time: %v", err)
	}
	s.Heal()
	g := h.Generation()
	raw := bytes.Clone(g.File(indexTarFile))
	raw[len(raw)-1]++
	s.Show(g.With(indexTarFile, raw))
	if m, _, err := u.Served(t.Context()); m == nil || !errors.Is(err, ErrForm) {
		t.Errorf("an index with another end: %v", err)
	}
	s.Show(g.With(indexGzFile, nil))
	if m, _, err := u.Served(t.Context()); m == nil || !errors.Is(err, state.ErrMissing) {
		t.Errorf("no index: %v", err)
	}
	s.Show(g.With(rootFile, []byte("{}")))
	if m, _, err := u.Served(t.Context()); m != nil || err == nil {
		t.Errorf("a bad set: %v", err)
	}
}
