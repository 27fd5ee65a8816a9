package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// An upstream is a Hackage whose files are in memory, so that serving one costs
// little more than the copy.
type upstream struct {
	keys      []string
	threshold int
	paths     []string // of the tarballs
	files     map[string][]byte
}

// newUpstream makes releases with tarballs of so many bytes that no one can
// compress. The same numbers make the same repository.
func newUpstream(releases, size int) *upstream {
	h := hackagetest.New(hackagetest.Options{Seed: "benchmark"})
	noise := rand.NewChaCha8([32]byte{1})
	tarball := make([]byte, size)
	u := &upstream{keys: h.KeyIDs(), threshold: h.Threshold(), files: map[string][]byte{}}
	for i := range releases {
		_, _ = noise.Read(tarball) // cannot fail
		name, version := fmt.Sprintf("package%03d", i/10%1000), fmt.Sprintf("%d.%d", 1+i/10_000, i%10)
		r := h.Upload(name, version, cabalFile(name, version), tarball)
		u.paths = append(u.paths, r.TarballKey())
	}
	g := h.Generation()
	for _, path := range g.Paths() {
		u.files[path] = g.File(path)
	}
	return u
}

// cabalFile returns a .cabal file of the usual 3 kB.
func cabalFile(name, version string) []byte {
	head := fmt.Sprintf("cabal-version: 2.2\nname: %s\nversion: %s\nlibrary\n  build-depends:\n", name, version)
	var lines strings.Builder
	lines.WriteString(head)
	for i := 0; lines.Len() < 3000; i++ {
		fmt.Fprintf(&lines, "    , dependency-%s-%d >= 1.%d && < 2\n", name, i, i)
	}
	return []byte(lines.String())
}

// writeTarballs puts the tarballs into a folder, as package/N-V.tar.gz.
func (u *upstream) writeTarballs(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "package"), 0o755); err != nil {
		return err
	}
	for _, path := range u.paths {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(path)), u.files[path], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// A host serves an upstream on loopback, and counts.
type host struct {
	*upstream
	latency time.Duration // before each answer

	mu     sync.Mutex
	counts map[string]int
}

// The paths of a host that are not an upstream's: one sets the counts to zero,
// the other fails unless each tarball was asked for exactly once since.
const (
	forgetPath = "/-/forget"
	checkPath  = "/-/check"
)

// newHost returns the handler of an upstream.
func newHost(u *upstream, latency time.Duration) http.Handler {
	h := &host{upstream: u, latency: latency, counts: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/", h.file)
	mux.HandleFunc(forgetPath, func(http.ResponseWriter, *http.Request) { h.forget() })
	mux.HandleFunc(checkPath, func(w http.ResponseWriter, _ *http.Request) {
		if err := h.checkOnce(); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	return mux
}

// file answers with a file.
func (h *host) file(w http.ResponseWriter, r *http.Request) {
	time.Sleep(h.latency)
	path := strings.TrimPrefix(r.URL.Path, "/")
	h.mu.Lock()
	h.counts[path]++
	h.mu.Unlock()
	raw, ok := h.files[path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	_, _ = w.Write(raw) // the client says what did not arrive
}

func (h *host) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts = map[string]int{}
}

func (h *host) checkOnce() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, path := range h.paths {
		if n := h.counts[path]; n != 1 {
			return fmt.Errorf("%s was downloaded %d times", path, n)
		}
	}
	return nil
}
