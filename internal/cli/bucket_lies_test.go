package cli

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// What a bucket says of itself is what somebody wrote who can write there.

// put puts an object as whoever may write there does.
func (c *cloud) put(key string, raw []byte, metadata map[string]string) {
	c.Helper()
	size := int64(len(raw))
	in := &s3.PutObjectInput{Bucket: &c.name, Key: &key, Body: bytes.NewReader(raw), ContentLength: &size, Metadata: metadata}
	if _, err := c.server.Client.PutObject(context.Background(), in); err != nil {
		c.Fatal(err)
	}
}

// genuine is the metadata that a run writes.
func genuine(raw []byte) map[string]string { return map[string]string{"sha256": sha256Hex(raw)} }

// changedAt is content with one byte changed.
func changedAt(raw []byte, at int) []byte {
	evil := bytes.Clone(raw)
	evil[at] ^= 0xff
	return evil
}

func TestForgedTarballIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		evil   func(raw []byte) []byte
		unread bool // a new release with it is taken for done
	}{
		"of another length": {func([]byte) []byte { return []byte("EVIL TARBALL OF ANOTHER LENGTH") }, false},
		"of its length":     {func(raw []byte) []byte { return changedAt(raw, len(raw)/2) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			cloud := w.cloud(s3test.Start(t))
			args := w.bucketArgs(cloud.address())
			w.fill(CodeDone, args...)
			raw := w.hackage.Generation().Tarball(release("alpha", "0.2"))
			cloud.put("package/alpha-0.2.tar.gz", c.evil(raw), genuine(raw))
			w.says(w.fill(CodeDegraded, append(args, "--full")...), "alpha-0.2 mismatch", "read back")

			// It may also lie there before the release comes.
			w.hackage.Upload("alpha", "0.3", nil, nil)
			raw = w.hackage.Generation().Tarball(release("alpha", "0.3"))
			cloud.put("package/alpha-0.3.tar.gz", c.evil(raw), genuine(raw))
			if said := w.fill(CodeDegraded, args...); strings.Contains(said, "alpha-0.3 mismatch") == c.unread {
				t.Errorf("the new release is found: %t\n%s", c.unread, said)
			}
			w.says(w.fill(CodeDegraded, append(args, "--full")...), "alpha-0.2 mismatch", "alpha-0.3 mismatch")
		})
	}
}

// TestChangedIndexIsNotBuiltOn changes one byte of each index file, and what is
// said of them.
func TestChangedIndexIsNotBuiltOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Wide(wide))
	c := w.cloud(s3test.Start(t))
	args := w.bucketArgs(c.address())
	w.fill(CodeDone, args...)
	keys := []string{"01-index.tar", "01-index.tar.gz"}
	for _, known := range []bool{false, true} {
		for _, key := range keys {
			raw, err := c.look(key)
			if err != nil {
				t.Fatal(err)
			}
			c.put(key, changedAt(raw, len(raw)/2), genuine(raw))
			if known {
				c.claim(key)
			}
		}
		w.hackage.Upload("later", map[bool]string{false: "1", true: "2"}[known], nil, nil)
		if known {
			// The state names the changed versions: of their bytes a sample is read.
			w.fill(CodeDone, args...)
			args = append(args, "--full")
			w.hackage.Upload("later", "3", nil, nil)
		}
		w.fill(CodeDone, args...)
		for _, key := range keys {
			raw, err := c.look(key)
			if err != nil || !bytes.Equal(raw, w.hackage.Generation().File(key)) {
				t.Errorf("versions known %t: %s is not what the published snapshot signs (%v)", known, key, err)
			}
		}
	}
}

// claim lets the state say that an object is the one that was put last.
func (c *cloud) claim(key string) {
	c.Helper()
	response, err := http.Head(c.public() + "/" + key)
	if err != nil {
		c.Fatal(err)
	}
	_ = response.Body.Close() // it is empty
	raw, err := c.look("hackage-mirror.json")
	if err != nil {
		c.Fatal(err)
	}
	file, err := state.ParseFile(raw)
	if err != nil {
		c.Fatal(err)
	}
	file.State.Pointers[key] = response.Header.Get("ETag")
	c.put("hackage-mirror.json", file.JSON(), nil)
}
