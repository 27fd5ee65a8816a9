package s3

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
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

// putIf stores o under name if c, which is not Always, holds.
func (b *Bucket) putIf(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	if b.conditions.state.Load() == conditionsUnknown {
		select {
		case b.conditions.turn <- struct{}{}:
			defer func() { <-b.conditions.turn }()
		case <-ctx.Done():
			return bucket.Info{}, ctx.Err()
		}
	}
	if b.conditions.state.Load() == conditionsLacking || strings.HasPrefix(c.ETag(), noETag) {
		return b.putAfterLook(ctx, name, o, c)
	}
	if b.full && c == bucket.IfAbsent() || o.Size-o.Base.Length > b.part {
		// Before much is sent in vain.
		if have, write, err := b.decide(ctx, name, o, c); err != nil || !write {
			return have, err
		}
	}
	info, err := b.putUntilClear(ctx, name, o, c)
	if refusesHeader(err) {
		if info, err = b.putAfterLook(ctx, name, o, c); err == nil {
			b.lackConditions("has neither If-None-Match nor If-Match")
		}
		return info, err
	}
	if errors.As(err, new(*bucket.Unmet)) {
		b.conditions.state.CompareAndSwap(conditionsUnknown, conditionsKept)
	}
	if err != nil || b.conditions.state.Load() != conditionsUnknown {
		return info, err
	}
	return b.learn(ctx, name, o, c, info)
}

// learn finds out, after the first conditional put to a server, whether it keeps
// conditions. Some take the header and do not heed it; so what was put under a
// condition that cannot hold any more is put once more, and has to be refused.
// That changes nothing.
func (b *Bucket) learn(ctx context.Context, name string, o bucket.Object, c bucket.Condition, info bucket.Info) (bucket.Info, error) {
	if o.Size > b.part || o.Base.Length > 0 || info.ETag == c.ETag() {
		return info, nil
	}
	again, err := b.write(ctx, name, o, c)
	status, _, _ := answer(err)
	switch {
	case err == nil:
		b.lackConditions("ignores If-None-Match and If-Match")
		return again, nil
	case status == http.StatusPreconditionFailed:
		b.conditions.state.Store(conditionsKept)
	}
	return info, nil // what was asked for is done; the next put may learn more
}

func (b *Bucket) lackConditions(how string) {
	if b.conditions.state.Swap(conditionsLacking) != conditionsLacking {
		b.notify(fmt.Sprintf("%s: the server %s; instead, each object is looked up before it is put, "+
			"so make sure that only one run at a time writes there", b, how))
	}
}

// putAfterLook looks and then puts, in place of a server's condition.
func (b *Bucket) putAfterLook(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	lock := &b.conditions.locks[maphash.String(b.conditions.seed, name)%uint64(len(b.conditions.locks))]
	lock.Lock()
	defer lock.Unlock()
	have, write, err := b.decide(ctx, name, o, c)
	if err != nil || !write {
		return have, err
	}
	return b.putUntilClear(ctx, name, o, bucket.Always())
}

// refusesHeader tells whether the server does not know a header of the request.
func refusesHeader(err error) bool {
	status, code, message := answer(err)
	return status == http.StatusNotImplemented || code == "NotImplemented" ||
		status == http.StatusBadRequest && (code == "InvalidArgument" || code == "InvalidRequest") &&
			mentions(message, "if-none-match", "if-match", "condition")
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
