package demo_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/testdata/demo"
)

// limit is what the whole demo may add to the binary, in bytes.
const limit = 1_000_000

// signed is as much of any metadata file as these tests look at. The
// signatures are checked where the demo is run, by the code it demonstrates.
type signed struct {
	Signed struct {
		Meta    map[string]fileInfo `json:"meta"`
		Targets map[string]fileInfo `json:"targets"`
		Roles   struct {
			Root struct {
				KeyIDs    []string `json:"keyids"`
				Threshold int      `json:"threshold"`
			} `json:"root"`
		} `json:"roles"`
	} `json:"signed"`
}

type fileInfo struct {
	Length int64             `json:"length"`
	Hashes map[string]string `json:"hashes"`
}

func (f fileInfo) fits(raw []byte) bool {
	sum := sha256.Sum256(raw)
	return f.Length == int64(len(raw)) && f.Hashes["sha256"] == hex.EncodeToString(sum[:])
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := fs.ReadFile(demo.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parse(t *testing.T, raw []byte) signed {
	t.Helper()
	var s signed
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// index returns a generation's unpacked index.
func index(t *testing.T, generation int) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(read(t, fmt.Sprintf("gen%d/01-index.tar.gz", generation))))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// targets returns what the package.json entries of an index say of tarballs,
// by the tarballs' file names.
func targets(t *testing.T, index []byte) map[string]fileInfo {
	t.Helper()
	found := map[string]fileInfo{}
	entries := tar.NewReader(bytes.NewReader(index))
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if path.Base(h.Name) != "package.json" {
			continue
		}
		raw, err := io.ReadAll(entries)
		if err != nil {
			t.Fatal(err)
		}
		for name, info := range parse(t, raw).Signed.Targets {
			found[path.Base(name)] = info
		}
	}
}

func TestMetadataNamesTheFilesBesideIt(t *testing.T) {
	t.Parallel()
	for generation := 1; generation <= demo.Generations; generation++ {
		dir := fmt.Sprintf("gen%d/", generation)
		snapshot := read(t, dir+"snapshot.json")
		if !parse(t, read(t, dir+"timestamp.json")).Signed.Meta["<repo>/snapshot.json"].fits(snapshot) {
			t.Errorf("%stimestamp.json names another snapshot.json", dir)
		}
		meta := parse(t, snapshot).Signed.Meta
		for _, name := range []string{"root.json", "mirrors.json", "01-index.tar.gz"} {
			if !meta["<repo>/"+name].fits(read(t, dir+name)) {
				t.Errorf("%ssnapshot.json names another %s", dir, name)
			}
		}
		if !meta["<repo>/01-index.tar"].fits(index(t, generation)) {
			t.Errorf("%ssnapshot.json names another 01-index.tar", dir)
		}
	}
}

func TestRootHasTheKeysTold(t *testing.T) {
	t.Parallel()
	root := parse(t, read(t, "gen1/root.json")).Signed.Roles.Root
	want := demo.KeyIDs()
	slices.Sort(want)
	slices.Sort(root.KeyIDs)
	if !slices.Equal(root.KeyIDs, want) || root.Threshold != demo.Threshold {
		t.Errorf("root.json has %d of %v, the package tells %d of %v", root.Threshold, root.KeyIDs, demo.Threshold, want)
	}
}

func TestIndexGrowsOnly(t *testing.T) {
	t.Parallel()
	first, second := index(t, 1), index(t, 2)
	if len(first) < 1024 || len(second) <= len(first) {
		t.Fatalf("the indexes have %d and %d bytes", len(first), len(second))
	}
	entries := bytes.TrimRight(first, "\x00")
	if !bytes.HasPrefix(second, entries) {
		t.Error("the index of gen2 does not begin with that of gen1")
	}
}

func TestTarballsAreThoseOfTheIndex(t *testing.T) {
	t.Parallel()
	if n := len(targets(t, index(t, 1))); n != 26 {
		t.Errorf("gen1 has %d releases, the package tells 26", n)
	}
	want := targets(t, index(t, 2))
	if len(want) != 56 {
		t.Errorf("gen2 has %d releases, the package tells 56", len(want))
	}
	names, err := fs.Glob(demo.Files(), "package/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != len(want) {
		t.Errorf("there are %d tarballs for %d releases", len(names), len(want))
	}
	for _, name := range names {
		if !want[path.Base(name)].fits(read(t, name)) {
			t.Errorf("%s is not what the index says", name)
		}
	}
}

func TestDemoIsSmall(t *testing.T) {
	t.Parallel()
	size := 0
	err := fs.WalkDir(demo.Files(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			size += len(read(t, name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if size == 0 || size >= limit {
		t.Errorf("the demo has %d bytes, it may have %d", size, limit)
	}
}

func TestWriteReplacesTheOlderGeneration(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "hackage")
	for generation := 1; generation <= demo.Generations; generation++ {
		if err := demo.Write(dir, generation); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"timestamp.json", "snapshot.json", "root.json", "mirrors.json", "01-index.tar.gz"} {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, read(t, fmt.Sprintf("gen%d/%s", generation, name))) {
				t.Errorf("generation %d: %s is another one", generation, name)
			}
		}
		for name, info := range targets(t, index(t, generation)) {
			got, err := os.ReadFile(filepath.Join(dir, "package", name))
			if err != nil {
				t.Fatal(err)
			}
			if !info.fits(got) {
				t.Errorf("generation %d: %s is not what the index says", generation, name)
			}
		}
	}
}

func TestWriteRefusesUnknownGenerations(t *testing.T) {
	t.Parallel()
	for _, generation := range []int{0, demo.Generations + 1} {
		dir := t.TempDir()
		if err := demo.Write(dir, generation); err == nil {
			t.Errorf("generation %d was written", generation)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("generation %d left %v (%v)", generation, left, err)
		}
	}
}
