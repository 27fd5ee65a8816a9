package mirror

import (
	"context"
	"sync"
)

// An item of a feed's queue: one of the two is set.
type item struct {
	delivery *delivery
	mark     *mark
}

// A queue holds what a feed has not come to yet.
type queue struct {
	mu      sync.Mutex
	changed sync.Cond
	items   []item
	closed  bool
	popped  chan<- struct{} // told of each item taken out
}

func newQueue(popped chan<- struct{}) *queue {
	q := &queue{popped: popped}
	q.changed.L = &q.mu
	return q
}

// push adds an item.
func (q *queue) push(it item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, it)
	q.changed.Signal()
}

// close says that nothing more will come.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Signal()
}

// pop takes the oldest item out, waiting for one. It is false when the queue is
// closed and empty, or ctx ended.
func (q *queue) pop(ctx context.Context) (item, bool) {
	stop := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.changed.Signal()
	})
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed && ctx.Err() == nil {
		q.changed.Wait()
	}
	if len(q.items) == 0 || ctx.Err() != nil {
		return item{}, false
	}
	it := q.items[0]
	q.items[0] = item{}
	q.items = q.items[1:]
	select {
	case q.popped <- struct{}{}:
	default: // somebody was told already
	}
	return it, true
}

// len is how many items wait.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// drain takes everything out.
func (q *queue) drain() []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}
