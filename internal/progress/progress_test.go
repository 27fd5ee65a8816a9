package progress

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// A buffer is a stream that several goroutines may write to.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A clock is what the test says it is.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)} }

// newLog returns a Progress for a log whose ticks the test sends. A tick that was
// taken is written before Done or the next Start returns.
func newLog(w *buffer, c *clock, verbose bool) (*Progress, chan time.Time) {
	ticks := make(chan time.Time)
	return &Progress{w: w, now: c.Now, verbose: verbose, ticker: func() (<-chan time.Time, func()) {
		return ticks, func() {}
	}}, ticks
}

func TestLogProgress(t *testing.T) {
	t.Parallel()
	var out buffer
	clock := newClock()
	p, ticks := newLog(&out, clock, false)

	p.Start("index", "releases", 0)
	ticks <- clock.pass(5 * time.Second)
	p.Start("tarballs", "releases", 3000)
	p.Add(1000, 10<<20, "aeson-2.2.1.0")
	ticks <- clock.pass(5 * time.Second)
	p.Add(0, 10<<20, "")
	p.Add(2000, 0, "")
	clock.pass(5 * time.Second)
	p.Done()
	p.Done()
	p.Add(1, 1, "between phases")
	p.Log("a retry")

	want := `index: 5 seconds
index: 5 seconds
tarballs: 1,000 of 3,000 releases, 10 MiB, 2.0 MiB/s, 10 seconds left
tarballs: 3,000 of 3,000 releases, 20 MiB, 10 seconds
a retry
`
	if out.String() != want {
		t.Errorf("log:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestLogProgressVerbose(t *testing.T) {
	t.Parallel()
	var out buffer
	p, _ := newLog(&out, newClock(), true)
	p.Start("tarballs", "releases", 0)
	p.Add(1, 2048, "aeson-2.2.1.0")
	p.Add(1, 0, "lens-5.3")
	p.Add(1, 1024, "")
	p.Done()
	if want := "aeson-2.2.1.0 2.0 KiB\nlens-5.3\ntarballs: 3 releases, 3.0 KiB, 0 seconds\n"; out.String() != want {
		t.Errorf("log %q, want %q", out.String(), want)
	}
}

func TestBarProgress(t *testing.T) {
	t.Parallel()
	var out buffer
	clock := newClock()
	p := New(&out, true, true, clock.Now, nil)

	p.Log("before")
	p.Start("index", "releases", 0)
	p.Start("tarballs", "releases", 4)
	clock.pass(2 * time.Second)
	p.Add(1, 2<<20, "aeson-2.2.1.0")
	p.Log("a retry")
	p.Done()
	p.Done()
	p.Add(1, 1, "")

	got := out.String()
	for _, want := range []string{
		"before\n", "index: 0 seconds\n", "aeson-2.2.1.0 2.0 MiB\n", "a retry\n",
		"tarballs [", "1 of 4 releases, 2.0 MiB, 1.0 MiB/s, 6 seconds left",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("terminal shows %q, which lacks %q", got, want)
		}
	}
	if want := "tarballs: 1 of 4 releases, 2.0 MiB, 2 seconds\n"; !strings.HasSuffix(got, want) {
		t.Errorf("terminal ends in %q, want %q", got, want)
	}
}

// A bar that is full is done for mpb before it is for us.
func TestBarProgressGoesOnWhenFull(t *testing.T) {
	t.Parallel()
	var out buffer
	p := New(&out, true, false, newClock().Now, nil)
	p.Start("tarballs", "releases", 1)
	p.Add(1, 0, "")
	p.bar.Wait()
	p.Add(1, 0, "")
	p.Log("a late note")
	p.Done()
	for _, want := range []string{"a late note\n", "tarballs: 2 of 2 releases, 0 seconds\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("terminal shows %q, which lacks %q", out.String(), want)
		}
	}
}

func TestProgressIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*buffer) *Progress{
		"log": func(b *buffer) *Progress { p, _ := newLog(b, newClock(), true); return p },
		"bar": func(b *buffer) *Progress { return New(b, true, true, newClock().Now, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out buffer
			p := make(&out)
			p.Start("tarballs", "releases", 200)
			var workers sync.WaitGroup
			for range 8 {
				workers.Go(func() {
					for range 25 {
						p.Add(1, 1, "a-1")
						p.Log("note")
					}
				})
			}
			workers.Wait()
			p.Done()
			if want := "tarballs: 200 of 200 releases, 200 B, 0 seconds\n"; !strings.HasSuffix(out.String(), want) {
				t.Errorf("ends in %.200q, want %q", out.String()[max(0, len(out.String())-200):], want)
			}
			if got := strings.Count(out.String(), "note\n"); got != 200 {
				t.Errorf("%d notes of 200", got)
			}
		})
	}
}

func TestProgressFitsTheStream(t *testing.T) {
	t.Parallel()
	for _, terminal := range []bool{false, true} {
		p := New(&buffer{}, terminal, false, newClock().Now, nil)
		p.Start("index", "releases", 0)
		if bar := p.bar != nil; bar != terminal {
			t.Errorf("a bar: %t; a terminal: %t", bar, terminal)
		}
		p.Done()
	}
}
