//go:build unix

package acttest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

// A stage is all that the workflow mirror.yml meets: a Hackage, a bucket, two
// repositories behind ssh, GitHub, and the releases of this program.
type stage struct {
	*runner
	T        *testing.T
	hackage  *hackagetest.Hackage
	upstream *hackagetest.Server
	s3       *s3test.Server
	bucket   string
	ssh      *sshHost
	forge    *forge
	keyring  string
	watcher  *watcher
}

// A watcher is a server that the mirror tells of its runs and of its state.
type watcher struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string // the last parts of the paths
}

func newWatcher(t *testing.T) *watcher {
	w := &watcher{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.calls = append(w.calls, path.Base(r.URL.Path))
	}))
	t.Cleanup(w.Close)
	return w
}

// hears fails the test if these are not the calls since it was last asked.
func (w *watcher) hears(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.calls, want) {
		t.Errorf("who watches is told %q, want %q", w.calls, want)
	}
	w.calls = nil
}

// Which actions the workflow uses but for ours, as it names them.
const (
	awsAction = "aws-actions/configure-aws-credentials@e6de054238d6b7531b4efff3b6587d9aade6a06c"
	appAction = "actions/create-github-app-token@bcd2ba49218906704ab6c1aa796996da409d3eb1"
)

func newStage(t *testing.T) *stage {
	t.Helper()
	for _, program := range []string{"bash", "curl", "git", "ssh", "gpg", "jq", "go"} {
		need(t, program)
	}
	workflows := map[string]string{}
	for _, name := range []string{".github/workflows/mirror.yml", ".github/workflows/backfill.yml"} {
		workflows[name] = read(t, filepath.Join(root(t), name))
	}
	s := &stage{
		T: t, runner: newRunner(t, workflows),
		hackage: hackagetest.Small(), s3: s3test.Start(t), ssh: newSSHHost(t, "files", "hashes"), forge: newForge(t), watcher: newWatcher(t),
	}
	s.upstream = s.hackage.Serve()
	t.Cleanup(s.upstream.Close)
	s.bucket = s.s3.NewBucket(t)
	key, err := openpgp.Generate("Mirror", "mirror@example.invalid", nil, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	s.trust(key)
	s.configure(string(key))
	s.release()
	s.path = s.forge.bin + ":" + s.path
	s.env = append(s.env, "GH_STUB="+s.forge.dir)
	return s
}

// configure sets what a user sets in the repository's settings.
func (s *stage) configure(key string) {
	s.Helper()
	s.secrets = map[string]string{
		"SIGNING_KEY": key, "GITHUB_TOKEN": "token-of-the-workflow",
		"FILES_SSH_KEY": s.ssh.keys["files"], "HASHES_SSH_KEY": s.ssh.keys["hashes"],
		"AWS_ACCESS_KEY_ID": s.s3.ID, "AWS_SECRET_ACCESS_KEY": s.s3.Secret,
		"PING_URL": s.watcher.URL + "/secret-ping", "NOTIFY_URL": s.watcher.URL + "/secret-note",
	}
	s.variables = map[string]string{
		"UPSTREAM": s.upstream.URL, "ROOT_KEYS": strings.Join(s.hackage.KeyIDs(), "\n"), "KEY_THRESHOLD": strconv.Itoa(s.hackage.Threshold()),
		"BUCKET": s3test.Address(s.s3.URL, s.bucket, ""), "PUBLIC_URL": s.s3.PublicURL(s.bucket),
		"FILES_REPOSITORY": s.ssh.url("files"), "HASHES_REPOSITORY": s.ssh.url("hashes"), "SSH_KNOWN_HOSTS": s.ssh.KnownHosts(),
	}
}

// release makes the Action's folder what the commit of a release has, and a
// server for its binary. Actions that only GitHub can serve do nothing.
func (s *stage) release() {
	s.Helper()
	served, action := s.T.TempDir(), s.T.TempDir()
	program := filepath.Join(served, release, "hackage-mirror-linux-"+goarch(s.T))
	raw, err := built()
	if err != nil {
		s.T.Fatal(err)
	}
	write(s.T, program, string(raw), 0o644)
	for name, mode := range map[string]os.FileMode{
		"action.yml": 0o644, "script/action-bootstrap": 0o755,
		".github/actions/notice/action.yml": 0o644, ".github/actions/notice/notice": 0o755,
	} {
		write(s.T, filepath.Join(action, name), read(s.T, filepath.Join(root(s.T), name)), mode)
	}
	write(s.T, filepath.Join(action, "VERSION"), release+"\n", 0o644)
	write(s.T, filepath.Join(action, "checksums.txt"), fmt.Sprintf("%x  %s\n", sha256.Sum256(raw), filepath.Base(program)), 0o644)
	server := httptest.NewServer(http.FileServer(http.Dir(served)))
	s.T.Cleanup(server.Close)
	s.variables["DOWNLOAD_BASE"] = server.URL
	nothing := s.T.TempDir()
	write(s.T, filepath.Join(nothing, "action.yml"), "name: nothing\nruns:\n  using: composite\n  steps:\n    - shell: bash\n      run: exit 1\n", 0o644)
	s.stubs = []string{"hackage-mirror/hackage-mirror@v1=" + action, awsAction + "=" + nothing, appAction + "=" + nothing}
}

// built returns the program as a release has it, which is made once for all tests.
var built = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "act")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-buildvcs=false", "-trimpath",
		"-ldflags", "-s -w -X github.com/hackage-mirror/hackage-mirror/internal/cli.version="+release, "-o", program, ".")
	build.Dir, build.Env = filepath.Join("..", ".."), append(environment(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the program: %w: %s", err, said)
	}
	return os.ReadFile(program)
})

func goarch(t testing.TB) string {
	t.Helper()
	return strings.TrimSpace(must(t, root(t), environment(), "go", "env", "GOARCH"))
}

// trust makes a keyring with the public half of the signing key. Its path is
// short, because gpg makes sockets in it.
func (s *stage) trust(key []byte) {
	s.Helper()
	dir, err := os.MkdirTemp("", "gpg")
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run() // there may be none
		_ = os.RemoveAll(dir)
	})
	signer, err := openpgp.NewSigner(key, nil, time.Now)
	if err != nil {
		s.T.Fatal(err)
	}
	public := filepath.Join(dir, "public")
	write(s.T, public, string(signer.PublicKey()), 0o644)
	must(s.T, dir, environment(), "gpg", "--homedir", dir, "--batch", "--quiet", "--import", public)
	s.keyring = dir
}

// mirror runs the workflow, which must end as said.
func (s *stage) mirror(success bool, event string, args ...string) *log {
	s.Helper()
	ok, out := s.event("mirror.yml", event, args...)
	if ok != success {
		s.T.Fatalf("the run succeeded: %v, want %v:\n%s", ok, success, out)
	}
	return out
}

// check holds everything that the workflow filled against the Hackage.
func (s *stage) check() {
	s.Helper()
	g := s.hackage.Generation()
	for _, name := range g.Paths() {
		if !strings.HasPrefix(name, "packages/") && !bytes.Equal(s.object(name), g.File(name)) {
			s.T.Errorf("the bucket's %q is not upstream's", name)
		}
	}
	files, hashes := s.tree("files"), s.tree("hashes")
	if want := len(g.Tree()); want == 0 || len(files) != want {
		s.T.Errorf("the files repository has %d files, want %d", len(files), want)
	}
	for name, content := range g.Tree() {
		if files[name] != string(content) || hashes[name] != string(content) {
			s.T.Errorf("%q is not the index's in both repositories", name)
		}
	}
	for _, r := range g.Releases() {
		var record struct {
			Hashes map[string]string `json:"package-hashes"`
		}
		sum := sha256.Sum256(g.Tarball(r))
		err := json.Unmarshal([]byte(hashes[r.JSONPath()]), &record)
		if err != nil || record.Hashes["SHA256"] != hex.EncodeToString(sum[:]) {
			s.T.Errorf("the hashes repository has %q for %s: %v", hashes[r.JSONPath()], r, err)
		}
	}
}

// object reads one of the bucket, as anyone may.
func (s *stage) object(key string) []byte {
	s.Helper()
	response, err := http.Get(s.s3.PublicURL(s.bucket) + "/" + key)
	if err != nil {
		s.T.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		s.T.Errorf("get %q: %s, %v", key, response.Status, err)
	}
	return raw
}

// tree reads the data of a repository's branch, whose tag must be at its head and signed.
func (s *stage) tree(name string) map[string]string {
	s.Helper()
	dir := s.ssh.repository(name)
	git := func(args ...string) string {
		return must(s.T, dir, environment("GNUPGHOME="+s.keyring), "git", args...)
	}
	if git("rev-parse", "current-hackage^{commit}") != git("rev-parse", "hackage") {
		s.T.Errorf("%s: the tag is not at the head of the branch", name)
	}
	git("verify-tag", "current-hackage")
	git("verify-commit", "hackage")
	tree := map[string]string{}
	for path := range strings.SplitSeq(strings.TrimSuffix(git("ls-tree", "-r", "-z", "--name-only", "hackage"), "\x00"), "\x00") {
		tree[path] = git("cat-file", "blob", "hackage:"+path)
	}
	delete(tree, ".gitattributes") // of a checkout
	return tree
}

// state is what a run that writes nothing leaves alone.
func (s *stage) state() map[string]string {
	s.Helper()
	state := map[string]string{}
	for _, name := range []string{"files", "hashes"} {
		state[name] = must(s.T, s.ssh.repository(name), environment(), "git", "for-each-ref")
	}
	for _, key := range s.s3.Keys(s.T, s.bucket) {
		state[key] = string(s.object(key))
	}
	return state
}

// unchanged fails the test if anything was written since.
func (s *stage) unchanged(before map[string]string) {
	s.Helper()
	if after := s.state(); !maps.Equal(before, after) {
		s.T.Errorf("something was written: %d objects and repositories before, %d now", len(before), len(after))
	}
}
