package run

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/report"
)

// A timeline holds when the parts of a run began and ended; some go on side by
// side.
type timeline struct {
	now   func() time.Time
	began time.Time

	mu     sync.Mutex
	phases []report.Phase
}

// start enters that a part of the run starts, and returns what enters its end.
func (t *timeline) start(name string) (end func()) {
	begin := t.now().Sub(t.began)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.phases = append(t.phases, report.Phase{Name: name, Begin: begin, End: t.now().Sub(t.began)})
	}
}

// inOrder returns the phases by their begin.
func (t *timeline) inOrder() []report.Phase {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedStableFunc(slices.Values(t.phases), func(a, b report.Phase) int { return cmp.Compare(a.Begin, b.Begin) })
}
