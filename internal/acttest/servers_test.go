//go:build unix

package acttest

import (
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The table of BENCHMARKS.md is printed by
//
//	go test ./internal/acttest -run BadServers -v -patience 180
var patience = flag.Int("patience", impatience, "seconds that the bootstrap gives to the network")

// A badServer answers like none should. It may count the bytes that it sent.
type badServer struct {
	kind   string
	answer func(sent *atomic.Int64) http.HandlerFunc
	says   string
}

func answers(status int, header ...string) func(*atomic.Int64) http.HandlerFunc {
	return func(*atomic.Int64) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
		}
	}
}

// sends sends some bytes again and again, with a pause, until nobody listens.
func sends(bytes int, pause time.Duration) func(*atomic.Int64) http.HandlerFunc {
	return func(sent *atomic.Int64) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			for r.Context().Err() == nil {
				n, err := w.Write(make([]byte, bytes))
				if sent.Add(int64(n)); err != nil {
					return
				}
				if pause > 0 {
					_ = http.NewResponseController(w).Flush() // it may be gone
					select {
					case <-time.After(pause):
					case <-r.Context().Done():
					}
				}
			}
		}
	}
}

func badServers() []badServer {
	return []badServer{
		{"404", answers(http.StatusNotFound), "the server answered with status 404"},
		{"403", answers(http.StatusForbidden), "the server answered with status 403"},
		{"500", answers(http.StatusInternalServerError), "the server is busy (status 500)"},
		{"429", answers(http.StatusTooManyRequests), "the server is busy (status 429)"},
		{"429 with Retry-After: 3600", answers(http.StatusTooManyRequests, "Retry-After", "3600"), "asked again in 3600 seconds"},
		{"redirects in a circle", answers(http.StatusFound, "Location", "/again"), "redirects"},
		{"redirect to ftp", answers(http.StatusFound, "Location", "ftp://127.0.0.1/x"), "ftp"},
		{"cut short", func(*atomic.Int64) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				_, _ = w.Write([]byte(genuine))
			}
		}, "bytes remaining to read"},
		{"silent", func(*atomic.Int64) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		}, "Operation too slow"},
		{"silent after 1 kB", sends(1000, time.Hour), "Operation too slow"},
		{"1 byte a second", sends(1, time.Second), "Operation too slow"},
		{"40 kB a second without an end", sends(4000, 100*time.Millisecond), "the time was up"},
		{"without a length and an end", sends(1<<20, 0), "longer than 100000000 bytes"},
		{"a login page", func(*atomic.Int64) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte("\ufeff\r\n<!DOCTYPE html><title>Sign in</title>"))
			}
		}, "is a web page and not the program"},
	}
}

// A download that will never end well is given up, within the patience, and the
// program is built. Nothing of it is left.
func TestBadServers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	took := map[string]float64{}
	t.Run("each", func(t *testing.T) {
		for _, bad := range badServers() {
			t.Run(bad.kind, func(t *testing.T) {
				t.Parallel()
				in := newInstallation(t)
				var sent atomic.Int64
				in.serve(bad.answer(&sent))
				seconds := *patience
				if strings.HasPrefix(bad.says, "longer than ") {
					seconds = 180 // on a busy machine so many bytes take long
				}
				begun := time.Now()
				said := in.refuses("binary", fmt.Sprintf("BOOTSTRAP_PATIENCE=%d", seconds))
				mu.Lock()
				took[bad.kind] = time.Since(begun).Seconds()
				mu.Unlock()
				in.server.CloseClientConnections()
				says(t, said, "There is no binary", bad.says)
				if sent.Load() > 150_000_000 {
					t.Errorf("%d bytes were taken", sent.Load())
				}
				if bad.kind != "a login page" && !strings.Contains(said, "no more tries") {
					t.Errorf("the tries are not told:\n%s", said)
				}
				in.clean()
			})
		}
	})
	for _, kind := range slices.Sorted(maps.Keys(took)) {
		t.Logf("%-32s %6.1f s", kind, took[kind])
	}
}

// clean fails the test if a script that did not succeed left something.
func (in *installation) clean() {
	in.Helper()
	left, err := filepath.Glob(filepath.Join(in.runner, "hackage-mirror-*"))
	if kept := in.kept(); err != nil || len(left)+len(kept) != 0 {
		in.Errorf("left are %q and, in the tool cache, %q, %v", left, kept, err)
	}
}

func TestBusyServerIsAskedAgain(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	var once sync.Once
	in.serve(func(w http.ResponseWriter, _ *http.Request) {
		busy := false
		once.Do(func() { busy = true })
		if busy {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(genuine))
	})
	says(t, in.installs("binary", "from the release"), "try 1 after ", "the server is busy (status 503)")
}

// Where nothing listens, and where the server speaks no TLS.
func TestUnreachableServerIsBuilt(t *testing.T) {
	t.Parallel()
	need(t, "go")
	in := newInstallation(t)
	says(t, in.installs("auto", "from source", "DOWNLOAD_BASE=http://127.0.0.1:1"), "::notice", "could not be downloaded", "try 4 ")
	says(t, in.installs("auto", "from source", "DOWNLOAD_BASE=https"+strings.TrimPrefix(in.server.URL, "http")), "::notice", "could not be downloaded")
	in.serve(http.NotFound)
	says(t, in.installs("auto", "from source"), "::notice", "could not be downloaded", in.server.URL, "status 404")
}

// A release says by itself where its files are, so that one of a fork is not
// looked for among ours.
func TestReleaseSaysWhereItIs(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(genuine)) })
	fork := httptest.NewTLSServer(in.server.Config.Handler)
	t.Cleanup(fork.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	write(t, authority, pemOf(fork.Certificate()), 0o644)
	write(t, filepath.Join(in.folder, "VERSION"), release+"\ngo1.26.0\n"+fork.URL+"/you/it/releases/download\n", 0o644)
	in.installs("binary", "from the release", "DOWNLOAD_BASE=", "CURL_CA_BUNDLE="+authority)
	if asked := in.asked(); !slices.Equal(asked, []string{"/you/it/releases/download/v1.2.3/hackage-mirror-linux-amd64"}) {
		t.Errorf("asked for %q", asked)
	}
}

// A proxy of Go's that never answers is given up as well.
func TestSilentModuleProxyIsGivenUp(t *testing.T) {
	t.Parallel()
	need(t, "go")
	in := newInstallation(t)
	in.serve(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	write(t, filepath.Join(in.folder, "go.mod"), "module example.invalid/action\n\ngo 1.26.0\n\nrequire example.invalid/other v1.0.0\n", 0o644)
	const sum = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	write(t, filepath.Join(in.folder, "go.sum"), "example.invalid/other v1.0.0 "+sum+"\nexample.invalid/other v1.0.0/go.mod "+sum+"\n", 0o644)
	write(t, filepath.Join(in.folder, "main.go"), "package main\n\nimport _ \"example.invalid/other\"\n\nfunc main() {}\n", 0o644)
	said := in.refuses("source", "GOPROXY="+in.server.URL, fmt.Sprintf("BOOTSTRAP_PATIENCE=%d", impatience))
	says(t, said, "did not come in time", "6 seconds")
	in.clean()
}

// A job that is cancelled while it installs ends what it started, and leaves
// nothing.
func TestCancelledInstallLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM} {
		for _, place := range []string{"download", "pause"} {
			t.Run(name+" in a "+place, func(t *testing.T) {
				t.Parallel()
				in := newInstallation(t)
				asked, ended := make(chan struct{}, 9), make(chan struct{}, 9)
				in.serve(func(w http.ResponseWriter, r *http.Request) {
					if place == "pause" {
						w.Header().Set("Retry-After", "60")
						w.WriteHeader(http.StatusServiceUnavailable)
						asked <- struct{}{}
						return
					}
					_, _ = w.Write([]byte("begun"))
					_ = http.NewResponseController(w).Flush()
					asked <- struct{}{}
					<-r.Context().Done()
					ended <- struct{}{}
				})
				said := in.cancel(signal, asked, map[string]string{"pause": "again in 60 s"}[place])
				if place == "download" {
					<-ended // curl is gone, or this blocks
				}
				if strings.Contains(said, "::error") {
					t.Errorf("it says\n%s", said)
				}
				in.clean()
			})
		}
	}
}

// The build is ended like the download: go, and what it started.
func TestCancelledBuildLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"list", "build"} {
		in := newInstallation(t)
		bin, pids := t.TempDir(), filepath.Join(t.TempDir(), "pids")
		standIn(t, bin, "go", fmt.Sprintf("if [[ $1 == %s ]]; then\n  sleep 1000 &\n  echo $$ $! >%q.new\n  mv %q.new %q\n  echo started >&2\n  wait\nfi\n", step, pids, pids, pids))
		in.path = bin + ":" + in.path
		asked := make(chan struct{})
		close(asked)
		remove(t, filepath.Join(in.folder, "VERSION"))
		in.cancel(syscall.SIGTERM, asked, "started")
		for pid := range strings.FieldsSeq(read(t, pids)) {
			for runs(pid) { // it was told to end, or this goes on for ever
				time.Sleep(10 * time.Millisecond)
			}
		}
		in.clean()
	}
}

// runs reports whether a process is there, and not only its exit code.
func runs(pid string) bool {
	state, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	return err == nil && !strings.Contains(string(state), ") Z ")
}

// heed has what we start heed a signal, although a shell that started the tests in the
// background had it ignored: no script can change that.
func heed(s os.Signal) {
	if signal.Ignored(s) {
		signal.Notify(make(chan os.Signal, 1), s)
	}
}

// cancel starts the script, waits until it has asked and said something, and
// sends it a signal as the runner does: to it alone.
func (in *installation) cancel(told syscall.Signal, asked <-chan struct{}, text string) (said string) {
	in.Helper()
	out := &log{}
	heed(told)
	cmd := exec.CommandContext(in.Context(), bootstrapScript(in), "run")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = in.runner, in.environment("auto", "BOOTSTRAP_PATIENCE=180"), out, out
	if err := cmd.Start(); err != nil {
		in.Fatal(err)
	}
	<-asked
	for !strings.Contains(out.String(), text) {
		time.Sleep(10 * time.Millisecond)
	}
	if err := cmd.Process.Signal(told); err != nil {
		in.Error(err)
	}
	_ = cmd.Wait() // its exit code is looked at
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		in.Errorf("exit code %d, want 130:\n%s", code, out)
	}
	return out.String()
}

func pemOf(certificate *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
}
