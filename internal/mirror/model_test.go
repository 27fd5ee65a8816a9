package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// The model: several runs fill one bucket at the same time, each from a Hackage of
// some generation, and who comes next at each put is laid down. A run that is not
// its turn stands before its next put; what it reads it reads when it gets there.

// A player is a run of the model.
type player struct {
	name    string
	puts    chan standing // which wait; those of a stage wait together
	waiting *standing     // the one that goes on next
	done    chan struct{}
	err     error
}

// A standing put goes on when it is told to, and tells when it is over.
type standing struct{ goOn, over chan struct{} }

// A gate is the store as a player sees it.
type gate struct {
	bucket.Bucket
	player *player
}

// Put implements bucket.Bucket.
func (g gate) Put(ctx context.Context, key string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	put := standing{make(chan struct{}), make(chan struct{})}
	g.player.puts <- put
	<-put.goOn
	defer close(put.over)
	return g.Bucket.Put(ctx, key, o, c)
}

// start begins a run, and waits until it stands before its first put.
func start(r *rig, name, dir string) *player {
	p := &player{name: name, puts: make(chan standing), done: make(chan struct{})}
	own := *r
	own.dir, own.written, own.via = dir, true, gate{r.store, p}
	go func() {
		defer close(p.done)
		p.err = own.run()
	}()
	p.stand()
	return p
}

// stand waits until the player stands before a put, or is through.
func (p *player) stand() (through bool) {
	if p.waiting != nil {
		return false
	}
	select {
	case put := <-p.puts:
		p.waiting = &put
		return false
	case <-p.done:
		return true
	}
}

// play makes so many puts, or all that there are.
func (p *player) play(puts int) {
	for ; puts != 0 && !p.stand(); puts-- {
		put := p.waiting
		p.waiting = nil
		close(put.goOn)
		<-put.over
		p.stand()
	}
}

// A match is what all schedules are played on.
type match struct {
	base map[string][]byte
	dirs []string // of upstream, older to newer
	gens []*hackagetest.Generation
	kind string
	// pairs are the generations of the two runs that meet.
	pairs [][2]int
	// byContent is of the store's ETags.
	byContent bool
	// smallIndex lets both files of the index go together.
	smallIndex int64
	// A run makes fewer puts than most; every stepth is one to stand at.
	most, step int
}

// newMatch makes a bucket, and what upstream shows after that: a first and a
// second generation, each with a new release and a revision of one that is there.
func newMatch(t *testing.T, kind string, between func(h *hackagetest.Hackage)) *match {
	t.Helper()
	r := newRig(t, hackagetest.New(hackagetest.Options{Seed: "match"}))
	r.hackage.Upload("a", "1", nil, nil)
	r.mustRun()
	m := &match{base: r.store.Contents(), kind: kind, most: mostPuts, step: 1}
	for n := range 2 {
		if n > 0 {
			between(r.hackage)
		}
		r.hackage.Revise("a", "1", fmt.Appendf(nil, "name: a\nversion: 1\nx-revision: %d\n", n+1))
		r.hackage.Upload("b", fmt.Sprint(n), nil, nil)
		m.dirs, m.gens = append(m.dirs, t.TempDir()), append(m.gens, r.hackage.Generation())
		if err := r.hackage.Write(m.dirs[n]); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// begin returns the bucket of the match as it is before all runs.
func (m *match) begin(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, store: buckettest.NewMemory(t), hackage: hackagetest.New(hackagetest.Options{Seed: "match"}), smallIndex: m.smallIndex}
	r.store.ByContent = m.byContent
	for key, content := range m.base {
		r.store.Set(key, content)
	}
	return r
}

// judge holds the bucket against what the runs said of it, and then lets another
// run come, which must find everything or put it right.
func (m *match) judge(t *testing.T, r *rig, schedule string, newest int, players map[*player]int) {
	t.Helper()
	done := -1
	for p, gen := range players {
		switch {
		case p.err == nil:
			done = max(done, gen)
		case errors.Is(p.err, tuf.ErrRollback): // it came when a newer one was published
		case !errors.Is(p.err, bucket.ErrConflict) && !strings.Contains(p.err.Error(), "signed by upstream"):
			t.Errorf("%s: run %s ends with %v", schedule, p.name, p.err)
		}
	}
	held := r.store.Contents()
	at := -1
	for n, g := range m.gens {
		if bytes.Equal(held["timestamp.json"], g.File("timestamp.json")) {
			at = n
		}
	}
	if at < done {
		t.Errorf("%s: a run said that generation %d is published, and %d is", schedule, done, at)
	}
	// Where three runs meet, two that publish the same older set and a newer one
	// which the second of them overtakes, puts of the newer run may go in where it
	// stands: puts that change nothing leave the versions as they were. The state
	// then says that nothing is known, and the next run publishes all anew.
	if known := bytes.Contains(held[StateKey], []byte(`"Index-SHA256"`)); done >= 0 && (len(players) == 2 || known) {
		m.whole(t, r, schedule, at)
	}
	last := *r
	last.dir, last.written = m.dirs[newest], true
	if err := last.run(); err != nil {
		t.Errorf("%s: the next run ends with %v", schedule, err)
	}
	m.whole(t, r, schedule+", and the next run", newest)
}

// whole holds all files of a generation against the bucket.
func (m *match) whole(t *testing.T, r *rig, schedule string, at int) {
	t.Helper()
	held, g := r.store.Contents(), m.gens[at]
	for _, key := range g.Paths() {
		if !bytes.Equal(held[key], g.File(key)) && !strings.HasPrefix(key, "packages/") {
			t.Errorf("%s: %q is not that of generation %d", schedule, key, at)
		}
	}
	for _, release := range g.Releases() {
		revisions := g.Revisions(release)
		for number, content := range revisions {
			if !bytes.Equal(held[revisionKey(release, number)], content) {
				t.Errorf("%s: revision %d of %s is another", schedule, number, release)
			}
		}
		if newest := revisions[len(revisions)-1]; !bytes.Equal(held[cabalKey(release)], newest) {
			t.Errorf("%s: the newest .cabal file of %s is %q", schedule, release, held[cabalKey(release)])
		}
	}
}

// matches are the kinds of pairs of generations.
func matches(t *testing.T) []*match {
	growth := newMatch(t, "growth", func(*hackagetest.Hackage) {})
	growth.pairs = [][2]int{{0, 1}, {1, 0}, {1, 1}}
	root := newMatch(t, "new root", func(h *hackagetest.Hackage) { h.RotateRoot(); h.Advance(time.Hour) })
	root.pairs = [][2]int{{1, 0}}
	first := newMatch(t, "first fill", func(*hackagetest.Hackage) {})
	first.pairs, first.base = [][2]int{{0, 1}, {1, 0}}, nil
	first.most, first.step = 30, 2
	s3 := *growth
	s3.kind, s3.byContent, s3.smallIndex = "growth of a small index on S3", true, smallIndex
	return []*match{growth, &s3, root, first}
}

// mostPuts is more than a run makes, but for a first fill.
const mostPuts = 16

// TestTwoRunsLoseNothingWhateverTheTiming plays all schedules of two runs with up
// to three changes of turn: one stands at each of its puts while the other makes
// each number of its own.
func TestTwoRunsLoseNothingWhateverTheTiming(t *testing.T) {
	t.Parallel()
	for _, m := range matches(t) {
		for _, gens := range m.pairs {
			t.Run(fmt.Sprintf("%s/%v", m.kind, gens), func(t *testing.T) {
				t.Parallel()
				for i := 0; i < m.most; i += m.step {
					for j := 1; j < m.most; j += m.step {
						r := m.begin(t)
						a := start(r, "A", m.dirs[gens[0]])
						a.play(i)
						b := start(r, "B", m.dirs[gens[1]])
						b.play(j)
						a.play(-1)
						b.play(-1)
						m.judge(t, r, fmt.Sprintf("A %d, B %d, A, B", i, j), 1, map[*player]int{a: gens[0], b: gens[1]})
					}
				}
			})
		}
	}
}

// TestThreeRunsLoseNothingWhateverTheTiming: one stands at each of its puts, then
// a second one, and a third comes to its end before both go on.
func TestThreeRunsLoseNothingWhateverTheTiming(t *testing.T) {
	t.Parallel()
	m := newMatch(t, "growth", func(*hackagetest.Hackage) {})
	m.byContent = true
	for _, gens := range [][3]int{{0, 0, 1}, {0, 1, 0}, {1, 0, 0}} {
		t.Run(fmt.Sprint(gens), func(t *testing.T) {
			t.Parallel()
			for i := 1; i < mostPuts; i += 2 {
				for j := range mostPuts {
					r := m.begin(t)
					a := start(r, "A", m.dirs[gens[0]])
					a.play(i)
					b := start(r, "B", m.dirs[gens[1]])
					b.play(j)
					c := start(r, "C", m.dirs[gens[2]])
					c.play(-1)
					b.play(-1)
					a.play(-1)
					m.judge(t, r, fmt.Sprintf("A %d, B %d, C, B, A", i, j), 1, map[*player]int{a: gens[0], b: gens[1], c: gens[2]})
				}
			}
		})
	}
}
