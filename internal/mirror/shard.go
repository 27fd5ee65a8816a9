package mirror

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A Shard is one of several jobs that fill a bucket for the first time side by
// side. Each has the releases whose names fall to it and keeps a state of its
// own; none publishes. Afterwards a job without a share gathers their states and
// goes on from there.
type Shard struct {
	Number, Of int // 1 to Of; Number 0 is the whole
}

// stateKey is where a shard keeps its state.
func (s Shard) stateKey() string {
	if s.Number == 0 {
		return StateKey
	}
	return fmt.Sprintf("hackage-mirror.shard-%d-of-%d.json", s.Number, s.Of)
}

// has reports whether a release falls to the shard.
func (s Shard) has(r index.Release) bool {
	if s.Number == 0 {
		return true
	}
	h := fnv.New32a()
	h.Write([]byte(r.String()))
	return int(h.Sum32()%uint32(s.Of)) == s.Number-1
}

// Gather resumes the bucket where the shards of a number left it: at the
// position that all of them have reached, with what is pending in any of them. It is
// called after Load.
func (b *Bucket) Gather(ctx context.Context, of int) (state.State, error) {
	var least state.State
	pending := state.Ledger{}
	for number := 1; number <= of; number++ {
		s := Shard{Number: number, Of: of}
		there, err := b.readState(ctx, s.stateKey())
		if err != nil {
			return b.state, fmt.Errorf("gather shard %d of %d: %w", number, of, err)
		}
		if number == 1 || there.State.Position.Length < least.Position.Length {
			least = there.State
		}
		maps.Copy(pending, there.State.Ledger)
	}
	if least.Position.Length > b.state.Position.Length {
		gathered := b.state
		gathered.Position, gathered.Packages, gathered.Ledger = least.Position, least.Packages, pending
		b.resume(gathered)
	}
	return b.state, nil
}
