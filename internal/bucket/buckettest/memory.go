package buckettest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// An Op is a kind of operation on a bucket.
type Op string

// The operations of bucket.Bucket.
const (
	Get  Op = "get"
	Head Op = "head"
	Put  Op = "put"
)

// A Call is one operation that a Memory was asked for.
type Call struct {
	Op  Op
	Key string
}

// A Memory is a bucket in memory for tests of those who write into buckets. It
// fails the test when its rules are broken, counts its calls, and fails when it
// is told to. Its ETags are numbers, so nobody gets away with taking an ETag
// for a digest. A broken rule fails the test, but the put goes on.
//
// Its exported fields are set while no operation runs.
type Memory struct {
	bucket.Reads

	// Immutable, if set, says of a key that its content never changes.
	Immutable func(key string) bool

	// Order, if set, is called before an object is put in place, with what is
	// there. An error means that it comes too early (or at all), as with a
	// pointer to something that is not there. It must not call the Memory.
	Order func(view func(key string) ([]byte, bool), key string, content []byte) error

	// Hook, if set, is asked before each operation takes effect. Apply false with
	// an error fails the operation without effect, true with an error fails it after
	// it took effect (a reply that was lost). Apply false without an error is a store
	// that lies; that fails the test. For Get and Head only the error counts.
	Hook func(op Op, key string) (apply bool, err error)

	// ByContent makes an ETag of the content alone, as S3 does of small objects: a
	// content that comes back is the version that it was.
	ByContent bool

	t       testing.TB
	mu      sync.Mutex
	objects map[string]stored
	version int
	calls   []Call
	writes  int
}

type stored struct {
	content []byte
	info    bucket.Info
}

// NewMemory returns an empty bucket that reports to t.
func NewMemory(t testing.TB) *Memory { return &Memory{t: t, objects: map[string]stored{}} }

// String implements bucket.Bucket.
func (m *Memory) String() string { return "bucket in memory" }

// Get implements bucket.Bucket.
func (m *Memory) Get(ctx context.Context, key string) (io.ReadCloser, bucket.Info, error) {
	o, err := m.lookUp(ctx, Get, key)
	if err != nil {
		return nil, bucket.Info{}, err
	}
	return m.Reads.Count(ctx, io.NopCloser(bytes.NewReader(o.content))), o.info, nil
}

// Head implements bucket.Bucket.
func (m *Memory) Head(ctx context.Context, key string) (bucket.Info, error) {
	o, err := m.lookUp(ctx, Head, key)
	return o.info, err
}

func (m *Memory) lookUp(ctx context.Context, op Op, key string) (stored, error) {
	_, err := m.call(ctx, op, key)
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if err == nil && !ok {
		err = fs.ErrNotExist
	}
	if err != nil {
		return stored{}, fmt.Errorf("%s %q from %s: %w", op, key, m, err)
	}
	return o, nil
}

// call counts an operation and asks the hook.
func (m *Memory) call(ctx context.Context, op Op, key string) (apply bool, err error) {
	if err := bucket.CheckKey(key); err != nil {
		return false, err
	}
	m.mu.Lock()
	m.calls = append(m.calls, Call{op, key})
	m.mu.Unlock()
	if err := ctx.Err(); err != nil || m.Hook == nil {
		return err == nil, err
	}
	apply, err = m.Hook(op, key)
	if !apply && err == nil {
		m.t.Helper()
		m.t.Errorf("hook of %s: %s %q is neither applied nor failed", m, op, key)
	}
	return apply, err
}

// Put implements bucket.Bucket.
func (m *Memory) Put(ctx context.Context, key string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	m.t.Helper()
	apply, fault := m.call(ctx, Put, key)
	var info bucket.Info
	var err error
	if apply {
		info, err = m.put(ctx, key, o, c)
	}
	if err = cmp.Or(err, fault); err != nil {
		return bucket.Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	return info, nil
}

func (m *Memory) put(ctx context.Context, key string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	m.t.Helper()
	var body bytes.Buffer
	if err := cmp.Or(o.Check(ctx, c), o.Copy(ctx, &body)); err != nil {
		return bucket.Info{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	have, exists := m.objects[key]
	whole := body.Bytes()
	if length := o.Base.Length; length > 0 {
		if same, err := o.Base.IsPrefixOf(bytes.NewReader(have.content)); err != nil || !same {
			return bucket.Info{}, cmp.Or(err, bucket.ErrBase)
		}
		whole = slices.Concat(have.content[:length], whole)
	}
	write, err := c.Decide(bytes.Equal(whole, have.content), have.info, exists)
	if errors.Is(err, bucket.ErrDiffers) {
		err = bucket.Differs(have.info, sha256.Sum256(have.content), o)
	}
	if err != nil || !write {
		have.info.Existed = true
		return have.info, err
	}
	if exists && m.Immutable != nil && m.Immutable(key) {
		m.t.Errorf("put %q (%s): an immutable object changes", key, c)
	}
	if m.Order != nil {
		if err := m.Order(m.view, key, whole); err != nil {
			m.t.Errorf("put %q (%s): out of order: %v", key, c, err)
		}
	}
	m.store(key, whole)
	m.writes++
	return m.objects[key].info, nil
}

// view is for Order; the lock is held.
func (m *Memory) view(key string) ([]byte, bool) {
	o, ok := m.objects[key]
	return o.content, ok
}

// store puts an object in place; the lock is held.
func (m *Memory) store(key string, content []byte) {
	m.version++
	etag := "v" + strconv.Itoa(m.version)
	if m.ByContent {
		etag = fmt.Sprintf("%x", sha256.Sum256(content))
	}
	m.objects[key] = stored{content, bucket.Info{Size: int64(len(content)), ETag: etag}}
}

// Set puts content under key behind the back of rules, hook and counters, as
// another program would.
func (m *Memory) Set(key string, content []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.store(key, bytes.Clone(content))
}

// Delete removes the object behind the back of rules, hook and counters.
func (m *Memory) Delete(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
}

// Contents returns all objects by key.
func (m *Memory) Contents() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string][]byte, len(m.objects))
	for key, o := range m.objects {
		all[key] = bytes.Clone(o.content)
	}
	return all
}

// Keys returns the keys of all objects, sorted.
func (m *Memory) Keys() []string { return slices.Sorted(maps.Keys(m.Contents())) }

// Calls returns all operations so far, failed ones too, in the order they began.
func (m *Memory) Calls() []Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// Count returns how often op was asked for on key; an empty key is all keys.
func (m *Memory) Count(op Op, key string) int {
	n := 0
	for _, c := range m.Calls() {
		if c.Op == op && (key == "" || c.Key == key) {
			n++
		}
	}
	return n
}

// Writes returns how many puts changed the bucket.
func (m *Memory) Writes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

// ResetCounts forgets the calls and writes so far.
func (m *Memory) ResetCounts() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls, m.writes = nil, 0
}
