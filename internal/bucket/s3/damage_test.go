package s3_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// An object of which a bit was flipped below the server, whose checksum it then
// no longer has, is one with other bytes.
func TestDamagedObjectIsOneWithOtherBytes(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("what was put"), 100)
	fake := &fakeS3{checksums: "compared"}
	o := quick()
	o.Full = true
	store := at(t, fake.serve(t), o)
	info, err := store.Put(t.Context(), "key", bucket.NewObject(content), bucket.IfAbsent())
	if err != nil {
		t.Fatal(err)
	}
	fake.damage("key")
	body, there, err := store.Get(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	if have, err := io.ReadAll(body); err != nil || len(have) != len(content) || bytes.Equal(have, content) {
		t.Errorf("reading it gives %d bytes and %v", len(have), err)
	}
	_ = body.Close() // only read
	if there.Declared != sha256.Sum256(content) {
		t.Error("reading it does not tell what was put")
	}
	if same, err := holds(t, store, "key", content); same || err != nil {
		t.Errorf("it holds what was put: %t, %v", same, err)
	}
	if _, err := store.Put(t.Context(), "key", bucket.NewObject(content), bucket.IfAbsent()); !errors.Is(err, bucket.ErrDiffers) {
		t.Errorf("a put of what may not be changed ends with %v", err)
	}
	if _, err := store.Put(t.Context(), "key", bucket.NewObject(content), bucket.IfMatch(info.ETag)); err != nil {
		t.Errorf("a put over it ends with %v", err)
	}
	if same, err := holds(t, store, "key", content); !same || err != nil {
		t.Errorf("the put left in place what was damaged: %v", err)
	}
}
