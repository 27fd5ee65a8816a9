package s3

import (
	"context"
	"errors"
	"hash/crc32"
	"net/http"
	"regexp"
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
	// probing is held by the put that finds out the state.
	probing chan struct{}
	// locks stand in for what a server lacks, each for the names of one hash.
	locks [64]sync.Mutex
}

// acquire returns once o may be put under a condition, and holds what release gives
// back. Where it is not known whether the server keeps conditions, one put finds it
// out, of those that can, and the others wait for no more than that.
func (b *Bucket) acquire(ctx context.Context, o bucket.Object) (release func(), err error) {
	if b.conditions.state.Load() != conditionsUnknown || !b.canBePutTwice(o) {
		return func() {}, nil
	}
	select {
	case b.conditions.probing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release = sync.OnceFunc(func() { <-b.conditions.probing })
	if b.conditions.state.Load() != conditionsUnknown {
		release()
	}
	return release, nil
}

// canBePutTwice reports whether a put of o is small enough to be made twice.
func (b *Bucket) canBePutTwice(o bucket.Object) bool { return o.Size <= b.part && o.Base.IsZero() }

// learn finds out, after the first conditional put to a server, whether it keeps
// conditions. Some accept the header and do not heed it; so what was put under a
// condition that cannot hold any more is put once more, and has to be refused.
// That changes nothing.
func (b *Bucket) learn(ctx context.Context, name string, o bucket.Object, c bucket.Condition, info bucket.Info, err error) (bucket.Info, error) {
	if errors.As(err, new(*bucket.Unmet)) {
		b.conditions.state.CompareAndSwap(conditionsUnknown, conditionsKept)
	}
	if err != nil || !b.canBePutTwice(o) || info.ETag == c.ETag() || b.conditions.state.Load() != conditionsUnknown {
		return info, err
	}
	again, err := b.send(ctx, name, o, c)
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

// checkAndPut checks c and then puts, in place of a server's condition.
func (b *Bucket) checkAndPut(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	lock := &b.conditions.locks[crc32.ChecksumIEEE([]byte(name))%uint32(len(b.conditions.locks))]
	lock.Lock()
	defer lock.Unlock()
	info, write, err := b.decide(ctx, name, o, c)
	if err != nil || !write {
		return info, err
	}
	return b.write(ctx, name, o, bucket.Always())
}

func (b *Bucket) lackConditions(how string) {
	if b.conditions.state.Swap(conditionsLacking) != conditionsLacking {
		b.notify(b.String() + ": the server " + how + "; instead, each object is looked up before it is put, " +
			"so make sure that only one run at a time writes there")
	}
}

// refusesHeader tells whether the server does not know a header of the request.
func refusesHeader(err error) bool {
	status, code, message := answer(err)
	return status == http.StatusNotImplemented || code == "NotImplemented" ||
		status == http.StatusBadRequest && (code == "InvalidArgument" || code == "InvalidRequest") &&
			ofCondition.MatchString(message)
}

var ofCondition = regexp.MustCompile(`(?i)if-(none-)?match|condition`)
