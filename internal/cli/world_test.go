package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

// A world is a Hackage, three destinations, and the command that fills them.
type world struct {
	*testing.T
	hackage *hackagetest.Hackage
	server  *hackagetest.Server
	dir     string
	key     []byte
	env     map[string]string
	now     func() time.Time
	tune    func(*hackage.Options)
	batch   int // tarballs
	wait    func(context.Context, time.Duration) error
	// callTime is the patience with those who watch from outside.
	callTime time.Duration
	// look reads an object of the bucket; without one it is fs.ErrNotExist.
	look func(key string) ([]byte, error)
	// trusted holds the public half of key, once something was verified.
	trusted *keyring
}

// newWorld returns a world around a Hackage, which is served over HTTP. Its
// destinations do not exist yet.
func newWorld(t *testing.T, h *hackagetest.Hackage) *world {
	t.Helper()
	key, err := openpgp.Generate("Mirror", "mirror@example.invalid", nil, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	server := h.Serve()
	t.Cleanup(server.Close)
	w := &world{T: t, hackage: h, server: server, dir: t.TempDir(), key: key, env: map[string]string{}, now: time.Now, tune: hasty}
	w.look = w.inFolder
	return w
}

// inFolder reads an object of the bucket that is a folder.
func (w *world) inFolder(key string) ([]byte, error) {
	return os.ReadFile(filepath.Join(w.bucket(), filepath.FromSlash(key)))
}

// hasty makes a run try everything as often as ever, but wait hardly at all.
func hasty(o *hackage.Options) { o.FirstWait = time.Millisecond }

// path is a place in the world's folder.
func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// bucket, files and hashes are where the destinations are.
func (w *world) bucket() string { return w.path("bucket") }
func (w *world) files() string  { return w.path("files.git") }
func (w *world) hashes() string { return w.path("hashes.git") }

// upstreamArgs are the options that name the world's Hackage.
func (w *world) upstreamArgs() []string {
	return []string{
		"sync", "--upstream", w.server.URL, "--root-keys", strings.Join(w.hackage.KeyIDs(), ","),
		"--key-threshold", strconv.Itoa(w.hackage.Threshold()),
	}
}

// args are the options of a run that fills all destinations.
func (w *world) args(more ...string) []string {
	return slices.Concat(w.upstreamArgs(), []string{
		"--bucket", w.bucket(), "--files-repository", w.files(), "--hashes-repository", w.hashes(),
		"--public-url", "https://mirror.example/hackage",
	}, more)
}

// run runs the command with the signing key in its environment, and returns the
// exit code and all that it printed.
func (w *world) run(args ...string) (int, string) {
	w.Helper()
	return w.runUnder(context.Background(), args...)
}

// runUnder is run for a context that may end.
func (w *world) runUnder(ctx context.Context, args ...string) (int, string) {
	w.Helper()
	variables := map[string]string{"INPUT_SIGNING-KEY": string(w.key), "PATH": os.Getenv("PATH"), "HOME": w.dir}
	for name, value := range w.env {
		variables[name] = value
	}
	env, stdout, stderr := testEnv(variables)
	env.Now, env.tune, env.batch, env.wait = w.now, w.tune, w.batch, w.wait
	if w.wait == nil { // nothing that runs on this machine needs a second between two puts
		env.wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	}
	env.callTime = w.callTime
	env.tuneBucket = func(o *open.Options) { o.S3.Pause = time.Millisecond }
	code := Main(ctx, args, env)
	return code, stdout.String() + stderr.String()
}

// sync runs a sync of all destinations that must end with a code.
func (w *world) sync(code int, more ...string) string {
	w.Helper()
	got, said := w.run(w.args(more...)...)
	if got != code {
		w.Fatalf("exit code %d, want %d:\n%s", got, code, said)
	}
	return said
}

// git runs git in a repository and returns what it printed.
func (w *world) git(dir string, args ...string) string {
	w.Helper()
	out, err := w.tryGit(dir, args...)
	if err != nil {
		w.Fatalf("git %q in %q: %v\n%s", args, dir, err, out)
	}
	return out
}

func (w *world) tryGit(dir string, args ...string) (string, error) {
	return w.gitReads(dir, "", args...)
}

// gitReads is tryGit for a command with something on its standard input.
func (w *world) gitReads(dir, input string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(input)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Somebody", "GIT_AUTHOR_EMAIL=somebody@example.invalid",
		"GIT_COMMITTER_NAME=Somebody", "GIT_COMMITTER_EMAIL=somebody@example.invalid")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// tree reads all files of data of a repository's branch with plain git.
func (w *world) tree(repository string) map[string][]byte {
	w.Helper()
	tree := map[string][]byte{}
	paths := strings.Split(strings.TrimSuffix(w.git(repository, "ls-tree", "-r", "-z", "--name-only", "hackage"), "\x00"), "\x00")
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = "hackage:" + path
	}
	for i, content := range w.blobs(repository, names) {
		if content == nil {
			w.Fatalf("%s: no content at %q", repository, names[i])
		}
		tree[paths[i]] = content
	}
	delete(tree, ".gitattributes") // of a checkout
	return tree
}

// blobs reads objects of a repository by their names with one git: nil is one that is
// not there.
func (w *world) blobs(repository string, names []string) [][]byte {
	w.Helper()
	out, err := w.gitReads(repository, strings.Join(names, "\n")+"\n", "cat-file", "--batch=%(objecttype) %(objectsize)")
	if err != nil {
		w.Fatalf("read objects of %q: %v\n%s", repository, err, out)
	}
	blobs, rest := make([][]byte, len(names)), []byte(out)
	for i, name := range names {
		head, content, _ := bytes.Cut(rest, []byte("\n"))
		rest = content
		if string(head) == name+" missing" {
			continue
		}
		var size int
		if _, err := fmt.Sscanf(string(head), "blob %d", &size); err != nil {
			w.Fatalf("%s: %q is %q", repository, name, head)
		}
		blobs[i], rest = content[:size:size], content[size+1:]
	}
	return blobs
}

// subjects returns the messages of the branch, newest first.
func (w *world) subjects(repository string) []string {
	w.Helper()
	return strings.Split(strings.TrimSpace(w.git(repository, "log", "--format=%s", "hackage")), "\n")
}

// refs returns all refs of a repository, to see whether anything moved.
func (w *world) refs(repository string) string {
	w.Helper()
	return w.git(repository, "for-each-ref")
}

// checkAll holds every destination against the served Hackage, except for what
// is pending, by other means than those that wrote it.
func (w *world) checkAll(pending ...index.Release) {
	w.Helper()
	g := w.hackage.Generation()
	w.checkBucket(g, pending)
	w.checkFiles(g)
	w.checkHashes(g, pending)
}

// checkBucket holds a bucket against a generation.
func (w *world) checkBucket(g *hackagetest.Generation, pending []index.Release) {
	w.Helper()
	for _, name := range g.Paths() {
		if strings.HasPrefix(name, "packages/") {
			continue
		}
		if r, err := index.ParseRelease(strings.TrimSuffix(strings.TrimPrefix(name, "package/"), ".tar.gz")); err == nil && slices.Contains(pending, r) {
			continue
		}
		w.sameFile(name, g.File(name))
	}
	for _, r := range g.Releases() {
		revisions := g.Revisions(r)
		for number, content := range revisions {
			w.sameFile("package/"+r.String()+"/revision/"+strconv.Itoa(number)+".cabal", content)
		}
		w.sameFile("package/"+r.String()+"/"+r.Package+".cabal", revisions[len(revisions)-1])
		if _, err := w.look("package/" + r.String() + "/revision/" + strconv.Itoa(len(revisions)) + ".cabal"); !errors.Is(err, fs.ErrNotExist) {
			w.Errorf("bucket holds more revisions of %s than the index", r)
		}
		if !slices.Contains(pending, r) {
			w.checkRecord("bucket", r, g, w.read("package/"+r.String()+".json"))
		}
	}
}

// read returns an object of the bucket.
func (w *world) read(key string) []byte {
	w.Helper()
	raw, err := w.look(key)
	if err != nil {
		w.Errorf("read bucket: %v", err)
	}
	return raw
}

// sameFile holds an object of the bucket against its expected content.
func (w *world) sameFile(key string, want []byte) {
	w.Helper()
	if got := w.read(key); !bytes.Equal(got, want) {
		w.Errorf("bucket has %q with %d bytes, and they are not the %d expected", key, len(got), len(want))
	}
}

// checkRecord holds a JSON record against the tarball it speaks of.
func (w *world) checkRecord(where string, r index.Release, g *hackagetest.Generation, raw []byte) {
	w.Helper()
	var record struct {
		Hashes    map[string]string `json:"package-hashes"`
		Locations []string          `json:"package-locations"`
		Size      int64             `json:"package-size"`
	}
	if err := json.Unmarshal(raw, &record); err != nil {
		w.Errorf("%s: record of %s: %v", where, r, err)
		return
	}
	tarball := g.Tarball(r)
	if record.Size != int64(len(tarball)) || record.Hashes["SHA256"] != sha256Hex(tarball) || len(record.Hashes) != 5 {
		w.Errorf("%s: record of %s does not fit its tarball: %s", where, r, raw)
	}
	want := []string{
		"https://hackage.haskell.org/package/" + r.String() + "/" + r.String() + ".tar.gz",
		"https://mirror.example/hackage/package/" + r.String() + ".tar.gz",
	}
	if !slices.Equal(record.Locations, want) {
		w.Errorf("%s: record of %s has locations %q", where, r, record.Locations)
	}
}

// checkFiles holds the files repository against a generation: exactly the
// newest content, every commit signed, every revision in the history.
func (w *world) checkFiles(g *hackagetest.Generation) {
	w.Helper()
	tree := w.tree(w.files())
	for name, want := range g.Tree() {
		if got, ok := tree[name]; !ok || !bytes.Equal(got, want) {
			w.Errorf("files repository: %q is %d bytes, not the %d expected (there: %v)", name, len(got), len(want), ok)
		}
		delete(tree, name)
	}
	for name := range tree {
		w.Errorf("files repository has %q, the index has not", name)
	}
	var revisions, ids []string
	for _, r := range g.Releases() {
		for number, content := range g.Revisions(r) {
			revisions, ids = append(revisions, fmt.Sprintf("%d of %s", number, r)), append(ids, gitpack.BlobID(content).String())
		}
	}
	for i, content := range w.blobs(w.files(), ids) {
		if content == nil {
			w.Errorf("files repository lost revision %s", revisions[i])
		}
	}
	w.checkSignatures(w.files())
}

// checkHashes holds the hashes repository against a generation: a release is
// there with both files, or with none if it is pending.
func (w *world) checkHashes(g *hackagetest.Generation, pending []index.Release) {
	w.Helper()
	tree, want := w.tree(w.hashes()), g.Tree()
	for _, r := range g.Releases() {
		record, listed := tree[r.JSONPath()]
		if listed == slices.Contains(pending, r) {
			w.Errorf("hashes repository: %s is listed: %v", r, listed)
		}
		if listed {
			w.checkRecord("hashes repository", r, g, record)
		} else {
			delete(want, r.CabalPath())
		}
		delete(tree, r.JSONPath())
	}
	delete(tree, "deprecated.json")
	for name, content := range want {
		if !bytes.Equal(tree[name], content) {
			w.Errorf("hashes repository: %q is not the newest of the index", name)
		}
		delete(tree, name)
	}
	for name := range tree {
		w.Errorf("hashes repository has %q, which nobody put there", name)
	}
	w.checkSignatures(w.hashes())
}

// checkSignatures has every commit of the branch and the tag verified by git
// and gpg, and the tag at the head of the branch.
func (w *world) checkSignatures(repository string) {
	w.Helper()
	var commits []string
	for line := range strings.Lines(w.git(repository, "log", "--format=%H %s", "hackage")) {
		commit, subject, _ := strings.Cut(strings.TrimSpace(line), " ")
		commits = append(commits, commit)
		if when, ok := strings.CutPrefix(subject, "Update from Hackage at "); !ok {
			w.Errorf("%s: commit message %q", repository, subject)
		} else if _, err := time.Parse("2006-01-02T15:04:05Z", when); err != nil {
			w.Errorf("%s: commit message %q: %v", repository, subject, err)
		}
	}
	w.verify(repository, "verify-commit", commits...)
	tag := strings.Fields(w.git(repository, "rev-parse", "current-hackage", "current-hackage^{commit}"))
	w.verify(repository, "verify-tag", tag[0])
	if tag[1] != commits[0] {
		w.Errorf("%s: the tag is not at the head of the branch", repository)
	}
}

// verify has git and gpg verify objects by their ids. What they accepted before is left
// out: an id is that of the same bytes forever.
func (w *world) verify(repository, how string, ids ...string) {
	w.Helper()
	dir := w.keyring()
	w.trusted.Lock()
	defer w.trusted.Unlock()
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return w.trusted.verified[how+id] })
	if len(ids) == 0 || !w.gitKeyring(dir, repository, append([]string{how}, ids...)...) {
		return
	}
	for _, id := range ids {
		w.trusted.verified[how+id] = true
	}
}

// A keyring is a GNUPGHOME with one public key, and what was verified with it.
type keyring struct {
	dir string
	key []byte // the private half
	sync.Mutex
	verified map[string]bool
}

// keyring returns a GNUPGHOME with the world's public key. Its path is short,
// because gpg makes sockets in it.
func (w *world) keyring() string {
	w.Helper()
	if w.trusted != nil && bytes.Equal(w.trusted.key, w.key) {
		return w.trusted.dir
	}
	dir, err := os.MkdirTemp("", "gpg")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run() // there may be none
		_ = os.RemoveAll(dir)
	})
	signer, err := openpgp.NewSigner(w.key, nil, time.Now)
	if err != nil {
		w.Fatal(err)
	}
	gpg := exec.Command("gpg", "--homedir", dir, "--batch", "--quiet", "--import")
	gpg.Stdin = bytes.NewReader(signer.PublicKey())
	if out, err := gpg.CombinedOutput(); err != nil {
		w.Fatalf("import public key: %v\n%s", err, out)
	}
	w.trusted = &keyring{dir: dir, key: w.key, verified: map[string]bool{}}
	return dir
}

// gitKeyring runs git with a keyring, and reports whether it succeeded.
func (w *world) gitKeyring(keyring, repository string, args ...string) bool {
	w.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), "GNUPGHOME="+keyring)
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.Errorf("git %q in %q: %v\n%s", args, repository, err, out)
	}
	return err == nil
}

// contents reads a folder, but for what a lock leaves, to see whether anything
// changed.
func (w *world) contents(dir string) map[string]string {
	w.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(rel)] = string(raw)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.Fatal(err)
	}
	delete(files, ".hackage-mirror/lock")
	return files
}

// tellsPeople are the keys of what tells people how the mirror is.
var tellsPeople = []string{"status.json", "index.html", "badge.svg", "badge.json", "feed.xml", "metrics.txt", "names.json"}

// toldFacts are what the state says of that.
var toldFacts = regexp.MustCompile(`,\n +"Told": "[^"]*"|"updated": "[^"]*"`)

// untold are contents without what tells people how the mirror is.
func untold(contents map[string]string) map[string]string {
	rest := maps.Clone(contents)
	for name, content := range contents {
		if slices.Contains(tellsPeople, path.Base(name)) {
			delete(rest, name)
		}
		if path.Base(name) == "hackage-mirror.json" {
			rest[name] = toldFacts.ReplaceAllString(content, "")
		}
	}
	return rest
}

// serve puts a handler in front of the world's Hackage.
func (w *world) serve(front func(next http.Handler) http.Handler) {
	w.Helper()
	s := httptest.NewServer(front(w.server.Handler))
	w.Cleanup(s.Close)
	w.server.URL = s.URL
}

// says fails the test unless a text has every one of some parts.
func (w *world) says(text string, parts ...string) {
	w.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			w.Errorf("it does not say %q:\n%s", part, text)
		}
	}
}
