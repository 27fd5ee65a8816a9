package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

func sha256Hex(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// release is a short way to name one.
func release(name, version string) index.Release {
	return index.Release{Package: name, Version: version}
}

func TestFirstRunAndGrowth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	w.checkAll()
	w.hackage.Upload("new", "1.0", nil, nil)
	w.hackage.Revise("alpha", "0.2", []byte("name: alpha\nversion: 0.2\nx-revision: 1\n"))
	w.hackage.Revise("alpha", "0.2", []byte("name: alpha\nversion: 0.2\nx-revision: 2\n"))
	w.hackage.Prefer("alpha", "alpha <0.3")
	commits := len(w.subjects(w.files()))
	said := w.sync(CodeDone)
	w.checkAll()
	w.says(said, "done: 1 release, 2 revisions")
	if got := len(w.subjects(w.files())) - commits; got != 2 {
		t.Errorf("two revisions of one file made %d commits, want 2", got)
	}
}

func TestNothingNewWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	refs, bucket := w.refs(w.files())+w.refs(w.hashes()), w.contents(w.bucket())
	w.server.Forget()
	said := w.sync(CodeDone)
	w.says(said, "nothing new")
	if requests := w.server.Requests("/"); len(requests) != 1 || requests[0].Path != "/timestamp.json" {
		t.Errorf("a quiet run made %d requests: %+v", len(requests), requests)
	}
	if w.refs(w.files())+w.refs(w.hashes()) != refs || !maps.Equal(w.contents(w.bucket()), bucket) {
		t.Error("a quiet run changed a destination")
	}
}

func TestMetadataSignedAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	refs := w.refs(w.files()) + w.refs(w.hashes())
	w.hackage.Resign()
	w.server.Forget()
	w.sync(CodeDone)
	w.checkAll()
	if n := w.server.Count("/01-index.tar.gz"); n != 0 {
		t.Errorf("the index was fetched %d times although it did not change", n)
	}
	if w.refs(w.files())+w.refs(w.hashes()) != refs {
		t.Error("a repository moved although the index did not change")
	}
}
