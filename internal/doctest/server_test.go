//go:build unix

package doctest

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/servertest"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
	"github.com/hackage-mirror/hackage-mirror/testdata/demo"
)

// The address that the documents give to a mirror, and its folder.
const (
	printedAddress = "http://hackage.example.org/"
	printedFolder  = "/var/lib/hackage"
)

// The README names the root keys that the program pins.
func TestREADMEHasTheRootKeys(t *testing.T) {
	t.Parallel()
	block, want := cabalBlock(t), tuf.HackagePinned()
	if got := keyIDs.FindAllString(block, -1); strings.Join(got, " ") != strings.Join(want.KeyIDs, " ") {
		t.Errorf("the README has the root keys %q, the program %q", got, want.KeyIDs)
	}
	if !strings.Contains(block, "key-threshold: "+strconv.Itoa(want.Threshold)+"\n") {
		t.Errorf("the threshold is not %d in\n%s", want.Threshold, block)
	}
}

var keyIDs = regexp.MustCompile(`[0-9a-f]{64}`)

// cabalBlock is what the README has people put into cabal's configuration.
func cabalBlock(t *testing.T) string {
	t.Helper()
	for _, block := range blocks(read(t, "README.md"), "") {
		if strings.HasPrefix(block, "repository hackage.haskell.org\n") {
			return block
		}
	}
	t.Fatal("the README has no block for cabal")
	return ""
}

// What the documents print for nginx serves what the README prints for cabal,
// with the demo's keys in the place of Hackage's.
func TestNginxServesCabal(t *testing.T) {
	t.Parallel()
	nginx, cabal := need(t, "nginx"), need(t, "cabal")
	for _, name := range []string{"README.md", "docs/operations.md"} {
		snippets := blocks(read(t, name), "nginx")
		if len(snippets) != 1 {
			t.Fatalf("%s has %d snippets for nginx", name, len(snippets))
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReader(t)
			bucket := filepath.Join(r.home, "hackage")
			r.run(r.home, r.install(), "sync", "--bucket", bucket)
			address := r.serve(nginx, snippets[0], bucket)
			r.checkServed(address, bucket)
			r.cabal(cabal, address)
		})
	}
}

// serve starts nginx with a snippet, all of it in the home.
func (r *reader) serve(nginx, snippet, bucket string) (address string) {
	r.Helper()
	config := filepath.Join(r.home, "nginx.conf")
	var temporary strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "%s_temp_path %s/%s; ", kind, r.home, kind)
	}
	host, stop, err := servertest.Start(func(host string) *exec.Cmd {
		changed := strings.NewReplacer("listen 80;", "listen "+host+";", printedFolder, bucket).Replace(snippet)
		if !strings.Contains(changed, host) || !strings.Contains(changed, bucket) {
			r.Fatalf("the snippet has another port or folder than expected:\n%s", snippet)
		}
		text := "daemon off; master_process off; pid " + r.home + "/nginx.pid; error_log stderr; events {}\nhttp {\n" + temporary.String() +
			"access_log off; include /etc/nginx/mime.types;\n" + changed + "}\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			r.Fatal(err)
		}
		return exec.Command(nginx, "-p", r.home, "-c", config)
	})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(stop)
	return "http://" + host + "/"
}

// checkServed: the bytes are those of the bucket whatever a client accepts, and a
// part of a file can be had.
func (r *reader) checkServed(address, bucket string) {
	r.Helper()
	for name, want := range map[string]string{"01-index.tar.gz": "bytes=100-199", "01-index.tar.gz#": "", "package/split-0.2.5.tar.gz": "", "timestamp.json": ""} {
		file, _, _ := strings.Cut(name, "#")
		request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, address+file, nil)
		if err != nil {
			r.Fatal(err)
		}
		request.Header.Set("Accept-Encoding", "gzip, br")
		if want != "" {
			request.Header.Set("Range", want)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			r.Fatal(err)
		}
		var body bytes.Buffer
		_, err = body.ReadFrom(response.Body)
		_ = response.Body.Close()
		raw, err2 := os.ReadFile(filepath.Join(bucket, file))
		if err != nil || err2 != nil {
			r.Fatal(err, err2)
		}
		status := http.StatusOK
		if want != "" {
			raw, status = raw[100:200], http.StatusPartialContent
		}
		if response.StatusCode != status || !bytes.Equal(body.Bytes(), raw) || response.Header.Get("Content-Encoding") != "" || response.Header.Get("Cache-Control") == "" {
			r.Errorf("%s: %s, %d bytes of %d, %v", name, response.Status, body.Len(), len(raw), response.Header)
		}
	}
}

// cabal has the real client update from the mirror and get a package.
func (r *reader) cabal(program, address string) {
	r.Helper()
	ids := 0
	block := keyIDs.ReplaceAllStringFunc(cabalBlock(r.T), func(string) string {
		ids++
		return demo.KeyIDs()[(ids-1)%len(demo.KeyIDs())]
	})
	lines := strings.Split(block, "\n")
	first := 0
	for i, line := range lines {
		if keyIDs.MatchString(line) {
			first = i
			break
		}
	}
	block = strings.Join(append(lines[:first+len(demo.KeyIDs())], "  key-threshold: "+strconv.Itoa(demo.Threshold)), "\n")
	block = strings.Replace(block, printedAddress, address, 1)
	dir := filepath.Join(r.home, "cabal")
	config := block + "\nremote-repo-cache: " + dir + "/packages\nworld-file: " + dir + "/world\nlogs-dir: " + dir + "/logs\ninstalldir: " + dir + "/bin\nhttp-transport: plain-http\n"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600); err != nil {
		r.Fatal(err)
	}
	for i, variable := range r.env {
		if strings.HasPrefix(variable, "HTTP_PROXY=") || strings.HasPrefix(variable, "HTTPS_PROXY=") {
			r.env[i] = "UNUSED="
		}
	}
	r.env = append(r.env, "CABAL_DIR="+dir)
	said := r.run(r.home, program, "update", "-v1")
	said += r.run(r.home, program, "get", "random-1.2.1.1", "-d", filepath.Join(r.home, "got"))
	if _, err := os.Stat(filepath.Join(r.home, "got", "random-1.2.1.1", "random.cabal")); err != nil || !strings.Contains(said, "hackage.haskell.org") {
		r.Errorf("%v\n%s\n%s", err, config, said)
	}
}

// The units are what systemd takes, with the program at a place that exists.
func TestUnitsPassSystemdAnalyze(t *testing.T) {
	t.Parallel()
	analyze := need(t, "systemd-analyze")
	for _, name := range []string{"README.md", "docs/operations.md", "docs/pace.md"} {
		units := blocks(read(t, name), "ini")
		if len(units) != 2 {
			t.Fatalf("%s has %d units", name, len(units))
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReader(t)
			program := r.install()
			args := []string{"verify", "--man=no"}
			for _, unit := range units {
				file, _, _ := strings.Cut(strings.TrimPrefix(unit, "# "), "\n")
				if err := os.WriteFile(filepath.Join(r.home, file), []byte(strings.ReplaceAll(unit, "/usr/local/bin/hackage-mirror", program)), 0o600); err != nil {
					t.Fatal(err)
				}
				args = append(args, "./"+file)
			}
			if said := r.run(r.home, analyze, args...); strings.TrimSpace(said) != "" {
				t.Errorf("systemd-analyze says:\n%s", said)
			}
		})
	}
}

// The README's lines for readers with git verify a repository that is reached by
// https, here by a folder in its place.
func TestGitReadersVerify(t *testing.T) {
	t.Parallel()
	need(t, "gpg")
	r := newReader(t)
	host := filepath.Join(r.home, "host")
	repository := filepath.Join(host, "YOU", "all-cabal-hashes")
	r.run(r.home, "git", "init", "-q", "--bare", "--initial-branch=display", repository)
	program := r.install()
	r.run(r.home, program, "key", "--signer", "Hackage mirror <mirror@example.org>")
	r.run(r.home, program, "sync", "--hashes-repository", repository, "--signing-key", "hackage-mirror-keys/signing-key.asc")
	r.run(r.home, "gpg", "--quiet", "--import", "hackage-mirror-keys/signing-key.pub.asc")
	if err := os.WriteFile(filepath.Join(r.home, ".gitconfig"), []byte("[url \"file://"+host+"/\"]\n\tinsteadOf = https://github.com/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks(read(t, "README.md"), "") {
		if strings.Contains(block, "git verify-tag") {
			if said := r.run(t.TempDir(), "bash", "-e", "-c", block); !strings.Contains(said, "Good signature from \"Hackage mirror <mirror@example.org>\"") {
				t.Errorf("it says\n%s", said)
			}
			return
		}
	}
	t.Error("the README has no lines for readers with git")
}
