package mirror

import (
	"iter"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A cursor reads a log in stretches.
type cursor struct {
	log   *index.Log
	next  func() (index.Entry, error, bool)
	stop  func()
	ahead *index.Entry // read already, of the next stretch
}

func newCursor(log *index.Log) *cursor {
	next, stop := iter.Pull2(log.Entries())
	return &cursor{log: log, next: next, stop: stop}
}

// until calls do for the entries that begin before a length of the index.
func (c *cursor) until(length int64, do func(index.Entry) error) error {
	for {
		e, err := c.peek()
		if err != nil || e == nil || e.Offset >= length {
			return err
		}
		if err := do(*e); err != nil {
			return err
		}
		c.ahead = nil
	}
}

// peek returns the next entry, nil at the end.
func (c *cursor) peek() (*index.Entry, error) {
	if c.ahead == nil {
		e, err, ok := c.next()
		if err != nil || !ok {
			return nil, err
		}
		c.ahead = &e
	}
	return c.ahead, nil
}
