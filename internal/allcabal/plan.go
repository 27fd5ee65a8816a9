package allcabal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// An Input is what a run found out, once for all destinations.
type Input struct {
	Index *hackage.Index
	// Tail is the index from the repository's position or before it.
	Tail *index.Tail
	// Seen names the metadata that vouches for the index.
	Seen hackage.Seen
	// Outcome returns what became of a tarball that Wants asked for, and
	// whether it was asked for at all.
	Outcome func(index.Release) (state.Outcome, bool, error)
	// Deprecated is upstream's deprecated.json; nil leaves the file alone.
	Deprecated []byte
	// Take selects packages, Packages is how the option spells the selection.
	Take     func(pkg string) bool
	Packages string
	// Done is told how many entries were dealt with since the last call.
	Done func(entries int)
}

// A plan says what the replay of the index does with each release that is not
// simply there already.
type plan struct {
	// ready are the releases whose record is to be written.
	ready map[index.Release]bool
	// withheld are the releases that must not be listed yet.
	withheld map[index.Release]bool
	// late are owed releases that can be listed now and whose one .cabal file
	// from before the position was read, or is in the tree.
	late []lateCabal
	// early are those with several, or nobody knows how many: their entries
	// are read again from the start of the index.
	early map[index.Release]bool
	// next is the state after the run.
	next state.State
}

// A lateCabal is a .cabal file from before the position. It has no content if the
// tree holds the file already, so that only the release's record is late.
type lateCabal struct {
	release index.Release
	content []byte
}

// plan works out a plan.
func (d *Repository) plan(ctx context.Context, in Input) (*plan, error) {
	p := &plan{
		ready:    map[index.Release]bool{},
		withheld: map[index.Release]bool{},
		early:    map[index.Release]bool{},
		next: state.State{
			Position: in.Tail.To, Seen: in.Seen, Packages: in.Packages, Ledger: state.Ledger{},
			Kind: d.kind(), Branch: d.o.Branch, Alarms: d.alarms,
		},
	}
	if err := d.survey(ctx, in); err != nil {
		return nil, err
	}
	if !d.o.Hashes {
		return p, nil
	}
	for _, w := range d.state.Wants(in.Tail) {
		if err := d.planWanted(ctx, p, in, w); err != nil {
			return nil, err
		}
	}
	for _, r := range in.Tail.Order {
		if err := d.planUnsigned(ctx, p, in, r); err != nil {
			return nil, err
		}
	}
	for r, owed := range d.state.Ledger {
		if in.Tail.News[r] == nil && !d.wanted(in, r) {
			p.next.Ledger[r] = owed
			p.withheld[r] = true
		}
	}
	return p, nil
}

// wanted reports whether a release is among state.State.Wants.
func (d *Repository) wanted(in Input, r index.Release) bool {
	news := in.Tail.News[r]
	return news != nil && news.TargetOffset >= d.state.Position.Length || d.state.Ledger[r].Target != (index.Target{})
}

// planWanted decides over a release whose tarball was wanted.
func (d *Repository) planWanted(ctx context.Context, p *plan, in Input, w state.Want) error {
	outcome, fits, err := d.outcome(ctx, in, w)
	if fits || err != nil {
		return err
	}
	news, owed := in.Tail.News[w.Release], d.state.Ledger[w.Release]
	behind := news != nil && news.Cabals > 0
	if outcome.Err == nil && !behind && owed.Cabal == (index.Span{}) && !d.listed(w.Release) {
		outcome.Err = fmt.Errorf("no .cabal file in the index: %w", hackage.ErrMissing)
	}
	if outcome.Err != nil {
		return d.withhold(ctx, p, in, w.Release, state.Pending{Reason: state.ReasonOf(outcome.Err), Target: w.Target})
	}
	p.ready[w.Release] = true
	if owed.Cabal != (index.Span{}) && !d.listed(w.Release) {
		return d.planLate(ctx, p, in, w.Release, owed)
	}
	if w.Owed && !behind {
		p.late = append(p.late, lateCabal{release: w.Release})
	}
	return nil
}

// outcome returns what became of a wanted tarball, and whether the record that
// the tree has is to stay.
func (d *Repository) outcome(ctx context.Context, in Input, w state.Want) (state.Outcome, bool, error) {
	fits, err := !d.unfit[w.Release], error(nil)
	if d.judged != in.Tail {
		fits, err = d.fits(ctx, in.Tail, w)
	}
	if err != nil || fits && !d.full {
		return state.Outcome{}, fits, err
	}
	outcome, ok, err := in.Outcome(w.Release)
	switch {
	case err != nil:
		return outcome, false, err
	case !ok:
		return outcome, false, fmt.Errorf("plan %q: tarball of %q was not asked for", d, w.Release)
	case outcome.Err != nil:
		return outcome, fits, nil // of a record that fits nothing else is known
	case outcome.Digests.SHA256 != w.Target.SHA256:
		return outcome, false, fmt.Errorf("plan %q: tarball of %q is not the signed one", d, w.Release)
	case !fits:
		return outcome, false, nil
	}
	record, ok, err := d.readRecord(ctx, w.Release)
	return outcome, ok && record.Agrees(w.Release, outcome.Digests), err
}

// planLate has the .cabal entries from before the position brought, all of them,
// so that every revision of a release that is listed is in the history.
func (d *Repository) planLate(ctx context.Context, p *plan, in Input, r index.Release, owed state.Pending) error {
	if owed.Revisions != 1 {
		p.early[r] = true
		return nil
	}
	content, err := lateContent(ctx, in.Index, r, owed)
	if err != nil {
		return err
	}
	p.late = append(p.late, lateCabal{r, content})
	return nil
}

// planUnsigned withholds a release for which the index has no package.json,
// unless an older tool listed it all the same.
func (d *Repository) planUnsigned(ctx context.Context, p *plan, in Input, r index.Release) error {
	news := in.Tail.News[r]
	if d.wanted(in, r) || news.LastCabal.Offset < d.state.Position.Length || news.Cabals == 0 {
		return nil
	}
	if owed, ok := d.state.Ledger[r]; ok {
		return d.withhold(ctx, p, in, r, owed)
	}
	if d.listed(r) {
		return nil
	}
	return d.withhold(ctx, p, in, r, state.Pending{Reason: state.Unsigned})
}

// withhold enters a release in the next ledger, with the place of its newest
// .cabal file and how many there are. One that is listed already, because its
// tarball was replaced, stays listed with its old record.
func (d *Repository) withhold(ctx context.Context, p *plan, in Input, r index.Release, owed state.Pending) error {
	before, ok := d.state.Ledger[r]
	if ok {
		p.next.Ledger[r] = before
		owed.Cabal, owed.CabalSHA256, owed.Revisions = before.Cabal, before.CabalSHA256, before.Revisions
	}
	if news := in.Tail.News[r]; news != nil && news.Cabals > 0 {
		content, err := cabalAt(ctx, in.Index, r, news.LastCabal)
		if err != nil {
			return err
		}
		if before.Cabal == (index.Span{}) || before.Revisions > 0 {
			owed.Revisions += int64(news.Cabals)
		}
		owed.Cabal, owed.CabalSHA256 = news.LastCabal, sha256.Sum256(content)
	}
	p.next.Ledger.Owe(r, owed, d.o.Now())
	p.withheld[r] = !d.listed(r)
	return nil
}

// lateContent reads the .cabal file that a ledger line points to. What comes of a
// place before the fetched part of the index is not proven, so before a line is
// blamed the whole index is asked.
func lateContent(ctx context.Context, ix *hackage.Index, r index.Release, owed state.Pending) ([]byte, error) {
	content, err := owedCabal(ctx, ix, r, owed)
	if !errors.Is(err, state.ErrForm) {
		return content, err
	}
	whole, wholeErr := ix.Whole(ctx)
	if wholeErr != nil {
		return nil, wholeErr
	}
	if whole == ix {
		return nil, err
	}
	return owedCabal(ctx, whole, r, owed)
}

// owedCabal is lateContent by what the index says at first. A line that points
// elsewhere was not written by a run: state.ErrForm.
func owedCabal(ctx context.Context, ix *hackage.Index, r index.Release, owed state.Pending) ([]byte, error) {
	content, err := cabalAt(ctx, ix, r, owed.Cabal)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(content) != owed.CabalSHA256 {
		return nil, fmt.Errorf("read .cabal file of owed release %q: it is not what the ledger says: %w", r, state.ErrForm)
	}
	return content, nil
}

// cabalAt reads a release's .cabal file at a place of the index. The entry's
// own name must agree, because the place may come from a ledger.
func cabalAt(ctx context.Context, ix *hackage.Index, r index.Release, span index.Span) ([]byte, error) {
	e, err := ix.EntryAt(ctx, span)
	if errors.Is(err, hackage.ErrNoEntry) || errors.Is(err, hackage.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", err, state.ErrForm)
	}
	if err != nil {
		return nil, fmt.Errorf("read .cabal file of %q at %d: %w", r, span.Offset, err)
	}
	if e.Kind != index.Cabal || e.Release != r {
		return nil, fmt.Errorf("read .cabal file of %q at %d: another entry is there: %w", r, span.Offset, state.ErrForm)
	}
	return e.Content, nil
}
