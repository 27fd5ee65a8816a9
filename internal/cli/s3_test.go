package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/testdata/demo"
)

// A cloud is a bucket on a real S3 server, which everyone can read.
type cloud struct {
	*testing.T
	*s3test.Watch // stands between the command and the server
	server        *s3test.Server
	name          string
}

// cloud makes a bucket and lets the command have the server's access key.
func (w *world) cloud(server *s3test.Server) *cloud {
	w.Helper()
	maps.Copy(w.env, server.Environment())
	c := &cloud{T: w.T, server: server, name: server.NewBucket(w.T)}
	c.Watch = s3test.NewWatch(w.T, server.URL)
	return c
}

// address is the bucket's for the command.
func (c *cloud) address() string { return s3test.Address(c.URL, c.name, "") }

// public is where everyone reads the bucket, past the watch.
func (c *cloud) public() string { return c.server.PublicURL(c.name) }

// look reads an object as anyone may.
func (c *cloud) look(key string) ([]byte, error) {
	raw, _, err := c.get(key)
	return raw, err
}

// get reads an object and its headers as anyone may.
func (c *cloud) get(key string) ([]byte, http.Header, error) {
	response, err := http.Get(c.public() + "/" + key)
	if err != nil {
		return nil, nil, err
	}
	raw, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return nil, nil, err
	}
	// Who may not list is told nothing of what is not there.
	if response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusForbidden {
		return nil, nil, fmt.Errorf("get %q: %s: %w", key, response.Status, fs.ErrNotExist)
	}
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("get %q: %s", key, response.Status)
	}
	return raw, response.Header, nil
}

// bucketArgs are the options of a run that fills buckets only.
func (w *world) bucketArgs(addresses ...string) []string {
	args := append(w.upstreamArgs(), "--public-url", "https://mirror.example/hackage")
	for _, address := range addresses {
		args = append(args, "--bucket", address)
	}
	return args
}

// fill runs a sync of buckets that must end with a code.
func (w *world) fill(code int, args ...string) string {
	w.Helper()
	got, said := w.run(args...)
	if got != code {
		w.Fatalf("exit code %d, want %d:\n%s", got, code, said)
	}
	return said
}

// check holds a bucket against the served Hackage.
func (w *world) check(look func(key string) ([]byte, error)) {
	w.Helper()
	at := *w
	at.look = look
	at.checkBucket(w.hackage.Generation(), nil)
}

// checkHeaders says what readers and caches are told of an object.
func (c *cloud) checkHeaders(key string, raw []byte, header http.Header) {
	c.Helper()
	want := map[string]string{
		"Content-Encoding":  "",
		"Content-Length":    strconv.Itoa(len(raw)),
		"X-Amz-Meta-Sha256": sha256Hex(raw),
		"Cache-Control":     "public, no-transform, max-age=60",
		"Accept-Ranges":     "bytes",
	}
	if strings.HasSuffix(path.Dir(key), "/revision") || path.Dir(key) == "package" && path.Ext(key) == ".gz" {
		want["Cache-Control"] = "public, no-transform, max-age=31536000, immutable"
	}
	if key == "names.json" {
		want["Cache-Control"] = "public, max-age=3600"
	}
	want["Content-Type"] = map[string]string{
		".gz": "application/gzip", ".tar": "application/x-tar", ".json": "application/json", ".cabal": "text/plain; charset=utf-8",
		".html": "text/html; charset=utf-8", ".svg": "image/svg+xml", ".xml": "application/atom+xml; charset=utf-8", ".txt": "text/plain; charset=utf-8",
	}[path.Ext(key)]
	for name, value := range want {
		if header.Get(name) != value {
			c.Errorf("%q is served with %s %q, want %q", key, name, header.Get(name), value)
		}
	}
}

// checkMirror holds a bucket, to the last key, against a folder in Hackage's
// layout, which may hold more tarballs than its index.
func (c *cloud) checkMirror(upstream string) {
	c.Helper()
	ix := readOldIndex(c.T, filepath.Join(upstream, "01-index.tar.gz"))
	want := map[string][]byte{"01-index.tar": gunzip(c.T, filepath.Join(upstream, "01-index.tar.gz"))}
	for _, name := range []string{"01-index.tar.gz", "root.json", "mirrors.json", "snapshot.json", "timestamp.json"} {
		want[name] = readFile(c.T, filepath.Join(upstream, name))
	}
	for _, release := range ix.releases {
		key := "package/" + release + ".tar.gz"
		want[key] = readFile(c.T, filepath.Join(upstream, filepath.FromSlash(key)))
	}
	maps.Copy(want, ix.cabals())
	if len(ix.releases) == 0 {
		c.Fatalf("the index in %q has no release", upstream)
	}
	for _, key := range c.server.Keys(c.T, c.name) {
		raw, header, err := c.get(key)
		if err != nil {
			c.Error(err)
			continue
		}
		c.checkHeaders(key, raw, header)
		if content, ok := want[key]; ok {
			if !bytes.Equal(raw, content) {
				c.Errorf("%q has %d bytes, and they are not the %d of upstream", key, len(raw), len(content))
			}
			delete(want, key)
			continue
		}
		c.checkDerived(key, raw, ix, upstream)
	}
	for key := range want {
		c.Errorf("the bucket lacks %q", key)
	}
}

// checkDerived holds what upstream does not have against the index.
func (c *cloud) checkDerived(key string, raw []byte, ix oldIndex, upstream string) {
	c.Helper()
	release, isRecord := strings.CutSuffix(strings.TrimPrefix(key, "package/"), ".json")
	switch {
	case key == "hackage-mirror.json", slices.Contains(tellsPeople, key):
	case key == "00-index.tar.gz":
		if !maps.EqualFunc(untar(c.T, raw), ix.newest, bytes.Equal) {
			c.Error("00-index.tar.gz is not the newest of the index")
		}
	case isRecord && slices.Contains(ix.releases, release):
		at := &world{T: c.T}
		at.checkDigest(release, raw, readFile(c.T, filepath.Join(upstream, "package", release+".tar.gz")))
	default:
		c.Errorf("the bucket has %q, which the index has not", key)
	}
}

// cabals are the .cabal files as a bucket holds them.
func (ix oldIndex) cabals() map[string][]byte {
	all, next := map[string][]byte{}, map[string]int{}
	for _, revision := range ix.ordered {
		parts := strings.Split(revision.path, "/")
		release := "package/" + parts[0] + "-" + parts[1]
		all[release+"/revision/"+strconv.Itoa(next[release])+".cabal"] = revision.content
		all[release+"/"+parts[2]] = revision.content
		next[release]++
	}
	return all
}

// untar reads a .tar.gz.
func untar(t *testing.T, raw []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A mirrored is a folder in Hackage's layout and the keys to trust.
type mirrored struct {
	generations []string
	write       func(generation, dir string)
	keys        []string
	threshold   int
}

func demoMirrored(t *testing.T) mirrored {
	return mirrored{
		generations: []string{"1", "2"}, keys: demo.KeyIDs(), threshold: demo.Threshold,
		write: func(generation, dir string) {
			number, err := strconv.Atoi(generation)
			if err == nil {
				err = demo.Write(dir, number)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	}
}

func referenceMirrored(t *testing.T) mirrored {
	set := newReferenceSet(t, "real")
	return mirrored{
		generations: []string{"g0", "g1", "g2", "g3"}, keys: set.RootKeys, threshold: set.Threshold,
		write: func(generation, dir string) { set.materialize(t, generation, dir) },
	}
}

// args are the options that mirror a folder into a bucket.
func (m mirrored) args(upstream, address string) []string {
	return []string{
		"sync", "--upstream", upstream, "--root-keys", strings.Join(m.keys, ","),
		"--key-threshold", strconv.Itoa(m.threshold), "--bucket", address,
	}
}

func TestS3HoldsEachGenerationByteForByte(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) mirrored{"demo": demoMirrored, "reference": referenceMirrored} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := open(t)
			w := newWorld(t, hackagetest.New(hackagetest.Options{}))
			c := w.cloud(s3test.Start(t))
			for _, generation := range m.generations {
				m.write(generation, w.path("upstream"))
				w.fill(CodeDone, m.args(w.path("upstream"), c.address())...)
				c.checkMirror(w.path("upstream"))
				if t.Failed() {
					t.Fatalf("stopped at generation %s", generation)
				}
				c.Reset()
				w.says(w.fill(CodeDone, m.args(w.path("upstream"), c.address())...), "nothing new")
				if counts := c.Counts(); !maps.Equal(counts, map[string]int{"GET": 2}) { // the state, and the status
					t.Errorf("generation %s: a second run made the requests %v", generation, counts)
				}
			}
		})
	}
}

// remove takes an object away, as somebody else would.
func (c *cloud) remove(key string) {
	c.Helper()
	if _, err := c.server.Client.DeleteObject(c.Context(), &s3.DeleteObjectInput{Bucket: &c.name, Key: &key}); err != nil {
		c.Fatal(err)
	}
}
