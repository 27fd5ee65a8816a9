package hackage

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
	reference "github.com/hackage-mirror/hackage-mirror/testdata/hackage"
)

// readSet returns a repository that hackage-repo-tool made.
func readSet(t *testing.T, name string) (reference.Set, tuf.Pinned) {
	t.Helper()
	set, err := reference.Read(name)
	if err != nil || len(set.Generations) == 0 {
		t.Fatalf("%d generations of %s: %v", len(set.Generations), name, err)
	}
	return set, tuf.Pinned{KeyIDs: set.RootKeys, Threshold: set.Threshold}
}

// materialize makes a servable folder of a generation.
func materialize(t *testing.T, set reference.Set, generation string) string {
	t.Helper()
	dir := t.TempDir()
	if err := set.Write(dir, generation); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReferenceRepositories(t *testing.T) {
	t.Parallel()
	for _, of := range []string{"syn", "real"} {
		set, pinned := readSet(t, of)
		for name, want := range set.Generations {
			t.Run(of+"/"+name, func(t *testing.T) {
				t.Parallel()
				dir := materialize(t, set, name)
				s := httptest.NewServer(http.FileServer(http.Dir(dir)))
				t.Cleanup(s.Close)
				for _, address := range []string{dir, s.URL} {
					u := open(t, address, Options{Pinned: pinned})
					if strings.HasSuffix(name, "-expired") {
						if _, err := u.Metadata(t.Context(), state.Seen{}); !errors.Is(err, tuf.ErrExpired) {
							t.Errorf("%s: %v", address, err)
						}
						continue
					}
					checkReference(t, u, want, dir)
				}
			})
		}
	}
}

// From generation to generation, with what was seen and known before: each is
// news, also the one with other keys; none can be gone back to.
func TestReferenceRepositoriesFollowed(t *testing.T) {
	t.Parallel()
	for of, names := range map[string][]string{
		"syn":  {"s0", "s1", "s2", "s3", "s4-rotated"},
		"real": {"g0", "g1", "g2", "g3"},
	} {
		set, pinned := readSet(t, of)
		o := Options{Pinned: pinned, FirstWait: time.Millisecond}
		var seen state.Seen
		var roots [][]byte
		o.KnownRoots = func(context.Context) [][]byte { return roots }
		for _, name := range names {
			u := open(t, materialize(t, set, name), o)
			m := metadata(t, u, seen)
			seen = m.Seen()
			roots = append(roots, m.Root.Raw())
			if _, err := u.Metadata(t.Context(), seen); err != ErrUnchanged {
				t.Errorf("%s/%s twice: %v", of, name, err)
			}
		}
		_, err := open(t, materialize(t, set, names[0]), o).Metadata(t.Context(), seen)
		if !errors.Is(err, tuf.ErrRollback) {
			t.Errorf("%s back to %s: %v", of, names[0], err)
		}
	}
}

// checkReference reads a whole repository.
func checkReference(t *testing.T, u *Upstream, want reference.Generation, dir string) {
	t.Helper()
	verified := metadata(t, u, state.Seen{})
	seen := verified.Seen()
	if seen.Root != want.Version["root"] || seen.Timestamp != want.Version["timestamp"] ||
		seen.Snapshot != want.Version["snapshot"] || seen.Mirrors != want.Version["mirrors"] {
		t.Errorf("%s: versions %+v instead of %v", u, seen, want.Version)
	}
	ix, err := u.Index(t.Context(), verified, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ix.Close() }()
	if ix.Tar.Info.Length != want.IndexTar.Length {
		t.Errorf("%s: index has %d bytes", u, ix.Tar.Info.Length)
	}
	tail, err := index.Scan(ix.Log(index.Position{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(tail.Order) == 0 {
		t.Errorf("%s: no releases", u)
	}
	for _, r := range tail.Order {
		raw, err := fetchTarball(t.Context(), u, r, tail.Changes[r].Target)
		if err != nil {
			t.Error(err)
			continue
		}
		there, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(r.TarballKey())))
		if err != nil || !bytes.Equal(raw, there) {
			t.Errorf("%s: %s is not verbatim: %v", u, r, err)
		}
	}
}
