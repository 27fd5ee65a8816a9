// Package progress tells people how far a run is, on standard error.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
)

// Progress tells people how far a run is: by a bar if somebody watches, by a
// line every few seconds in a log. It writes to standard error only. All
// methods are safe for concurrent use.
type Progress interface {
	// Start begins a phase, ending the one before it. It counts things of a
	// kind, such as "releases"; total 0 means that nobody knows how many there
	// will be.
	Start(phase, things string, total int64)
	// Add counts what the phase has done since the last call. Name is the
	// release that is done, for --verbose; "" if the call is not for one.
	Add(n int, bytes int64, name string)
	// Note writes a line at once.
	Note(line string)
	// Done ends the phase with a line that says what it did. Without a phase
	// it does nothing.
	Done()
}

// ErrorMark begins a line about an error that does not end the run at once.
const ErrorMark = "error: "

// logInterval is how often a phase writes to a log.
const logInterval = 5 * time.Second

// New returns the Progress that fits where w goes. Verbose names each release, and
// console, if it is not nil, folds the lines of a phase away on GitHub.
func New(w io.Writer, terminal, verbose bool, now func() time.Time, console *report.Console) Progress {
	if terminal {
		return &barProgress{w: w, now: now, verbose: verbose}
	}
	return &logProgress{w: w, now: now, verbose: verbose, console: console, ticker: func() (<-chan time.Time, func()) {
		t := time.NewTicker(logInterval)
		return t.C, t.Stop
	}}
}

// A logProgress writes lines. On GitHub those of a phase are folded away under
// its name, and the line that says what the phase did follows in the open.
type logProgress struct {
	w       io.Writer
	console *report.Console
	now     func() time.Time
	ticker  func() (ticks <-chan time.Time, stop func())
	verbose bool

	writing sync.Mutex // one line at a time; guards the two that follow
	fold    string     // the phase whose group the next line opens
	folded  bool       // a group is open

	mu    sync.Mutex // guards what follows
	meter *meter     // nil between phases
	stop  chan struct{}
	owned sync.WaitGroup // the goroutine of the phase
}

func (p *logProgress) Start(phase, things string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done()
	p.meter = newMeter(phase, things, total, p.now())
	p.group(func() { p.fold = phase })
	p.stop = make(chan struct{})
	m, stop := p.meter, p.stop
	p.owned.Go(func() { p.tell(m, stop) })
}

// tell writes a line at each tick until stop is closed.
func (p *logProgress) tell(m *meter, stop <-chan struct{}) {
	ticks, release := p.ticker()
	defer release()
	for {
		select {
		case now := <-ticks:
			p.Note(m.phase + ": " + m.state(now))
		case <-stop:
			return
		}
	}
}

func (p *logProgress) Add(n int, bytes int64, name string) {
	p.mu.Lock()
	m := p.meter
	p.mu.Unlock()
	m.add(n, bytes)
	if p.verbose && name != "" {
		p.Note(releaseLine(name, bytes))
	}
}

func (p *logProgress) Note(line string) {
	p.writing.Lock()
	defer p.writing.Unlock()
	if p.fold != "" { // a phase without a line has no group
		p.console.Group(p.fold)
		p.fold, p.folded = "", true
	}
	writeLine(p.w, line)
}

func (p *logProgress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done()
}

// done is Done for those who hold mu.
func (p *logProgress) done() {
	if p.meter == nil {
		return
	}
	close(p.stop)
	p.owned.Wait()
	p.group(func() {
		if p.folded {
			p.console.EndGroup()
		}
		p.fold, p.folded = "", false
	})
	p.Note(p.meter.phase + ": " + p.meter.summary(p.now()))
	p.meter = nil
}

// group writes a command between two lines.
func (p *logProgress) group(command func()) {
	p.writing.Lock()
	defer p.writing.Unlock()
	command()
}

// A barProgress draws a bar for the running phase; lines appear above it.
type barProgress struct {
	w       io.Writer
	now     func() time.Time
	verbose bool

	// mu guards what follows and is never taken by what mpb calls while it
	// draws: Note waits for mpb with mu held.
	mu    sync.Mutex
	meter *meter // nil between phases
	bars  *mpb.Progress
	bar   *mpb.Bar
}

func (p *barProgress) Start(phase, things string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done()
	m := newMeter(phase, things, total, p.now())
	p.meter = m
	p.bars = mpb.New(mpb.WithOutput(p.w), mpb.WithAutoRefresh())
	var filler mpb.BarFillerBuilder = mpb.BarStyle()
	if total <= 0 {
		filler = mpb.SpinnerStyle().PositionLeft()
	}
	p.bar = p.bars.New(total, filler,
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(phase)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return m.state(p.now()) })),
	)
}

func (p *barProgress) Add(n int, bytes int64, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.meter.add(n, bytes)
	if p.verbose && name != "" {
		p.note(releaseLine(name, bytes))
	}
	if p.bar != nil {
		p.bar.IncrBy(n)
	}
}

func (p *barProgress) Note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note(line)
}

// note is Note for those who hold mu.
func (p *barProgress) note(line string) {
	if p.bars == nil {
		writeLine(p.w, line)
		return
	}
	writeLine(p.bars, line)
}

func (p *barProgress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done()
}

// done is Done for those who hold mu.
func (p *barProgress) done() {
	if p.meter == nil {
		return
	}
	p.bar.Abort(true)
	p.bars.Wait()
	p.bars, p.bar = nil, nil
	p.note(p.meter.phase + ": " + p.meter.summary(p.now()))
	p.meter = nil
}

// A meter counts what a phase has done. A nil meter counts nothing.
type meter struct {
	phase  string
	things string // what is counted, in the plural
	total  int64
	begun  time.Time

	mu    sync.Mutex
	done  int64
	bytes int64
}

func newMeter(phase, things string, total int64, now time.Time) *meter {
	return &meter{phase: phase, things: things, total: total, begun: now}
}

func (m *meter) add(n int, bytes int64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += int64(n)
	m.bytes += bytes
}

func (m *meter) counts() (done, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.done, m.bytes
}

// state says how far the phase is, how fast, and how long it will take if it
// goes on like that.
func (m *meter) state(now time.Time) string {
	done, bytes := m.counts()
	elapsed := now.Sub(m.begun)
	parts := m.amounts(done, bytes)
	if bytes > 0 && elapsed >= time.Second {
		parts = append(parts, plain.Size(int64(float64(bytes)/elapsed.Seconds()))+"/s")
	}
	if done > 0 && done < m.total {
		left := time.Duration(float64(elapsed) / float64(done) * float64(m.total-done))
		parts = append(parts, report.Took(left)+" left")
	}
	if len(parts) == 0 {
		parts = append(parts, report.Took(elapsed))
	}
	return strings.Join(parts, ", ")
}

// summary says what the phase did.
func (m *meter) summary(now time.Time) string {
	done, bytes := m.counts()
	parts := append(m.amounts(done, bytes), report.Took(now.Sub(m.begun)))
	return strings.Join(parts, ", ")
}

// amounts leaves out what the phase does not count.
func (m *meter) amounts(done, bytes int64) []string {
	var parts []string
	switch {
	case m.total > 0:
		// What is done again, because another run was faster, makes it more.
		parts = append(parts, fmt.Sprintf("%s of %s %s", plain.Count(done), plain.Count(max(m.total, done)), m.things))
	case done > 0:
		parts = append(parts, plain.Count(done)+" "+m.things)
	}
	if bytes > 0 {
		parts = append(parts, plain.Size(bytes))
	}
	return parts
}

// releaseLine is what --verbose says of a release.
func releaseLine(name string, bytes int64) string {
	if bytes <= 0 {
		return name
	}
	return name + " " + plain.Size(bytes)
}

// writeLine writes one line. There is nobody to tell if that does not work.
func writeLine(w io.Writer, line string) { _, _ = io.WriteString(w, report.Line(line)+"\n") }
