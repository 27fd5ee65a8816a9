// Package progress tells people how far a run is, on standard error.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
)

// Progress tells people how far a run is: by a bar if somebody watches, and in a log by a
// line every few seconds, which GitHub folds away under the name of the phase. All methods
// are safe for concurrent use.
type Progress struct {
	w        io.Writer // standard error
	console  *report.Console
	now      func() time.Time
	ticker   func() (ticks <-chan time.Time, stop func())
	terminal bool
	verbose  bool

	mu    sync.Mutex // guards what follows
	meter *meter     // nil between phases
	bar   *mpb.Bar   // of the phase, nil in a log
	end   func()     // ends what shows the phase

	writing sync.Mutex // one line at a time; guards what follows; locked after mu, if both are
	above   io.Writer  // where lines go while there is a bar
	fold    string     // the phase whose group the next line opens
	folded  bool       // a group is open
}

// ErrorPrefix is that of a line about an error that does not end the run at once.
const ErrorPrefix = "error: "

// logInterval is how often a phase writes to a log.
const logInterval = 5 * time.Second

// New returns the Progress for a terminal or a log. Verbose names each release, and
// console, if it is not nil, folds the lines of a phase away on GitHub.
func New(w io.Writer, terminal, verbose bool, now func() time.Time, console *report.Console) *Progress {
	return &Progress{w: w, now: now, terminal: terminal, verbose: verbose, console: console, ticker: func() (<-chan time.Time, func()) {
		t := time.NewTicker(logInterval)
		return t.C, t.Stop
	}}
}

// Start starts a phase, ending the one before it. It counts things of a kind, such as
// "releases"; total 0 means that nobody knows how many there will be.
func (p *Progress) Start(phase, things string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done()
	p.meter = &meter{phase: phase, things: things, total: total, started: p.now()}
	if p.terminal {
		p.startBar(p.meter)
	} else {
		p.startLines(p.meter)
	}
}

// startLines writes a line about the phase at each tick. The line that says what the
// phase did follows behind its group, in the open.
func (p *Progress) startLines(m *meter) {
	p.withLines(func() { p.fold = m.phase })
	stop := make(chan struct{})
	var lines sync.WaitGroup
	lines.Go(func() {
		ticks, release := p.ticker()
		defer release()
		for {
			select {
			case now := <-ticks:
				p.Log(m.phase + ": " + m.state(now))
			case <-stop:
				return
			}
		}
	})
	p.end = func() {
		close(stop)
		lines.Wait()
		p.withLines(func() {
			if p.folded {
				p.console.EndGroup()
			}
			p.fold, p.folded = "", false
		})
	}
}

// startBar draws a bar for the phase; lines appear above it. What mpb calls while it
// draws must lock neither mutex: Log and the end of the bar wait for mpb.
func (p *Progress) startBar(m *meter) {
	bars := mpb.New(mpb.WithOutput(p.w), mpb.WithAutoRefresh())
	var filler mpb.BarFillerBuilder = mpb.BarStyle()
	if m.total <= 0 {
		filler = mpb.SpinnerStyle().PositionLeft()
	}
	p.bar = bars.New(m.total, filler,
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(m.phase)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return m.state(p.now()) })),
	)
	p.withLines(func() { p.above = bars })
	p.end = func() {
		p.withLines(func() {
			p.bar.Abort(true)
			bars.Wait()
			p.above = nil
		})
		p.bar = nil
	}
}

// Add counts what the phase has done since the last call. Name is the release that is
// done, for --verbose; "" if the call is not for one.
func (p *Progress) Add(n int, bytes int64, name string) {
	p.mu.Lock()
	m, bar := p.meter, p.bar
	p.mu.Unlock()
	m.add(n, bytes)
	if p.verbose && name != "" {
		p.Log(releaseLine(name, bytes))
	}
	if bar != nil {
		bar.IncrBy(n)
	}
}

// Log writes a line at once.
func (p *Progress) Log(line string) {
	p.withLines(func() {
		if p.fold != "" { // a phase without a line has no group
			p.console.Group(p.fold)
			p.fold, p.folded = "", true
		}
		w := p.w
		if p.above != nil {
			w = p.above
		}
		_, _ = io.WriteString(w, report.Line(line)+"\n") // there is nobody to tell if it fails
	})
}

// Done ends the phase with a line that says what it did. Without a phase it does
// nothing.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done()
}

// done is Done with mu locked.
func (p *Progress) done() {
	if p.meter == nil {
		return
	}
	p.end()
	p.Log(p.meter.phase + ": " + p.meter.summary(p.now()))
	p.meter = nil
}

// withLines does something between two lines.
func (p *Progress) withLines(do func()) {
	p.writing.Lock()
	defer p.writing.Unlock()
	do()
}

// A meter counts what a phase has done. A nil meter counts nothing.
type meter struct {
	phase   string
	things  string // what is counted, in the plural
	total   int64
	started time.Time

	done, bytes atomic.Int64
}

func (m *meter) add(n int, bytes int64) {
	if m == nil {
		return
	}
	m.done.Add(int64(n))
	m.bytes.Add(bytes)
}

// state says how far the phase is, how fast, and how long it will take if it
// goes on like that.
func (m *meter) state(now time.Time) string {
	done, bytes := m.done.Load(), m.bytes.Load()
	elapsed := now.Sub(m.started)
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

func (m *meter) summary(now time.Time) string {
	return strings.Join(append(m.amounts(m.done.Load(), m.bytes.Load()), report.Took(now.Sub(m.started))), ", ")
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
