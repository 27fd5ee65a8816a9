package tuf_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A collection is a folder of generations made by Hackage's reference tool.
type collection struct {
	dir         string
	names       []string
	Generations map[string]generation
	RootKeys    []string `json:"root_keys"`
	Threshold   int      `json:"key_threshold"`
}

type generation struct {
	dir      string
	Version  map[string]int64
	Expires  map[string]*string
	IndexTar fileFacts `json:"index_tar"`
	IndexGz  fileFacts `json:"index_tar_gz"`
}

type fileFacts struct {
	Length int64
	SHA256 string
}

func (f fileFacts) mustBe(t *testing.T, what string, have tuf.FileInfo) {
	t.Helper()
	if have.Length != f.Length || hex.EncodeToString(have.SHA256[:]) != f.SHA256 {
		t.Errorf("%s is %d %x, want %+v", what, have.Length, have.SHA256, f)
	}
}

func committed(t testing.TB) collection { return load(t, "syn") }

func load(t testing.TB, set string) collection {
	t.Helper()
	dir := filepath.Join("..", "..", "testdata", "hackage", set)
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	c := collection{dir: dir}
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	roots, err := filepath.Glob(filepath.Join(dir, "*", "root.json"))
	if err != nil || len(roots) == 0 {
		t.Fatalf("no generations in %s: %v", dir, err)
	}
	for _, path := range roots {
		c.names = append(c.names, filepath.Base(filepath.Dir(path)))
	}
	return c
}

func (c collection) generation(name string) generation {
	g := c.Generations[name]
	g.dir = filepath.Join(c.dir, name)
	return g
}

func (c collection) generations() []generation {
	var all []generation
	for _, name := range c.names {
		all = append(all, c.generation(name))
	}
	return all
}

func (c collection) pinned() tuf.Pinned {
	return tuf.Pinned{KeyIDs: c.RootKeys, Threshold: c.Threshold}
}

func (g generation) read(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(g.dir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// expired tells what the generation's name promises.
func (g generation) expired() bool { return strings.HasSuffix(g.dir, "-expired") }

func TestFixtures(t *testing.T) {
	t.Parallel()
	for _, set := range []string{"syn", "real"} {
		c := load(t, set)
		for _, name := range c.names {
			t.Run(set+"/"+name, func(t *testing.T) {
				t.Parallel()
				verifyGeneration(t, c, c.generation(name))
			})
		}
	}
}

func verifyGeneration(t *testing.T, c collection, g generation) {
	now := today()
	if g.expired() {
		mustExpire(t, c, g)
		now = time.Time{}
	}
	rootRaw, timestampRaw := g.read(t, "root"), g.read(t, "timestamp")
	snapshotRaw, mirrorsRaw := g.read(t, "snapshot"), g.read(t, "mirrors")
	root, err := c.pinned().VerifyRoot(rootRaw, now)
	if err != nil {
		t.Fatal(err)
	}
	g.mustHave(t, "root", root, rootRaw)
	timestamp, err := root.VerifyTimestamp(timestampRaw, g.Version["timestamp"], now)
	if err != nil {
		t.Fatal(err)
	}
	g.mustHave(t, "timestamp", timestamp, timestampRaw)
	snapshot, err := root.VerifySnapshot(snapshotRaw, timestamp.Snapshot(), g.Version["snapshot"], now)
	if err != nil {
		t.Fatal(err)
	}
	g.mustHave(t, "snapshot", snapshot, snapshotRaw)
	if err := snapshot.Root().Check(rootRaw); err != nil {
		t.Error(err)
	}
	mirrors, err := root.VerifyMirrors(mirrorsRaw, snapshot.Mirrors(), g.Version["mirrors"], now)
	if err != nil {
		t.Fatal(err)
	}
	g.mustHave(t, "mirrors", mirrors, mirrorsRaw)
	g.IndexGz.mustBe(t, "01-index.tar.gz", snapshot.IndexTarGz())
	tar, ok := snapshot.IndexTar()
	if !ok {
		t.Fatal("no 01-index.tar in the snapshot")
	}
	g.IndexTar.mustBe(t, "01-index.tar", tar)
}

// mustHave compares a verified file with the manifest.
func (g generation) mustHave(t *testing.T, name string, file interface {
	Version() int64
	Expires() time.Time
	Raw() []byte
}, raw []byte,
) {
	t.Helper()
	if file.Version() != g.Version[name] {
		t.Errorf("%s has version %d, want %d", name, file.Version(), g.Version[name])
	}
	want := time.Time{}
	if text := g.Expires[name]; text != nil {
		var err error
		if want, err = time.Parse(time.RFC3339, *text); err != nil {
			t.Fatal(err)
		}
	}
	if !file.Expires().Equal(want) {
		t.Errorf("%s expires at %v, want %v", name, file.Expires(), want)
	}
	if !bytes.Equal(file.Raw(), raw) {
		t.Errorf("%s has other bytes than those verified", name)
	}
	// The reference tool writes the canonical form.
	if !bytes.Equal(canonical(t, raw), raw) {
		t.Errorf("%s has another canonical form", name)
	}
}

func mustExpire(t *testing.T, c collection, g generation) {
	t.Helper()
	root, err := c.pinned().VerifyRoot(g.read(t, "root"), today())
	if err != nil {
		t.Fatal(err)
	}
	_, err = root.VerifyTimestamp(g.read(t, "timestamp"), 1, today())
	mustBe(t, err, tuf.ErrExpired, "timestamp.json", *g.Expires["timestamp"])
	snapshot := g.read(t, "snapshot")
	_, err = root.VerifySnapshot(snapshot, info(snapshot), 1, today())
	mustBe(t, err, tuf.ErrExpired, "snapshot.json", *g.Expires["snapshot"])
}

// After a rotation of the timestamp and snapshot keys the old root knows
// neither; the new root is reached from the old one or from the pinned keys.
func TestRotation(t *testing.T) {
	t.Parallel()
	c := committed(t)
	before, after := c.generation("s3"), c.generation("s4-rotated")
	old, err := c.pinned().VerifyRoot(before.read(t, "root"), today())
	if err != nil {
		t.Fatal(err)
	}
	_, err = old.VerifyTimestamp(after.read(t, "timestamp"), 4, today())
	mustBe(t, err, tuf.ErrUnknownKey, "timestamp.json", "root version 1", "6abbeed24739e735")
	snapshot := after.read(t, "snapshot")
	_, err = old.VerifySnapshot(snapshot, info(snapshot), 4, today())
	mustBe(t, err, tuf.ErrUnknownKey, "snapshot.json")

	chained, err := old.VerifyRoot(after.read(t, "root"), today())
	if err != nil {
		t.Fatal(err)
	}
	direct, err := c.pinned().VerifyRoot(after.read(t, "root"), today())
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range []*tuf.Root{chained, direct} {
		if root.Version() != 2 {
			t.Errorf("root version %d, want 2", root.Version())
		}
		timestamp, err := root.VerifyTimestamp(after.read(t, "timestamp"), 4, today())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := root.VerifySnapshot(snapshot, timestamp.Snapshot(), 4, today()); err != nil {
			t.Error(err)
		}
		_, err = root.VerifyRoot(before.read(t, "root"), today())
		mustBe(t, err, tuf.ErrRollback, "root.json", "version 1 after version 2")
		_, err = root.VerifyTimestamp(before.read(t, "timestamp"), 4, today())
		mustBe(t, err, tuf.ErrUnknownKey)
	}
}

// No file is taken with any byte changed, even where its hash is made to fit.
func TestFlippedBytes(t *testing.T) {
	t.Parallel()
	c := committed(t)
	g := c.generation("s4-rotated")
	root, err := c.pinned().VerifyRoot(g.read(t, "root"), today())
	if err != nil {
		t.Fatal(err)
	}
	for name, verify := range map[string]func(raw []byte) error{
		"root": func(raw []byte) error {
			_, err := c.pinned().VerifyRoot(raw, today())
			return err
		},
		"timestamp": func(raw []byte) error {
			_, err := root.VerifyTimestamp(raw, 0, today())
			return err
		},
		"snapshot": func(raw []byte) error {
			_, err := root.VerifySnapshot(raw, info(raw), 0, today())
			return err
		},
		"mirrors": func(raw []byte) error {
			_, err := root.VerifyMirrors(raw, info(raw), 0, today())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := g.read(t, name)
			if err := verify(raw); err != nil {
				t.Fatal(err)
			}
			for i := range raw {
				raw[i] ^= 1 << (i % 8)
				if err := verify(raw); !named(err) {
					t.Errorf("byte %d made %q: %v", i, raw[i], err)
				}
				raw[i] ^= 1 << (i % 8)
			}
		})
	}
}

// named reports whether err is one of the refusals.
func named(err error) bool {
	return slices.ContainsFunc(sentinels(), func(sentinel error) bool { return errors.Is(err, sentinel) }) ||
		err != nil && slices.ContainsFunc([]string{notJSON, misshapen, otherType, otherKeyType, otherID, tooMany, twice},
			func(text string) bool { return strings.Contains(err.Error(), text) })
}

// FuzzVerifyRoot: whatever comes, only the content that was signed is taken.
func FuzzVerifyRoot(f *testing.F) {
	c := committed(f)
	raw := c.generation("s0").read(f, "root")
	_, signed, ok := bytes.Cut(canonical(f, raw), []byte(`"signed":`))
	if !ok {
		f.Fatal("nothing is signed")
	}
	signed = bytes.TrimSuffix(signed, []byte("}"))
	f.Add(raw)
	f.Add(bytes.ReplaceAll(raw, []byte(":"), []byte(" :\n")))
	f.Add(bytes.Replace(raw, []byte(`"version":1`), []byte(`"version":2`), 1))
	f.Fuzz(func(t *testing.T, raw []byte) {
		root, err := c.pinned().VerifyRoot(raw, today())
		switch {
		case err != nil && !named(err):
			t.Errorf("a refusal without a name: %v", err)
		case err == nil && !bytes.Equal(root.Raw(), raw):
			t.Error("other bytes than those verified")
		case err == nil && !bytes.Contains(canonical(t, raw), signed):
			t.Errorf("took content that nobody signed: %q", raw)
		}
	})
}

func canonical(t testing.TB, raw []byte) []byte {
	t.Helper()
	v, err := tuf.ParseJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	return v.Canonical()
}
