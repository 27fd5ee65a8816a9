package buckettest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	buckettest.Test(t, func(t *testing.T) bucket.Bucket {
		return buckettest.NewMemory(t)
	})
}

// A recorder has the failures that a Memory reports.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) expect(t *testing.T, parts ...string) {
	t.Helper()
	if len(r.failures) != len(parts) {
		t.Fatalf("reported %q, want %d failures", r.failures, len(parts))
	}
	for i, part := range parts {
		if !strings.Contains(r.failures[i], part) {
			t.Errorf("reported %q, want %q in it", r.failures[i], part)
		}
	}
	r.failures = nil
}

func put(t *testing.T, b bucket.Bucket, key, content string) {
	t.Helper()
	if _, err := b.Put(t.Context(), key, bucket.NewObject([]byte(content)), bucket.Always()); err != nil {
		t.Fatal(err)
	}
}

func TestMemoryReportsChangeOfImmutable(t *testing.T) {
	t.Parallel()
	var r recorder
	m := buckettest.NewMemory(&r)
	m.Immutable = func(key string) bool { return strings.HasPrefix(key, "package/") }
	put(t, m, "package/a", "one")
	put(t, m, "package/a", "one")
	put(t, m, "pointer", "one")
	put(t, m, "pointer", "two")
	r.expect(t)
	put(t, m, "package/a", "two")
	r.expect(t, "immutable")
}

func TestMemoryReportsOrder(t *testing.T) {
	t.Parallel()
	var r recorder
	m := buckettest.NewMemory(&r)
	m.Order = func(view func(string) ([]byte, bool), key string, content []byte) error {
		if _, ok := view(string(content)); key == "pointer" && !ok {
			return fmt.Errorf("%q is not there", content)
		}
		return nil
	}
	put(t, m, "pointer", "a")
	r.expect(t, `"a" is not there`)
	put(t, m, "b", "")
	put(t, m, "pointer", "b")
	r.expect(t)
}

func TestMemoryHook(t *testing.T) {
	t.Parallel()
	fault := errors.New("fault")
	for _, c := range []struct {
		name  string
		apply bool
		err   error
		want  bool // the object is there
	}{
		{"applied", true, nil, true},
		{"refused", false, fault, false},
		{"reply lost", true, fault, true},
		{"lie", false, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var r recorder
			m := buckettest.NewMemory(&r)
			m.Hook = func(op buckettest.Op, key string) (bool, error) { return c.apply, c.err }
			if _, err := m.Put(t.Context(), "k", bucket.NewObject(nil), bucket.Always()); !errors.Is(err, c.err) {
				t.Errorf("put: %v, want %v", err, c.err)
			}
			m.Hook = nil
			if _, err := m.Head(t.Context(), "k"); c.want != (err == nil) || !c.want && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("head: %v, want an object: %t", err, c.want)
			}
			if c.name == "lie" {
				r.expect(t, "neither applied nor failed")
			}
			r.expect(t)
		})
	}
}

func TestMemoryCounts(t *testing.T) {
	t.Parallel()
	m := buckettest.NewMemory(t)
	put(t, m, "a", "one")
	put(t, m, "a", "one")
	put(t, m, "b", "one")
	if _, err := m.Head(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if n := m.Count(buckettest.Put, "a"); n != 2 {
		t.Errorf("%d puts of a, want 2", n)
	}
	if n := m.Count(buckettest.Put, ""); n != 3 {
		t.Errorf("%d puts, want 3", n)
	}
	if n := m.Writes(); n != 2 {
		t.Errorf("%d writes, want 2", n)
	}
	if last := m.Calls()[3]; last != (buckettest.Call{Op: buckettest.Head, Key: "b"}) {
		t.Errorf("last call %v", last)
	}
	m.ResetCounts()
	if m.Writes() != 0 || len(m.Calls()) != 0 {
		t.Error("counts are left after ResetCounts")
	}
}

func TestMemoryBehindItsBack(t *testing.T) {
	t.Parallel()
	m := buckettest.NewMemory(t)
	m.Immutable = func(string) bool { return true }
	put(t, m, "a", "one")
	m.Set("a", []byte("two"))
	m.Set("b", []byte("three"))
	if all := m.Contents(); len(all) != 2 || string(all["a"]) != "two" || string(all["b"]) != "three" {
		t.Errorf("contents %q", all)
	}
	m.Delete("a")
	if keys := m.Keys(); !slices.Equal(keys, []string{"b"}) {
		t.Errorf("keys %q", keys)
	}
}
