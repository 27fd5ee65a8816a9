package allcabal

import (
	"cmp"
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
	Index *hackage.Access
	// Tail is the index from the repository's position or before it.
	Tail *index.Delta
	// Seen names the metadata that vouches for the index.
	Seen state.Seen
	// Outcome returns what became of a tarball that Wants asked for, and
	// whether it was asked for at all.
	Outcome func(index.Release) (state.Outcome, bool, error)
	// Deprecated is upstream's deprecated.json; nil leaves the file alone.
	Deprecated []byte
	// Selected reports whether a package is mirrored, Packages is how the option
	// spells the selection.
	Selected func(pkg string) bool
	Packages string
	// Done is called for each entry behind the position that was dealt with.
	Done func()
}

// A plan says what the replay of the index does with each release that is not
// simply there already.
type plan struct {
	// noRecord are the wanted releases whose record is not to be written: it is there
	// already, or the tarball could not be downloaded. The others would take more
	// memory in a first run.
	noRecord map[index.Release]bool
	// withheld are the releases that must not be listed yet.
	withheld map[index.Release]bool
	// unblocked are releases of the ledger that can be listed now and whose only .cabal
	// file from before the position was read, or is in the tree.
	unblocked []unblocked
	// reread are those with several, or with a number that the ledger does not say:
	// their entries are read again from the start of the index.
	reread map[index.Release]bool
	// next is the state after the run.
	next state.State
}

// An unblocked release was pending and can be listed now. Its content, the .cabal file,
// is nil if the tree holds that already, so that only its record is to be written.
type unblocked struct {
	release index.Release
	content []byte
}

// plan decides what is done with each release.
func (d *Repository) plan(ctx context.Context, in Input) (*plan, error) {
	p := &plan{
		noRecord: map[index.Release]bool{},
		withheld: map[index.Release]bool{},
		reread:   map[index.Release]bool{},
		next: state.State{
			Position: in.Tail.To, Seen: in.Seen, Packages: in.Packages, Ledger: state.Ledger{},
			Kind: d.kind(), Branch: d.o.Branch, Alarms: d.alarms,
		},
	}
	if !d.o.Hashes {
		return p, d.lookUp(ctx, in, nil)
	}
	wants := d.state.Wants(in.Tail, state.Rotation{})
	if err := d.lookUp(ctx, in, wants); err != nil {
		return nil, err
	}
	for _, w := range wants {
		if err := d.planWanted(ctx, p, in, w); err != nil {
			return nil, err
		}
	}
	for _, r := range in.Tail.Order {
		if err := d.planUnsigned(ctx, p, in, r); err != nil {
			return nil, err
		}
	}
	for r, pending := range d.state.Ledger {
		if in.Tail.Changes[r] == nil && !d.wanted(in, r) {
			p.next.Ledger[r] = pending
			p.withheld[r] = true
		}
	}
	return p, nil
}

// wanted reports whether a release is among state.State.Wants.
func (d *Repository) wanted(in Input, r index.Release) bool {
	news := in.Tail.Changes[r]
	return news != nil && news.TargetOffset >= d.state.Position.Length || d.state.Ledger[r].Target != (index.Target{})
}

// planWanted decides about a release whose tarball was wanted.
func (d *Repository) planWanted(ctx context.Context, p *plan, in Input, w state.Want) error {
	outcome, matches, err := d.outcome(ctx, in, w)
	if matches || err != nil {
		p.noRecord[w.Release] = true
		return err
	}
	news, pending := in.Tail.Changes[w.Release], d.state.Ledger[w.Release]
	newCabal := news != nil && news.Cabals > 0
	if outcome.Err == nil && !newCabal && pending.Cabal == (index.Span{}) && !d.listed(w.Release) {
		outcome.Err = fmt.Errorf("no .cabal file in the index: %w", state.ErrMissing)
	}
	if outcome.Err != nil {
		p.noRecord[w.Release] = true
		return d.withhold(ctx, p, in, w.Release, state.Record{Reason: state.ReasonOf(outcome.Err), Target: w.Target})
	}
	switch {
	case pending.Cabal != (index.Span{}) && !d.listed(w.Release) && pending.Revisions != 1:
		p.reread[w.Release] = true // so that every revision of a release that is listed is in the history
	case pending.Cabal != (index.Span{}) && !d.listed(w.Release):
		content, err := ledgerCabal(ctx, in.Index, w.Release, pending)
		if err != nil {
			return err
		}
		p.unblocked = append(p.unblocked, unblocked{w.Release, content})
	case w.Retried && !newCabal:
		p.unblocked = append(p.unblocked, unblocked{release: w.Release})
	}
	return nil
}

// outcome returns what became of a wanted tarball, and whether the record that
// the tree has is to stay.
func (d *Repository) outcome(ctx context.Context, in Input, w state.Want) (state.Outcome, bool, error) {
	matches := d.recordMatches(w.Release)
	if matches && !d.full {
		return state.Outcome{}, true, nil
	}
	outcome, ok, err := in.Outcome(w.Release)
	switch {
	case err != nil:
		return outcome, false, err
	case !ok:
		return outcome, false, fmt.Errorf("plan %q: tarball of %q was not asked for", d, w.Release)
	case outcome.Err != nil:
		return outcome, matches, nil // of a record that matches nothing else is known
	case outcome.Digests.SHA256 != w.Target.SHA256:
		return outcome, false, fmt.Errorf("plan %q: tarball of %q is not the signed one", d, w.Release)
	case !matches:
		return outcome, false, nil
	}
	record, ok, err := d.readRecord(ctx, w.Release)
	return outcome, ok && record.Agrees(w.Release, outcome.Digests), err
}

// planUnsigned withholds a release for which the index has no package.json,
// unless an older tool listed it all the same.
func (d *Repository) planUnsigned(ctx context.Context, p *plan, in Input, r index.Release) error {
	news := in.Tail.Changes[r]
	if d.wanted(in, r) || news.LastCabal.Offset < d.state.Position.Length || news.Cabals == 0 {
		return nil
	}
	pending, ok := d.state.Ledger[r]
	if !ok && d.listed(r) {
		return nil
	}
	pending.Reason = cmp.Or(pending.Reason, state.Unsigned)
	return d.withhold(ctx, p, in, r, pending)
}

// withhold enters a release in the next ledger, with the offset of its newest
// .cabal file and how many there are. One that is listed already, because its
// tarball was replaced, stays listed with its old record.
func (d *Repository) withhold(ctx context.Context, p *plan, in Input, r index.Release, pending state.Record) error {
	before, ok := d.state.Ledger[r]
	if ok {
		p.next.Ledger[r] = before
		pending.Cabal, pending.CabalSHA256, pending.Revisions = before.Cabal, before.CabalSHA256, before.Revisions
	}
	if news := in.Tail.Changes[r]; news != nil && news.Cabals > 0 {
		content, err := cabalAt(ctx, in.Index, r, news.LastCabal)
		if err != nil {
			return err
		}
		if before.Cabal == (index.Span{}) || before.Revisions > 0 {
			pending.Revisions += int64(news.Cabals)
		}
		pending.Cabal, pending.CabalSHA256 = news.LastCabal, sha256.Sum256(content)
	}
	p.next.Ledger.Add(r, pending, d.o.Now())
	p.withheld[r] = !d.listed(r)
	return nil
}

// ledgerCabal reads the .cabal file that a ledger line points to. A line that points to
// anything else was not written by a run: state.ErrForm. What is read from before the
// fetched part of the index is not verified, so a line is refused only after the whole
// index was fetched.
func ledgerCabal(ctx context.Context, ix *hackage.Access, r index.Release, pending state.Record) ([]byte, error) {
	content, err := cabalAt(ctx, ix, r, pending.Cabal)
	if err == nil && sha256.Sum256(content) != pending.CabalSHA256 {
		err = fmt.Errorf("read .cabal file of owed release %q: it is not what the ledger says: %w", r, state.ErrForm)
	}
	if !errors.Is(err, state.ErrForm) {
		return content, err
	}
	whole, wholeErr := ix.Full(ctx)
	if wholeErr != nil {
		return nil, wholeErr
	}
	if whole == ix {
		return nil, err
	}
	return ledgerCabal(ctx, whole, r, pending)
}

// cabalAt reads a release's .cabal file at an offset of the index. The entry's
// own name must agree, because the offset may come from a ledger.
func cabalAt(ctx context.Context, ix *hackage.Access, r index.Release, span index.Span) ([]byte, error) {
	e, err := ix.Entry(ctx, span)
	if errors.Is(err, index.ErrNoEntry) {
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
