package mirror

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A rig is a Hackage, a bucket in memory that polices the order of what is put,
// and a run from one to the other without the rest of the program.
type rig struct {
	*testing.T
	hackage *hackagetest.Hackage
	store   *buckettest.Memory
	dir     string // of upstream as a folder
	written bool   // the folder is as the Hackage is, and stays so
	batch   int    // tarballs of a batch, 0 for any number
	tails   bool   // a run fetches only what is new of the index
	// smallIndex is the bucket's; 0 lets an index here stand for one of real size.
	smallIndex int64

	deprecated []byte // upstream's list

	ctx  context.Context // of a run, nil for the test's
	via  bucket.Bucket   // to the store, nil for the store itself
	last *Bucket         // of the last run
}

// Context returns that of a run.
func (r *rig) Context() context.Context {
	if r.ctx != nil {
		return r.ctx
	}
	return r.T.Context()
}

func newRig(t *testing.T, h *hackagetest.Hackage) *rig {
	t.Helper()
	r := &rig{T: t, hackage: h, dir: t.TempDir()}
	r.store = buckettest.NewMemory(t)
	r.store.Immutable, r.store.Order = r.immutable, order
	return r
}

// immutable are tarballs, unless the index says that they were replaced, and
// revisions.
func (r *rig) immutable(key string) bool {
	if strings.Contains(key, "/revision/") {
		return true
	}
	release, err := index.ParseRelease(strings.TrimSuffix(strings.TrimPrefix(key, "package/"), ".tar.gz"))
	return err == nil && strings.HasSuffix(key, ".tar.gz") && !r.replaced(release)
}

func (r *rig) replaced(release index.Release) bool {
	named := map[string]bool{}
	for _, e := range r.hackage.Generation().Entries() {
		if e.Path == release.Package+"/"+release.Version+"/package.json" {
			named[string(e.Content)] = true
		}
	}
	return len(named) > 1
}

// order says what must be in place before a key is put.
func order(view func(string) ([]byte, bool), key string, content []byte) error {
	switch key {
	case "timestamp.json":
		return named(view, content)
	case "snapshot.json":
		return named(view, content, "01-index.tar", "01-index.tar.gz", "root.json", "mirrors.json")
	case "01-index.tar":
		return indexed(view, content)
	case StateKey:
		var file struct{ State map[string]string }
		if err := json.Unmarshal(content, &file); err != nil {
			return err
		}
		published, _ := view("timestamp.json")
		if file.State["Index-SHA256"] == "" {
			return nil // it says that nothing is known of what is in place
		}
		if seen := file.State["Timestamp-SHA256"]; seen != "" && seen != hexDigest(published) {
			return fmt.Errorf("it claims timestamp.json %s, and %s is published", seen, hexDigest(published))
		}
	}
	return nil
}

func hexDigest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// named checks that all files which signed metadata name are in place with the
// signed digests; the expected ones must be among them.
func named(view func(string) ([]byte, bool), raw []byte, expected ...string) error {
	var metadata struct {
		Signed struct {
			Meta map[string]struct{ Hashes map[string]string }
		}
	}
	if err := json.Unmarshal(raw, &metadata); err != nil {
		return err
	}
	if len(metadata.Signed.Meta) < max(1, len(expected)) {
		return fmt.Errorf("it names only %d files", len(metadata.Signed.Meta))
	}
	for path, file := range metadata.Signed.Meta {
		key := strings.TrimPrefix(path, "<repo>/")
		if content, ok := view(key); !ok || hexDigest(content) != file.Hashes["sha256"] {
			return fmt.Errorf("it names a %s that is not in place (there at all: %v)", key, ok)
		}
	}
	return nil
}

// indexed checks that the bucket holds every revision of an index, and the
// record of each release that is signed and there.
func indexed(view func(string) ([]byte, bool), raw []byte) error {
	revisions := map[string]int{}
	archive := tar.NewReader(bytes.NewReader(raw))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		part := strings.Split(header.Name, "/")
		if len(part) != 3 {
			continue
		}
		release := "package/" + part[0] + "-" + part[1]
		content, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		key := release + "/revision/" + strconv.Itoa(revisions[release]) + ".cabal"
		if strings.HasSuffix(header.Name, ".cabal") {
			revisions[release]++
			if held, _ := view(key); !bytes.Equal(held, content) {
				return fmt.Errorf("the index has a %s that the bucket lacks", key)
			}
		}
		if _, there := view(release + ".tar.gz"); there {
			if _, ok := view(release + ".json"); !ok {
				return fmt.Errorf("%s is there without its digests", release)
			}
		}
	}
}

// noon is the clock of all runs, so that states can be compared.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func all(string) bool { return true }

// upstream opens the rig's Hackage as it is now, as a folder.
func (r *rig) upstream() *hackage.Upstream {
	r.Helper()
	if !r.written {
		if err := r.hackage.Write(r.dir); err != nil {
			r.Fatal(err)
		}
	}
	u, err := hackage.Open(r.dir, hackage.Options{
		Pinned: tuf.Pinned{KeyIDs: r.hackage.KeyIDs(), Threshold: r.hackage.Threshold()},
		Now:    noon, FirstWait: time.Millisecond,
	})
	if err != nil {
		r.Fatal(err)
	}
	return u
}

// run is what a sync does with one bucket.
func (r *rig) run() error {
	r.Helper()
	var store bucket.Bucket = r.store
	if r.via != nil {
		store = r.via
	}
	b := New(store, Options{Tool: "test", Now: noon})
	b.smallIndex = r.smallIndex
	r.last = b
	if _, err := b.Load(r.Context()); err != nil {
		return err
	}
	u := r.upstream()
	seen := b.State().Seen
	if seen.Index == "" {
		seen.ETag, seen.Digest = "", "" // what is in place is not known
	}
	m, err := u.Metadata(r.Context(), seen)
	if errors.Is(err, hackage.ErrUnchanged) {
		return nil
	}
	if err != nil {
		return err
	}
	if info, signed := m.Snapshot.IndexTar(); signed && b.State().Position.Ends(info.Length, info.SHA256) {
		if b.HasIndex(m.Snapshot) {
			return b.Publish(r.Context(), m)
		}
	}
	return r.advance(b, u, m)
}

// advance is the part of a run that has an index to read.
func (r *rig) advance(b *Bucket, u *hackage.Upstream, m *hackage.Metadata) error {
	r.Helper()
	have := hackage.Held{NeedGz: true}
	if r.tails {
		have.Tar, have.Gz = b.Held()
	}
	dir := r.TempDir()
	data, err := u.IndexFrom(r.Context(), m, dir, have)
	if err != nil {
		return err
	}
	ix := u.Access(m, dir, data)
	defer func() { _ = ix.Close() }()
	tail, err := index.Scan(ix.Log(b.State().Position), all)
	if err != nil {
		r.Fatal(err)
	}
	due := b.LegacyDue(tail.To)
	batches, ends := r.cut(b, tail)
	downloader := &Downloader{Upstream: u, Dir: r.TempDir(), Concurrency: 4}
	writer := NewBucketWriter(r.Context(), b, ix, tail, "", ends...)
	defer func() { _ = writer.Close() }() // a second time does nothing
	for i, wants := range batches {
		for n := range wants {
			wants[n].Destinations[0].Writer = writer
		}
		if _, err := downloader.Download(r.Context(), wants); err != nil {
			return err
		}
		if i < len(ends)-1 {
			writer.EndBatch(ends[i], nil)
		}
	}
	legacy := ""
	if due {
		legacy = filepath.Join(r.TempDir(), "00-index.tar.gz")
		whole, err := ix.Full(r.Context())
		if err == nil {
			err = WriteLegacy(r.Context(), legacy, whole.Index, all)
		}
		if err != nil {
			return err
		}
	}
	writer.EndBatch(tail.To.Length, &Publication{Metadata: m, Legacy: legacy, Deprecated: r.deprecated})
	return writer.Close()
}

// cut divides what a bucket wants into batches, each with its end in the index.
func (r *rig) cut(b *Bucket, tail *index.Delta) (batches [][]Want, ends []int64) {
	offset := func(w Want) int64 {
		if news := tail.Changes[w.Release]; news != nil {
			return news.TargetOffset
		}
		return 0
	}
	var wants []Want
	for _, w := range b.Wants(tail, state.Rotation{}) {
		wants = append(wants, Want{Tarball: w.Tarball, Retried: w.Retried, Digests: true, Destinations: []Destination{{Replaced: w.Replaced}}})
	}
	slices.SortStableFunc(wants, func(a, b Want) int { return cmp.Compare(offset(a), offset(b)) })
	for r.batch > 0 && len(wants) > r.batch && offset(wants[r.batch]) > 0 {
		batches, ends = append(batches, wants[:r.batch]), append(ends, offset(wants[r.batch]))
		wants = wants[r.batch:]
	}
	return append(batches, wants), append(ends, tail.To.Length)
}

// mustRun is a run that ends well.
func (r *rig) mustRun() {
	r.Helper()
	if err := r.run(); err != nil {
		r.Fatal(err)
	}
}

// check holds the bucket against the Hackage as it is now, but for the tarballs
// that are pending: exactly the right keys with the right bytes.
func (r *rig) check(pending ...index.Release) {
	r.Helper()
	g := r.hackage.Generation()
	want := map[string][]byte{}
	for _, name := range g.Paths() {
		if !strings.HasPrefix(name, "packages/") {
			want[name] = g.File(name)
		}
	}
	for _, release := range g.Releases() {
		revisions := g.Revisions(release)
		for number, content := range revisions {
			want[revisionKey(release, number)] = content
		}
		want["package/"+release.String()+"/"+release.Package+".cabal"] = revisions[len(revisions)-1]
		if slices.Contains(pending, release) {
			delete(want, release.TarballKey())
		}
	}
	got := r.store.Contents()
	for key, content := range want {
		if held, ok := got[key]; !ok || !bytes.Equal(held, content) {
			r.Errorf("bucket: %q is not what Hackage has (there at all: %v)", key, ok)
		}
		if strings.HasSuffix(key, ".tar.gz") && strings.HasPrefix(key, "package/") {
			r.checkRecord(got, strings.TrimSuffix(key, ".tar.gz")+".json", content)
			delete(got, strings.TrimSuffix(key, ".tar.gz")+".json")
		}
		delete(got, key)
	}
	for _, key := range []string{StateKey, legacyGz} {
		if len(got[key]) == 0 {
			r.Errorf("bucket lacks %q", key)
		}
		delete(got, key)
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		r.Errorf("bucket has %q, which Hackage has not", key)
	}
}

func (r *rig) checkRecord(held map[string][]byte, key string, tarball []byte) {
	r.Helper()
	if !bytes.Contains(held[key], []byte(`"SHA256":"`+hexDigest(tarball)+`"`)) {
		r.Errorf("%q does not hold the digest of its tarball: %s", key, held[key])
	}
}
