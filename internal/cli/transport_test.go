package cli

import (
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshtest"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// findProgram finds a program. Without it a test is left out, except in CI.
func findProgram(t *testing.T, name string, folders ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, folder := range folders {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed, and in CI every test runs", name)
	}
	t.Skipf("not tested: %s is not installed", name)
	return ""
}

// over returns the world's repositories as a host names them, both empty, and
// the options of a run that fills all destinations through the host.
func (w *world) over(base string) []string {
	w.Helper()
	for _, repository := range []string{w.files(), w.hashes()} {
		w.git(w.dir, "init", "--quiet", "--bare", repository)
		w.git(repository, "config", "http.receivepack", "true")
	}
	return append(w.upstreamArgs(), "--bucket", w.bucket(), "--public-url", "https://mirror.example/hackage",
		"--files-repository", base+"/files.git", "--hashes-repository", base+"/hashes.git")
}

const hostToken = "ghs_0123456789abcdefTOKEN"

// A tokenHost serves the world's repositories over https by git's own
// http-backend, to those who have the token.
type tokenHost struct {
	*httptest.Server
	readOnly atomic.Bool
	pushes   atomic.Int64
}

func (w *world) tokenHost() *tokenHost {
	w.Helper()
	backend := findProgram(w.T, "git-http-backend", strings.TrimSpace(w.git(w.dir, "--exec-path")))
	h := &tokenHost{}
	script := &cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + w.dir, "GIT_HTTP_EXPORT_ALL=1"}, InheritEnv: []string{"PATH"}, Stderr: io.Discard}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+hostToken))
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(out http.ResponseWriter, request *http.Request) {
		writes := strings.Contains(request.URL.String(), "receive-pack")
		switch {
		case request.Header.Get("Authorization") != want:
			out.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(out, "who is "+request.Header.Get("Authorization"), http.StatusUnauthorized)
		case writes && h.readOnly.Load():
			http.Error(out, "only reading for "+request.Header.Get("Authorization"), http.StatusForbidden)
		default:
			if writes && request.Method == http.MethodPost {
				h.pushes.Add(1)
			}
			script.ServeHTTP(out, request)
		}
	}))
	w.Cleanup(h.Close)
	certificate := w.path("ca.pem")
	writeFile(w.T, certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}))
	w.env["GIT_SSL_CAINFO"] = certificate
	return h
}

// tokenForms are what a token looks like on its way.
func tokenForms(token string) []string {
	return []string{token, base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))}
}

func TestRepositoriesOverHTTPSWithAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	host := w.tokenHost()
	args := w.over(host.URL)
	w.env["INPUT_TOKEN"] = hostToken
	var all strings.Builder
	step := func(code int, parts ...string) {
		t.Helper()
		got, said := w.run(append(args, "--verbose")...)
		if got != code {
			t.Fatalf("exit code %d, want %d:\n%s", got, code, said)
		}
		w.says(said, parts...)
		all.WriteString(said)
	}
	step(CodeDone, "done: 9 releases")
	w.checkAll()
	w.grow()
	host.readOnly.Store(true)
	step(CodeError, "files-repository", "no permission to write")
	w.checkBucket(w.hackage.Generation(), nil)
	host.readOnly.Store(false)
	step(CodeDone)
	w.checkAll()
	pushes := host.pushes.Load()
	step(CodeDone, "nothing new")
	if host.pushes.Load() != pushes || pushes == 0 {
		t.Errorf("%d pushes, and a quiet run made it %d", pushes, host.pushes.Load())
	}
	w.hackage.Upload("last", "1", nil, nil)
	w.env["INPUT_TOKEN"] = "ghs_wrongTOKENwrong0123456789"
	step(CodeError, "refused the credentials")
	delete(w.env, "INPUT_TOKEN")
	step(CodeError, "refused the credentials")
	w.hides(all.String(), append(tokenForms(hostToken), tokenForms("ghs_wrongTOKENwrong0123456789")...)...)
	w.hides(all.String(), string(w.key))
}

// A repository that cannot be read, or read and not written, is told of before the
// first tarball of those that go on without it.
func TestRefusedRepositoryIsToldOfBeforeTheTarballs(t *testing.T) {
	t.Parallel()
	for token, says := range map[string]string{hostToken: "no permission to write", "ghs_wrongTOKENwrong0123456789": "refused the credentials"} {
		w := newWorld(t, hackagetest.Small())
		host := w.tokenHost()
		args := append(w.over(host.URL), "--verbose")
		w.env["INPUT_TOKEN"] = token
		host.readOnly.Store(true)
		code, said := w.run(args...)
		early, rest, _ := strings.Cut(said, "alpha-0.2")
		if code != CodeError || !strings.Contains(early, `error: files-repository "`) || !strings.Contains(early, says) || !strings.Contains(rest, says) {
			t.Errorf("exit code %d, and %q is not told before the tarballs:\n%s", code, says, said)
		}
		w.checkBucket(w.hackage.Generation(), nil)
	}
}

// sshHost starts an sshd that takes one key, and has runs use that.
func (w *world) sshHost() (host *sshtest.Host, key []byte) {
	w.Helper()
	key, public := sshtest.NewKey("ed25519")
	host = sshtest.New(w.T, "", public)
	w.env["INPUT_SSH-KEY"], w.env["INPUT_SSH-KNOWN-HOSTS"] = string(key), host.KnownHosts()
	return host, key
}

func TestRepositoriesOverSSH(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	host, key := w.sshHost()
	args := w.over(host.URL(w.dir))
	var all strings.Builder
	step := func(code int, parts ...string) {
		t.Helper()
		got, said := w.run(append(args, "--verbose")...)
		if got != code {
			t.Fatalf("exit code %d, want %d:\n%s", got, code, said)
		}
		w.says(said, parts...)
		all.WriteString(said)
	}
	step(CodeDone, "done: 9 releases")
	w.checkAll()
	w.grow()
	step(CodeDone, "done: 2 releases")
	w.checkAll()
	step(CodeDone, "nothing new")

	// With filters alone, as a host is set up first, and over ssh in the old
	// protocol, all of a repository can be compared as well.
	for _, repository := range []string{w.files(), w.hashes()} {
		w.git(repository, "config", "uploadpack.allowFilter", "true")
		w.git(repository, "tag", "-d", "current-hackage")
	}
	w.hackage.Upload("more", "1", nil, nil)
	step(CodeDone, "done: ")
	w.checkAll()
	args = append(args, "--full")
	step(CodeDone)
	w.checkAll()
	args = args[:len(args)-1]

	w.hackage.Upload("last", "1", nil, nil)
	refs := w.refs(w.files()) + w.refs(w.hashes())
	other, _ := sshtest.NewKey("ed25519")
	w.env["INPUT_SSH-KEY"] = string(other)
	step(CodeError, "refused the credentials", "files-repository", "hashes-repository")
	w.env["INPUT_SSH-KEY"] = string(key)
	delete(w.env, "INPUT_SSH-KNOWN-HOSTS")
	step(CodeError, "host key is unknown")
	if w.refs(w.files())+w.refs(w.hashes()) != refs {
		t.Error("a run without the right keys moved something")
	}
	w.hides(all.String(), string(key), string(other), string(w.key))
}

// TestRunsOverSSHConnectOnce: however many steps of git a run has, and they are few.
func TestRunsOverSSHConnectOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	host, _ := w.sshHost()
	args := w.over(host.URL(w.dir))
	if said := w.fill(CodeDone, args...); strings.Contains(said, "connects anew") {
		t.Errorf("first: %s", said)
	}
	if connections, steps := host.Count(t); connections != 1 {
		t.Errorf("first: %d connections for %d steps", connections, steps)
	}
	for _, repository := range []string{w.files(), w.hashes()} {
		w.git(repository, "config", "uploadpack.allowFilter", "true")
		w.git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
	}
	for _, run := range []struct {
		name  string
		grow  func()
		steps int // of both repositories
	}{
		{"nothing new", func() {}, 2 * 1},
		{"metadata signed anew", func() { w.hackage.Resign() }, 2 * 1},
		// Branch and tag, the top folder, the folder below, push.
		{"a revision", func() { w.hackage.Revise("alpha", "0.2", []byte("name: alpha\nversion: 0.2\nx-revision: 1\n")) }, 2 * 4},
		// Of a new package no folder is there; but whether a push may be, is asked.
		{"releases", func() { w.hackage.Upload("new", "1", nil, nil); w.hackage.Upload("new", "2", nil, nil) }, 2 * 4},
	} {
		run.grow()
		said := w.fill(CodeDone, args...)
		w.checkAll()
		if connections, steps := host.Count(t); connections != 1 || steps != run.steps {
			t.Errorf("%s: %d connections, %d steps, want %d", run.name, connections, steps, run.steps)
		}
		if strings.Contains(said, "connects anew") {
			t.Errorf("%s: %s", run.name, said)
		}
	}
}
