//go:build unix

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// Runs that are killed or interrupted, as processes of their own: what readers
// see right after it, and what the next run makes of it.

// killSeed picks the moments of the kills. HACKAGE_MIRROR_KILL_SEED overrides it.
const killSeed = 20261122

// kills is how many moments there are.
const kills = 20

func TestKilledAtAnyMomentARerunEndsAsIfNothingHappened(t *testing.T) {
	t.Parallel()
	seed := uint64(killSeed)
	if text := os.Getenv("HACKAGE_MIRROR_KILL_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("seed %d", seed)
	h := newHistory(t)
	slots := make(chan struct{}, 3)
	for i := range kills {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			h.killAndRerun(t, random, i%len(h.steps), i < kills/2)
		})
	}
}

// A history is a Hackage that grew, and what undisturbed runs made of it.
type history struct {
	*world
	gpg   string // a keyring for all that is checked
	steps []step
}

// A step is one generation and the destinations after an undisturbed run.
type step struct {
	generation *hackagetest.Generation
	dir        string        // a copy of the world's folder
	requests   int           // that the run made
	quiet      time.Duration // from the last request to the end
	outcome    outcome
}

// newHistory grows a Hackage in three steps and runs undisturbed after each.
func newHistory(t *testing.T) *history {
	t.Helper()
	hackage := hackagetest.Small()
	hackage.SetTick(90 * time.Minute)
	h := &history{world: newWorld(t, hackage)}
	h.gpg = h.keyring()
	for number, grow := range []func(){
		func() {
			uploads(hackage, "first", 24)
			hackage.Upload("bare", "1.0", nil, nil, hackagetest.Unsigned())
			hackage.Upload("gone", "1.0", nil, nil)
			hackage.Withdraw("gone", "1.0", http.StatusGone)
			hackage.Deprecate([]byte(`[]`))
		},
		func() {
			uploads(hackage, "second", 12)
			hackage.Upload("bare", "1.1", nil, nil, hackagetest.Unsigned())
			for revision := range 3 {
				hackage.Revise("firsta", "1.0", fmt.Appendf(nil, "name: firsta\nversion: 1.0\nx-revision: %d\n", revision+1))
				hackage.Revise("alpha", "0.1.0.0", fmt.Appendf(nil, "name: alpha\nversion: 0.1.0.0\n-- %d\n", revision))
			}
			hackage.Prefer("firsta", "firsta <2")
		},
		func() {
			uploads(hackage, "third", 8)
			hackage.AddTargets("bare", "1.0")
			hackage.Revise("bare", "1.1", []byte("name: bare\nversion: 1.1\nx-revision: 1\n"))
			hackage.Replace("firstb", "1.0", []byte("other bytes under the same name"))
			hackage.Deprecate([]byte(`[{"deprecated-package":"alpha","in-favour-of":[]}]`))
		},
	} {
		grow()
		h.steps = append(h.steps, h.undisturbed(fmt.Sprintf("after%d", number)))
	}
	return h
}

// uploads adds n releases, each a package of its own.
func uploads(h *hackagetest.Hackage, prefix string, n int) {
	for i := range n {
		h.Upload(prefix+string(rune('a'+i)), "1.0", nil, nil)
	}
}

// undisturbed runs to the end of the Hackage as it is and keeps what came out.
func (h *history) undisturbed(name string) step {
	h.Helper()
	p := h.process(h.T, h.dir, h.hackage.Generation())
	if err := p.run(); err != nil {
		h.Fatalf("undisturbed run: %v\n%s", err, p.said)
	}
	s := step{
		generation: h.hackage.Generation(), dir: h.T.TempDir(),
		requests: int(p.requests.Load()), quiet: time.Since(*p.last.Load()),
	}
	copyTree(h.T, h.dir, s.dir)
	s.outcome = h.outcome(h.T, s.dir)
	return s
}

// A process is one run of the command against a server of its own.
type process struct {
	cmd      *exec.Cmd
	said     *bytes.Buffer
	handler  *hackagetest.Handler
	requests atomic.Int64
	last     atomic.Pointer[time.Time]
	// at is called with the number of each request before it is answered.
	at      func(request int64)
	started chan struct{} // closed when there is a process to send signals to
}

// process prepares a run that fills the destinations below dir from one
// generation.
func (h *history) process(t *testing.T, dir string, g *hackagetest.Generation) *process {
	t.Helper()
	p := &process{said: &bytes.Buffer{}, handler: h.hackage.Handler(), at: func(int64) {}, started: make(chan struct{})}
	p.handler.Show(g)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-p.started
		now := time.Now()
		p.last.Store(&now)
		p.at(p.requests.Add(1))
		p.handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { p.handler.Close(); server.Close() })
	temp := filepath.Join(t.TempDir(), "temp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	there := &world{T: t, hackage: h.hackage, server: &hackagetest.Server{URL: server.URL}, dir: dir}
	p.cmd = exec.CommandContext(t.Context(), program, there.args()...)
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + temp, "INPUT_SIGNING-KEY=" + string(h.key)}
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.WaitDelay = time.Minute
	return p
}

// run starts the process and waits for its end, and for that of all that it started:
// a kill leaves git to go on by itself, as on both ends of a push.
func (p *process) run() error {
	life, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = life.Close() }() // it was only read
	p.cmd.ExtraFiles = []*os.File{theirs}
	if err := errors.Join(p.cmd.Start(), theirs.Close()); err != nil {
		return err
	}
	close(p.started)
	err = p.cmd.Wait()
	if _, over := io.Copy(io.Discard, life); over != nil { // it ends when the last of them does
		return over
	}
	return err
}

// signal sends the process a signal, which may come after its end.
func (p *process) signal(s os.Signal) {
	<-p.started
	_ = p.cmd.Process.Signal(s)
}

// temp is the folder that the process has for temporary files.
func (p *process) temp() string {
	for _, variable := range p.cmd.Env {
		if dir, ok := strings.CutPrefix(variable, "TMPDIR="); ok {
			return dir
		}
	}
	return ""
}

// killAndRerun kills one run, looks at what readers see, and runs again. The
// kill comes soon after some request, or in what follows the last one.
func (h *history) killAndRerun(t *testing.T, random *rand.Rand, number int, whileFetching bool) {
	to := h.steps[number]
	request := int64(to.requests)
	delay := time.Duration(random.Int64N(int64(to.quiet)))
	if whileFetching {
		request, delay = 1+random.Int64N(request), time.Duration(random.Int64N(int64(20*time.Millisecond)))
	}
	for {
		dir := t.TempDir()
		if number > 0 {
			copyTree(t, h.steps[number-1].dir, dir)
		}
		killed, requests := h.kill(t, dir, to.generation, request, delay)
		if killed {
			t.Logf("step %d: killed %v after request %d of %d", number, delay.Round(time.Microsecond), request, to.requests)
			h.afterKill(t, dir, number)
			return
		}
		// It was at its end already. One that asked again for something made more requests.
		request, delay = min(request, requests), delay/2
	}
}

// kill runs the command and kills it. It reports whether the run was still
// going on, and how many requests it made.
func (h *history) kill(t *testing.T, dir string, g *hackagetest.Generation, request int64, delay time.Duration) (killed bool, requests int64) {
	t.Helper()
	p := h.process(t, dir, g)
	var once sync.Once
	p.at = func(n int64) {
		if n >= request {
			once.Do(func() { time.AfterFunc(delay, func() { p.signal(os.Kill) }) })
		}
	}
	err := p.run()
	if err != nil && p.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("run that was to be killed: %v\n%s", err, p.said)
	}
	return err != nil, p.requests.Load()
}

// afterKill checks what a kill left behind, and that a rerun ends as an
// undisturbed run does.
func (h *history) afterKill(t *testing.T, dir string, number int) {
	t.Helper()
	h.readersSeeOldOrNew(t, dir, number)
	p := h.process(t, dir, h.steps[number].generation)
	if err := p.run(); err != nil {
		t.Fatalf("rerun: %v\n%s", err, p.said)
	}
	got, want := h.outcome(t, dir), h.steps[number].outcome
	for _, difference := range want.differences(got) {
		t.Errorf("after the rerun %s", difference)
	}
	if t.Failed() {
		t.Logf("the rerun said:\n%s", p.said)
	}
}

// readersSeeOldOrNew checks the destinations below dir after a run from one
// step to the next was killed, by what Hackage signed and not by what the
// program says.
func (h *history) readersSeeOldOrNew(t *testing.T, dir string, number int) {
	t.Helper()
	var from step // nothing
	if number > 0 {
		from = h.steps[number-1]
	}
	h.bucketIsOldOrNew(t, dir, from, h.steps[number])
	for _, name := range []string{"files.git", "hashes.git"} {
		h.repositoryIsOldOrNew(t, dir, name, from, h.steps[number])
	}
}

// pointers are the files that a client of a secure repository reads to learn what there
// is, in the stages in which they become new: those of one stage go together.
func pointers() [][]string {
	return [][]string{{"01-index.tar", "01-index.tar.gz", "root.json", "mirrors.json"}, {"snapshot.json"}, {"timestamp.json"}}
}

// bucketIsOldOrNew holds every file of a bucket against the two generations.
func (h *history) bucketIsOldOrNew(t *testing.T, dir string, from, to step) {
	t.Helper()
	there := &world{T: t, dir: dir}
	held := there.contents(there.bucket())
	for key, content := range held {
		if strings.HasPrefix(key, ".hackage-mirror/") || key == "hackage-mirror.json" || slices.Contains(tellsPeople, key) {
			continue
		}
		if old, ok := from.outcome.bucket[key]; ok && old == content {
			continue
		}
		if content != to.outcome.bucket[key] {
			t.Errorf("after the kill the bucket's %q is neither the old one nor the new one", key)
		}
	}
	for key := range from.outcome.bucket {
		if _, ok := held[key]; !ok {
			t.Errorf("after the kill the bucket lacks %q, which it had", key)
		}
	}
	// What names something comes after it: once one of these is old, all of the stages
	// behind it are.
	older := ""
	for _, stage := range pointers() {
		before := older
		for _, name := range stage {
			content := held[name]
			was, is := from.outcome.bucket[name], to.outcome.bucket[name]
			switch {
			case was == is:
			case content == was:
				older = name
			case before != "":
				t.Errorf("after the kill the bucket's %q is new, and %q, which it vouches for, is old", name, before)
			}
		}
	}
	if held["01-index.tar"] == string(to.generation.File("01-index.tar")) {
		h.holdsAllOf(t, held, to)
	}
	if from.outcome.bucket != nil {
		h.holdsAllOf(t, held, from)
	}
}

// holdsAllOf checks that a bucket has every tarball and every revision of a
// generation. What the index replaced later may be there in its new form.
func (h *history) holdsAllOf(t *testing.T, held map[string]string, s step) {
	t.Helper()
	for _, r := range s.generation.Releases() {
		if s.outcome.bucket[r.TarballKey()] != "" && held[r.TarballKey()] == "" {
			t.Errorf("after the kill an index is published without the tarball of %s", r)
		}
		for number, content := range s.generation.Revisions(r) {
			if held["package/"+r.String()+"/revision/"+strconv.Itoa(number)+".cabal"] != string(content) {
				t.Errorf("after the kill an index is published without revision %d of %s", number, r)
			}
		}
	}
}

// repositoryIsOldOrNew checks that branch and tag are where they were, or both
// where an undisturbed run puts them.
func (h *history) repositoryIsOldOrNew(t *testing.T, dir, name string, from, to step) {
	t.Helper()
	there := &world{T: t, dir: dir}
	repo := there.path(name)
	got := repoOutcome{}
	refs, err := there.tryGit(repo, "for-each-ref")
	if err == nil && strings.Contains(refs, "refs/heads/hackage\n") && strings.Contains(refs, "refs/tags/current-hackage") {
		got = there.repoOutcome(repo)
	}
	got.display = to.outcome.repos[name].display
	if got != to.outcome.repos[name] && got != from.outcome.repos[name] && (got.commits != "" || from.outcome.repos != nil) {
		t.Errorf("after the kill %s is neither old nor new: %+v", name, got)
	} else if err == nil {
		there.git(repo, "fsck", "--strict", "--no-dangling")
	}
}

// copyTree copies the destinations of a world.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"bucket", "files.git", "hashes.git"} {
		if err := os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join(from, name))); err != nil {
			t.Fatal(err)
		}
	}
}
