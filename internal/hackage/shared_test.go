package hackage

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// The repositories that hackage-repo-tool made lie beside the checkout, where
// they are.
const reference = "../../../shared/hackage"

// A manifest says what is right for the generations of one repository.
type manifest struct {
	Generations map[string]struct {
		IndexTar struct {
			Length int64
			SHA256 string
		} `json:"index_tar"`
		Version map[string]int64
	}
	RootKeys     []string `json:"root_keys"`
	KeyThreshold int      `json:"key_threshold"`
}

func (m manifest) pinned() tuf.Pinned {
	return tuf.Pinned{KeyIDs: m.RootKeys, Threshold: m.KeyThreshold}
}

func TestReferenceRepositories(t *testing.T) {
	t.Parallel()
	needReference(t)
	for _, set := range []string{"syn", "real"} {
		m := readManifest(t, set)
		if len(m.Generations) == 0 {
			t.Fatalf("no generations in %s", set)
		}
		for name := range m.Generations {
			t.Run(set+"/"+name, func(t *testing.T) {
				t.Parallel()
				dir := materialize(t, set, name)
				s := httptest.NewServer(http.FileServer(http.Dir(dir)))
				t.Cleanup(s.Close)
				for _, address := range []string{dir, s.URL} {
					u := open(t, address, Options{Pinned: m.pinned()})
					if strings.HasSuffix(name, "-expired") {
						if _, err := u.Metadata(t.Context(), Seen{}); !errors.Is(err, tuf.ErrExpired) {
							t.Errorf("%s: %v", address, err)
						}
						continue
					}
					checkReference(t, u, m, name, dir)
				}
			})
		}
	}
}

// From generation to generation, with what was seen and known before: each is
// news, also the one with other keys; none can be gone back to.
func TestReferenceRepositoriesFollowed(t *testing.T) {
	t.Parallel()
	needReference(t)
	for set, names := range map[string][]string{
		"syn":  {"s0", "s1", "s2", "s3", "s4-rotated"},
		"real": {"g0", "g1", "g2", "g3"},
	} {
		o := Options{Pinned: readManifest(t, set).pinned(), FirstWait: time.Millisecond}
		var seen Seen
		var roots [][]byte
		o.KnownRoots = func(context.Context) [][]byte { return roots }
		for _, name := range names {
			u := open(t, materialize(t, set, name), o)
			m := metadata(t, u, seen)
			seen = m.Seen()
			roots = append(roots, m.Root.Raw())
			if _, err := u.Metadata(t.Context(), seen); err != ErrUnchanged {
				t.Errorf("%s/%s twice: %v", set, name, err)
			}
		}
		_, err := open(t, materialize(t, set, names[0]), o).Metadata(t.Context(), seen)
		if !errors.Is(err, tuf.ErrRollback) {
			t.Errorf("%s back to %s: %v", set, names[0], err)
		}
	}
}

func needReference(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(reference); err != nil {
		t.Skipf("without the reference repositories: %v", err)
	}
}

// checkReference reads a whole repository.
func checkReference(t *testing.T, u *Upstream, m manifest, name, dir string) {
	t.Helper()
	verified := metadata(t, u, Seen{})
	seen, want := verified.Seen(), m.Generations[name]
	if seen.Root != want.Version["root"] || seen.Timestamp != want.Version["timestamp"] ||
		seen.Snapshot != want.Version["snapshot"] || seen.Mirrors != want.Version["mirrors"] {
		t.Errorf("%s: versions %+v instead of %v", u, seen, want.Version)
	}
	ix, err := u.Index(t.Context(), verified, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ix.Close() }()
	if ix.TarInfo().Length != want.IndexTar.Length {
		t.Errorf("%s: index has %d bytes", u, ix.TarInfo().Length)
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

func readManifest(t *testing.T, set string) manifest {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(reference, set, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// materialize makes a servable folder of a generation, whose tarballs lie with
// those of the others.
func materialize(t *testing.T, set, name string) string {
	t.Helper()
	dir, from := t.TempDir(), filepath.Join(reference, set, name)
	err := os.Mkdir(filepath.Join(dir, "package"), 0o755)
	for _, file := range []string{rootFile, timestampFile, snapshotFile, mirrorsFile, indexGzFile} {
		err = errors.Join(err, copyFile(filepath.Join(from, file), filepath.Join(dir, file)))
	}
	packages, openErr := os.Open(filepath.Join(from, "PACKAGES.sha256"))
	if err := errors.Join(err, openErr, unzip(filepath.Join(dir, indexGzFile), filepath.Join(dir, indexTarFile))); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = packages.Close() }()
	lines := bufio.NewScanner(packages)
	for lines.Scan() {
		_, file, _ := strings.Cut(lines.Text(), "  ")
		if err := copyFile(filepath.Join(reference, set, "packages", file), filepath.Join(dir, "package", file)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func unzip(from, to string) error {
	packed, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o600)
}
