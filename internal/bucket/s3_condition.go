package bucket

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What is known of a server's conditions.
const (
	conditionsUnknown int32 = iota
	conditionsKept
	conditionsLacking
)

// conditions is how a bucket keeps the conditions of its puts.
type conditions struct {
	state atomic.Int32
	// turn is held by the put that finds out the state.
	turn chan struct{}
	// locks stand in for what a server lacks, each for the keys of one hash.
	locks [64]sync.Mutex
	seed  maphash.Seed
}

// put stores o under name if c holds.
func (b *S3) put(ctx context.Context, name string, o Object, c Condition) (Info, error) {
	if c.kind == always {
		info, _, err := b.write(ctx, name, o, c)
		return info, err
	}
	if b.conditions.state.Load() == conditionsUnknown {
		select {
		case b.conditions.turn <- struct{}{}:
			defer func() { <-b.conditions.turn }()
		case <-ctx.Done():
			return Info{}, ctx.Err()
		}
	}
	switch b.conditions.state.Load() {
	case conditionsKept:
		return b.putIf(ctx, name, o, c)
	case conditionsLacking:
		return b.putAfterLook(ctx, name, o, c)
	default:
		return b.putAndLearn(ctx, name, o, c)
	}
}

// putAndLearn is the first conditional put to a server. Some servers take the
// header and do not heed it; so what was put under a condition that cannot hold
// any more is put once more, and has to be refused. That changes nothing.
func (b *S3) putAndLearn(ctx context.Context, name string, o Object, c Condition) (Info, error) {
	info, err := b.putIf(ctx, name, o, c)
	unclear := err == nil && b.conditions.state.Load() == conditionsUnknown
	if !unclear || o.Size > b.part || o.Base.Length > 0 || info.ETag == c.etag {
		return info, err
	}
	again, _, err := b.write(ctx, name, o, c)
	switch {
	case err == nil:
		b.lackConditions("does not heed If-None-Match and If-Match")
		return again, nil
	case unmet(err, c):
		b.conditions.state.Store(conditionsKept)
	case refused(err):
		b.lackConditions(noHeaders)
	}
	return info, nil // what was asked for is done; the next put may learn more
}

// noHeaders is what is told of a server that refuses the headers.
const noHeaders = "has neither If-None-Match nor If-Match"

func (b *S3) lackConditions(how string) {
	if b.conditions.state.Swap(conditionsLacking) != conditionsLacking {
		b.notify(fmt.Sprintf("%s: the server %s; a look before each put stands in for it, "+
			"so see to it that only one run at a time writes there", b, how))
	}
}

// maxConflicts bounds the tries when other requests for the key are under way.
const maxConflicts = 6

// putIf leaves the condition to the server.
func (b *S3) putIf(ctx context.Context, name string, o Object, c Condition) (Info, error) {
	if o.Size > b.part {
		// Before much is sent in vain.
		if have, write, err := b.look(ctx, name, o, c); err != nil || !write {
			return have, err
		}
	}
	for try := 1; ; try++ {
		info, sent, err := b.write(ctx, name, o, c)
		switch {
		case refused(err):
			return b.putWithout(ctx, name, o, c)
		case !unmet(err, c):
			return info, err
		}
		b.conditions.state.CompareAndSwap(conditionsUnknown, conditionsKept)
		info, again, err := b.settle(ctx, name, o, c, sent)
		if !again || try == maxConflicts {
			return info, err
		}
		select {
		case <-time.After(time.Duration(try) * 50 * time.Millisecond):
		case <-ctx.Done():
			return Info{}, ctx.Err()
		}
	}
}

// settle finds out what it means that the server found c unmet. Again says that
// the put may be tried once more, else err is the answer.
func (b *S3) settle(ctx context.Context, name string, o Object, c Condition, sent int) (info Info, again bool, err error) {
	have, err := b.head(ctx, name)
	exists := !errors.Is(err, fs.ErrNotExist)
	if exists && err != nil {
		return Info{}, false, err
	}
	if c.kind == ifMatch && sent > 1 && exists && have.SHA256 == o.SHA256 {
		// The first try took effect, and its answer was lost.
		return have, false, nil
	}
	write, err := c.Decide(o.SHA256, have, exists)
	switch {
	case err != nil:
		return Info{}, false, err
	case c.kind == ifAbsent && !write:
		return have, false, o.Copy(ctx, io.Discard)
	case c.kind == ifMatch && !write:
		return Info{}, false, fmt.Errorf("the server has another version than %q: %w", c.etag, ErrConflict)
	default:
		// What was in the way is gone, or still on its way.
		return Info{}, true, fmt.Errorf("other requests for it are under way: %w", ErrConflict)
	}
}

// putWithout is putAfterLook for a put that was refused because of one of its
// headers. If it goes in, it was that of the condition.
func (b *S3) putWithout(ctx context.Context, name string, o Object, c Condition) (Info, error) {
	before := b.checksums.found.Load()
	info, err := b.putAfterLook(ctx, name, o, c)
	other := b.checksums.found.Load() != before
	if err == nil && !other && b.conditions.state.Load() == conditionsUnknown {
		b.lackConditions(noHeaders)
	}
	return info, err
}

// putAfterLook looks and then puts, in place of a server's condition.
func (b *S3) putAfterLook(ctx context.Context, name string, o Object, c Condition) (Info, error) {
	lock := &b.conditions.locks[maphash.String(b.conditions.seed, name)%uint64(len(b.conditions.locks))]
	lock.Lock()
	defer lock.Unlock()
	have, write, err := b.look(ctx, name, o, c)
	if err != nil || !write {
		return have, err
	}
	info, _, err := b.write(ctx, name, o, Always())
	return info, err
}

// look decides by the object in place what a put of o has to do. If nothing is
// to be written, have is what is in place and the body was compared with it.
func (b *S3) look(ctx context.Context, name string, o Object, c Condition) (have Info, write bool, err error) {
	have, err = b.head(ctx, name)
	exists := !errors.Is(err, fs.ErrNotExist)
	if exists && err != nil {
		return Info{}, false, err
	}
	if write, err = c.Decide(o.SHA256, have, exists); err != nil || write {
		return Info{}, write, err
	}
	return have, false, o.Copy(ctx, io.Discard)
}

// unmet tells whether the server found c not to hold.
func unmet(err error, c Condition) bool {
	if err == nil || c.kind == always {
		return false
	}
	status, _, _ := answer(err)
	return status == http.StatusPreconditionFailed || status == http.StatusConflict ||
		c.kind == ifMatch && missing(err)
}

// refused tells whether the server does not know a header of the request.
func refused(err error) bool {
	status, code, message := answer(err)
	if status == http.StatusNotImplemented || code == "NotImplemented" {
		return true
	}
	return status == http.StatusBadRequest && (code == "InvalidArgument" || code == "InvalidRequest") &&
		mentions(message, "checksum", "if-none-match", "if-match", "condition")
}

func mentions(message string, words ...string) bool {
	message = strings.ToLower(message)
	for _, word := range words {
		if strings.Contains(message, word) {
			return true
		}
	}
	return false
}
