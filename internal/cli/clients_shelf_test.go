package cli

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/testdata/demo"
)

// A shelf is a mirror as readers see it over HTTP, with their requests noted. It
// can be made to show other things than the bucket holds.
type shelf struct {
	*s3test.Watch
	prefix string // of keys, in the path
	// What clients are told to trust: the demo's keys, unless set.
	keys      []string
	threshold int

	mu    sync.Mutex
	shown map[string][]byte
}

func newShelf(watch *s3test.Watch, prefix string) *shelf {
	s := &shelf{Watch: watch, prefix: prefix, keys: demo.KeyIDs(), threshold: demo.Threshold, shown: map[string][]byte{}}
	watch.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		s.mu.Lock()
		raw, ok := s.shown[strings.TrimPrefix(r.URL.Path, s.prefix)]
		s.mu.Unlock()
		if ok && raw == nil {
			http.NotFound(w, r)
		}
		if raw != nil {
			_, _ = w.Write(raw) // a client that hangs up fails by itself
		}
		return ok
	}
	return s
}

// show serves other bytes under a key, or none if they are nil.
func (s *shelf) show(key string, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown[key] = raw
}

// address is what a client's configuration names.
func (s *shelf) address() string { return s.URL + s.prefix }

// of lists the requests for a key since the last Reset.
func (s *shelf) of(key string) []s3test.Request {
	return slices.DeleteFunc(s.Requests(), func(r s3test.Request) bool { return r.Path != s.prefix+key })
}

// A pair is the demo's Hackage, mirrored by one command into an S3 bucket and
// into a folder.
type pair struct {
	*world
	cloud *cloud
}

func newPair(t *testing.T) *pair {
	t.Helper()
	w := newWorld(t, hackagetest.New(hackagetest.Options{}))
	p := &pair{world: w, cloud: w.cloud(s3test.Start(t))}
	p.mirror("1")
	return p
}

// mirror brings both up to a generation.
func (p *pair) mirror(generation string) {
	p.Helper()
	m := demoMirrored(p.T)
	m.write(generation, p.path("upstream"))
	p.fill(CodeDone, append(m.args(p.path("upstream"), p.cloud.address()), "--bucket", p.bucket())...)
}

// shelf returns a new view of the S3 bucket, past the mirror's own credentials.
func (p *pair) shelf(t *testing.T) *shelf {
	return newShelf(s3test.NewWatch(t, p.cloud.server.URL), "/"+p.cloud.name+"/")
}

// folderShelf returns a new view of the folder, by any web server.
func (p *pair) folderShelf(t *testing.T) *shelf {
	return newShelf(s3test.NewWatchOf(t, http.FileServer(http.Dir(p.bucket()))), "/")
}

// demoFile is a file of the demo's Hackage, such as gen1/root.json.
func demoFile(t *testing.T, name string) []byte {
	t.Helper()
	file, err := demo.Files().Open(name)
	if err != nil {
		t.Fatal(err)
	}
	var raw bytes.Buffer
	_, err = raw.ReadFrom(file)
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	return raw.Bytes()
}

// flipped is a tarball of the demo with one byte changed.
func flipped(t *testing.T, release string) []byte {
	t.Helper()
	raw := demoFile(t, "package/"+release+".tar.gz")
	raw[len(raw)/2] ^= 1
	return raw
}

// A client is a package manager with folders of its own.
type client struct {
	*testing.T
	program string
	dir     string
	env     []string
}

// newClient finds the program. Without it the test is left out, but not in CI.
func newClient(t *testing.T, program, rootVariable string) *client {
	t.Helper()
	path, err := exec.LookPath(program)
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatal(err)
	case err != nil:
		t.Skipf("not tested: there is no %s here", program)
	}
	c := &client{T: t, program: path, dir: t.TempDir()}
	c.env = []string{
		"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", rootVariable + "=" + c.root(),
		// Nothing of the user's is read or written, and no other host is asked.
		"HOME=" + c.path("home"), "XDG_CONFIG_HOME=" + c.path("home"), "XDG_CACHE_HOME=" + c.path("home"),
		"https_proxy=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9",
	}
	return c
}

func (c *client) path(name string) string { return filepath.Join(c.dir, name) }

// root is where the program keeps configuration and caches.
func (c *client) root() string { return c.path("root") }

// configure writes a file of the program's configuration.
func (c *client) configure(name string, lines ...string) {
	c.Helper()
	writeFile(c.T, filepath.Join(c.root(), name), []byte(strings.Join(lines, "\n")+"\n"))
}

// try runs the program and returns what it said, as one line.
func (c *client) try(args ...string) (string, error) {
	if err := os.MkdirAll(c.path("home"), 0o755); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(context.Background(), c.program, args...)
	cmd.Dir, cmd.Env = c.path("home"), c.env
	said, err := cmd.CombinedOutput()
	return strings.Join(strings.Fields(string(said)), " "), err
}

// run runs the program, which must succeed.
func (c *client) run(args ...string) string {
	c.Helper()
	said, err := c.try(args...)
	if err != nil {
		c.Fatalf("%s %q: %v\n%s", c.program, args, err, said)
	}
	return said
}

// refuses runs the program, which must fail and say why.
func (c *client) refuses(why string, args ...string) {
	c.Helper()
	said, err := c.try(args...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		c.Errorf("%s %q did not fail: %v\n%s", c.program, args, err, said)
	}
	if !strings.Contains(said, why) {
		c.Errorf("%s %q does not say %q:\n%s", c.program, args, why, said)
	}
}

// holds says that the program unpacked this .cabal file.
func (c *client) holds(name string, want []byte) {
	c.Helper()
	if got := readFile(c.T, c.path(name)); !bytes.Equal(got, want) {
		c.Errorf("%q has %d bytes, and they are not the %d expected", name, len(got), len(want))
	}
}
