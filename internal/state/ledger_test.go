package state_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

func TestOweKeepsWhenAReleaseWasFirstFoundWanting(t *testing.T) {
	t.Parallel()
	r := index.Release{Package: "a", Version: "1"}
	first := at("2026-11-01T00:00:00Z")
	l := state.Ledger{}
	l.Add(r, state.Record{Reason: state.Failed}, first.Add(300*time.Millisecond).In(time.FixedZone("", 3600)))
	if l[r].Since != first {
		t.Errorf("since %v, want %v", l[r].Since, first)
	}
	before := l[r]
	l.Add(r, state.Record{Reason: state.Failed}, first.Add(time.Hour))
	if l[r] != before {
		t.Errorf("nothing is new, but the line became %+v", l[r])
	}
	l.Add(r, state.Record{Reason: state.Mismatch}, first.Add(time.Hour))
	if l[r].Reason != state.Mismatch || l[r].Since != first {
		t.Errorf("the line became %+v", l[r])
	}
}

func TestLongMissingIsWithdrawn(t *testing.T) {
	t.Parallel()
	r := index.Release{Package: "a", Version: "1"}
	target := index.Target{Length: 1}
	const month = 30 * 24 * time.Hour
	for _, test := range []struct {
		pending state.Record
		after   time.Duration
		want    state.Reason
	}{
		{state.Record{Reason: state.Missing, Target: target}, month, state.Missing},
		{state.Record{Reason: state.Missing, Target: target}, month + time.Second, state.Withdrawn},
		{state.Record{Reason: state.Failed, Target: target}, 12 * month, state.Failed},
		{state.Record{Reason: state.Mismatch, Target: target}, 12 * month, state.Mismatch},
		// Without a tarball it is the .cabal file that is missing.
		{state.Record{Reason: state.Missing}, 12 * month, state.Missing},
		{state.Record{Reason: state.Unsigned}, 12 * month, state.Unsigned},
	} {
		first := at("2026-01-01T00:00:00Z")
		l := state.Ledger{}
		l.Add(r, test.pending, first)
		l.Add(r, test.pending, first.Add(test.after))
		if l[r].Reason != test.want {
			t.Errorf("%s for %s: %s, want %s", test.pending.Reason, test.after, l[r].Reason, test.want)
		}
	}
}

func TestWantsAreWhatIsNewAndWhatIsOwed(t *testing.T) {
	t.Parallel()
	release := func(name string) index.Release { return index.Release{Package: name, Version: "1"} }
	old, fresh := index.Target{Length: 1}, index.Target{Length: 2}
	s := state.State{Position: index.Position{Prefix: midstate.Prefix{Length: 1024}}, Ledger: state.Ledger{
		release("owed"):     {Reason: state.Missing, Target: old, Replaced: true},
		release("replaced"): {Reason: state.Mismatch, Target: old},
		release("bare"):     {Reason: state.Unsigned},
		release("revised"):  {Reason: state.Missing, Target: old},
	}}
	tail := &index.Delta{Changes: map[index.Release]*index.ReleaseChanges{
		release("new"):      {TargetOffset: 1024, Target: fresh},
		release("replaced"): {TargetOffset: 2048, Target: fresh, Replaced: true},
		release("revised"):  {TargetOffset: -1, Cabals: 1},
		release("before"):   {TargetOffset: 512, Target: old},
	}, Order: []index.Release{release("before"), release("new"), release("replaced"), release("revised")}}
	want := []state.Want{
		{Tarball: state.Tarball{Release: release("new"), Target: fresh}},
		{Tarball: state.Tarball{Release: release("replaced"), Target: fresh}, Replaced: true},
		{Tarball: state.Tarball{Release: release("owed"), Target: old}, Replaced: true, Retried: true},
		{Tarball: state.Tarball{Release: release("revised"), Target: old}, Retried: true},
	}
	if got := s.Wants(tail, state.Rotation{}); !slices.Equal(got, want) {
		t.Errorf("wants %+v\nwant  %+v", got, want)
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]state.Reason{
		state.ErrMissing: state.Missing, state.ErrWithdrawn: state.Withdrawn,
		state.ErrMismatch: state.Mismatch, errors.New("connection refused"): state.Failed,
	} {
		if got := state.ReasonOf(fmt.Errorf("fetch: %w", err)); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
	l := state.Ledger{{Package: "a", Version: "1"}: {Reason: state.Missing}, {Package: "b", Version: "1"}: {Reason: state.Mismatch}}
	if l.Count(state.Missing) != 1 || l.Count(state.Failed) != 0 {
		t.Errorf("%d missing, %d failed", l.Count(state.Missing), l.Count(state.Failed))
	}
}

// record changes a record of the ledger, which stays as long as it was.
func record(change func(*state.Record)) func(*state.State) {
	return func(s *state.State) {
		release := s.Ledger.Sorted()[0]
		r := s.Ledger[release]
		change(&r)
		s.Ledger[release] = r
	}
}

func TestEqualLooksAtWhatAReaderSees(t *testing.T) {
	t.Parallel()
	other := full()
	other.Seen = state.Seen{}
	if !full().Equal(other) {
		t.Error("metadata signed anew made another state")
	}
	for name, change := range map[string]func(*state.State){
		"position":  func(s *state.State) { s.Position.Midstate[0]++ },
		"selection": func(s *state.State) { s.Packages = "" },
		"ledger":    func(s *state.State) { delete(s.Ledger, index.Release{Package: "b", Version: "1"}) },
		"reason":    record(func(r *state.Record) { r.Reason = state.Unsigned }),
		"tarball":   record(func(r *state.Record) { r.Target.SHA256[0]++ }),
		"cabal":     record(func(r *state.Record) { r.CabalSHA256[0]++ }),
	} {
		other := full()
		change(&other)
		if full().Equal(other) {
			t.Errorf("another %s is the same state", name)
		}
	}
}
