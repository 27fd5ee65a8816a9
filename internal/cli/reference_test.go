package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	reference "github.com/hackage-mirror/hackage-mirror/testdata/hackage"
)

// A referenceSet is a repository that hackage-repo-tool made.
type referenceSet struct{ reference.Set }

func newReferenceSet(t *testing.T, name string) *referenceSet {
	t.Helper()
	set, err := reference.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	return &referenceSet{set}
}

// materialize makes dir hold a generation. What dir held before stays, as it does on
// a server.
func (set *referenceSet) materialize(t *testing.T, generation, dir string) {
	t.Helper()
	if err := set.Write(dir, generation); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, name string, raw []byte) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, raw, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func gunzip(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only read
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// referenceSync runs a sync of a folder into the world's destinations.
func (w *world) referenceSync(code int, set *referenceSet, upstream string) string {
	w.Helper()
	got, said := w.run(
		"sync", "--upstream", upstream, "--root-keys", strings.Join(set.RootKeys, ","),
		"--key-threshold", strconv.Itoa(set.Threshold),
		"--bucket", w.bucket(), "--files-repository", w.files(), "--hashes-repository", w.hashes(),
	)
	if got != code {
		w.Fatalf("exit code %d, want %d:\n%s", got, code, said)
	}
	return said
}

// An oldIndex is what plain archive/tar reads in an index: the newest content
// of each path that the repositories have, and all revisions.
type oldIndex struct {
	newest    map[string][]byte
	revisions [][]byte
	releases  []string // N-V
	ordered   []oldRevision
}

// An oldRevision is a .cabal file with its path.
type oldRevision struct {
	path    string
	content []byte
}

func readOldIndex(t *testing.T, name string) oldIndex {
	t.Helper()
	ix := oldIndex{newest: map[string][]byte{}}
	r := tar.NewReader(bytes.NewReader(gunzip(t, name)))
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return ix
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case path.Ext(header.Name) == ".cabal":
			ix.revisions = append(ix.revisions, content)
			ix.ordered = append(ix.ordered, oldRevision{header.Name, content})
			parts := strings.Split(header.Name, "/")
			if release := parts[0] + "-" + parts[1]; !slices.Contains(ix.releases, release) {
				ix.releases = append(ix.releases, release)
			}
		case path.Base(header.Name) != "preferred-versions":
			continue
		}
		ix.newest[header.Name] = content
	}
}

// checkReference holds all destinations against a folder in Hackage's layout.
func (w *world) checkReference(upstream string) {
	w.Helper()
	served := w.contents(upstream)
	for name, want := range served {
		w.sameFile(name, []byte(want))
	}
	ix := readOldIndex(w.T, filepath.Join(upstream, "01-index.tar.gz"))
	if len(ix.releases) == 0 || len(served) < len(ix.releases) {
		w.Fatalf("the reference has %d releases and %d files", len(ix.releases), len(served))
	}
	files, hashes := w.tree(w.files()), w.tree(w.hashes())
	if !maps.EqualFunc(files, ix.newest, bytes.Equal) {
		w.Errorf("files repository: %d files, and they are not the %d newest of the index", len(files), len(ix.newest))
	}
	objects := w.git(w.files(), "rev-list", "--objects", "hackage")
	for _, revision := range ix.revisions {
		if !strings.Contains(objects, gitpack.BlobID(revision).String()) {
			w.Errorf("files repository: a revision is not in the history:\n%s", revision)
		}
	}
	for _, release := range ix.releases {
		cut := strings.LastIndexByte(release, '-')
		name, version := release[:cut], release[cut+1:]
		key := name + "/" + version + "/" + name + ".json"
		w.checkDigest(release, hashes[key], []byte(served["package/"+release+".tar.gz"]))
		if !bytes.Equal(hashes[key], w.read("package/"+release+".json")) {
			w.Errorf("bucket and hashes repository have different records of %s", release)
		}
		delete(hashes, key)
	}
	if !maps.EqualFunc(hashes, ix.newest, bytes.Equal) {
		w.Errorf("hashes repository: %d files besides the records, not the %d newest of the index", len(hashes), len(ix.newest))
	}
	w.checkSignatures(w.files())
	w.checkSignatures(w.hashes())
}

// checkDigest holds a record against a tarball.
func (w *world) checkDigest(release string, raw, tarball []byte) {
	w.Helper()
	var record struct {
		Hashes map[string]string `json:"package-hashes"`
		Size   int               `json:"package-size"`
	}
	if err := json.Unmarshal(raw, &record); err != nil {
		w.Errorf("record of %s: %v", release, err)
	}
	if record.Size != len(tarball) || record.Hashes["SHA256"] != sha256Hex(tarball) || len(record.Hashes) != 5 {
		w.Errorf("record of %s does not fit its tarball: %s", release, raw)
	}
}

// everything is all that a reader can see of the destinations.
func (w *world) everything() map[string]string {
	w.Helper()
	all := w.contents(w.bucket())
	for _, repository := range []string{w.files(), w.hashes()} {
		if _, err := os.Stat(repository); err == nil {
			all[repository] = w.refs(repository)
		}
	}
	return all
}

func TestReferenceRepositoriesInTurn(t *testing.T) {
	t.Parallel()
	for name, generations := range map[string][]string{
		"real": {"g0", "g1", "g2", "g3"},
		"syn":  {"s0", "s1", "s2", "s3", "s3-never", "s4-rotated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := newReferenceSet(t, name)
			w := newWorld(t, hackagetest.New(hackagetest.Options{}))
			upstream := w.path("upstream")
			for _, generation := range generations {
				set.materialize(t, generation, upstream)
				w.referenceSync(CodeDone, set, upstream)
				w.checkReference(upstream)
				if t.Failed() {
					t.Fatalf("stopped at %s/%s", name, generation)
				}
				before := w.everything()
				w.says(w.referenceSync(CodeDone, set, upstream), "nothing new")
				if !maps.Equal(w.everything(), before) {
					t.Errorf("%s/%s: a second run changed something", name, generation)
				}
			}
		})
	}
}

func TestExpiredReferenceIsRefused(t *testing.T) {
	t.Parallel()
	for name, generations := range map[string][2]string{"real": {"g3", "g3-expired"}, "syn": {"s3", "s3-expired"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := newReferenceSet(t, name)
			w := newWorld(t, hackagetest.New(hackagetest.Options{}))
			good, expired := w.path("good"), w.path("expired")
			set.materialize(t, generations[0], good)
			set.materialize(t, generations[1], expired)
			said := w.referenceSync(CodeError, set, expired)
			w.says(said, "expired", "2002-04-02", "clock of this machine")
			if len(w.contents(w.bucket())) != 0 {
				t.Error("the first run put something into the bucket although upstream is expired")
			}
			w.referenceSync(CodeDone, set, good)
			before := w.everything()
			w.says(w.referenceSync(CodeError, set, expired), "expired", "2002-04-02")
			if !maps.Equal(untold(w.everything()), untold(before)) {
				t.Error("an expired upstream changed something")
			}
		})
	}
}

// TestReferenceGoesBack: an older generation after a newer one is an attack or a
// broken cache.
func TestReferenceGoesBack(t *testing.T) {
	t.Parallel()
	set := newReferenceSet(t, "syn")
	w := newWorld(t, hackagetest.New(hackagetest.Options{}))
	now, before := w.path("now"), w.path("before")
	set.materialize(t, "s3", now)
	set.materialize(t, "s1", before)
	w.referenceSync(CodeDone, set, now)
	all := w.everything()
	w.says(w.referenceSync(CodeError, set, before), "version 2", "older files than a destination has seen")
	if !maps.Equal(untold(w.everything()), untold(all)) {
		t.Error("an older upstream changed something")
	}
}

// TestMetadataThatNeverExpireCanBeMirroredLate: no expiry is not an expiry in
// the year 1.
func TestMetadataThatNeverExpireCanBeMirroredLate(t *testing.T) {
	t.Parallel()
	set := newReferenceSet(t, "syn")
	w := newWorld(t, hackagetest.New(hackagetest.Options{}))
	upstream := w.path("upstream")
	set.materialize(t, "s3-never", upstream)
	w.now = func() time.Time { return time.Date(2070, 1, 1, 0, 0, 0, 0, time.UTC) }
	w.referenceSync(CodeDone, set, upstream)
}
