package allcabal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A base is what the next commit is built on: the newest commit that is known
// to be ours, or that was adopted.
type base struct {
	commit  string   // "" for an empty branch
	dated   string   // the commit whose subject says how far the index was read
	parents []string // of the next commit

	// foreign are the commits of somebody else above it, the newest first.
	foreign []string
	undo    bool             // they are undone, and not only skipped
	undone  []gitpack.Change // what of them is undone
	kept    []gitpack.Change // what the owner wants to keep of them
}

// first returns the oldest foreign commit, "" if there is none.
func (b base) first() string {
	if len(b.foreign) == 0 {
		return ""
	}
	return b.foreign[len(b.foreign)-1]
}

// baseAt is the base of a commit with nothing above it.
func baseAt(commit string) base {
	if commit == "" {
		return base{}
	}
	return base{commit: commit, dated: commit, parents: []string{commit}}
}

// findBase finds out what the branch may be built on. tagged is the commit of
// the tag, "" if there is no tag.
func (d *Repository) findBase(ctx context.Context, tagged string) error {
	d.base = baseAt(d.head)
	switch {
	case d.o.Adopt && d.head != "":
		d.alarms = nil // acknowledged
		d.Forget("adopt was asked for")
		return nil
	case d.owner == ours && d.head == "":
		d.base, d.whyPush = baseAt(tagged), "the branch no longer exists"
		return nil
	case d.head == "", d.owner == ours && d.head == tagged:
		return nil
	case d.owner == ours:
		return d.baseNearTag(ctx, tagged)
	}
	return d.baseWithoutTag(ctx)
}

// baseNearTag finds the base of a branch that is not where our tag is. As a rule few
// commits lie between, so all of the history is looked through only if they are
// not found among those.
func (d *Repository) baseNearTag(ctx context.Context, tagged string) error {
	var above []ancestor
	for _, most := range []int{500, math.MaxInt32} {
		var found bool
		var err error
		if above, found, err = d.ancestors(ctx, d.head, tagged, most); err != nil {
			return err
		}
		if found {
			return d.baseAboveTag(ctx, tagged, above)
		}
		back, err := d.o.Repo.IsAncestor(ctx, d.head, tagged, most)
		if err != nil {
			return fmt.Errorf("read history: %w", err)
		}
		if back {
			d.base, d.whyPush = baseAt(tagged), "the branch was set back"
			return nil
		}
	}
	// Another history, or one with a merge: ours must not be lost from it.
	foreign, _ := splitAtOurs(above)
	if len(foreign) == 0 {
		foreign = []string{d.head} // ours, and of another branch or repository
	}
	return d.undoForeign(ctx, tagged, foreign, tagged)
}

// An ancestor is a commit, or its first parent, or that one's, and so on.
type ancestor struct {
	id   string
	ours bool      // we signed it
	when time.Time // of its committer
}

// ancestors returns a commit and its first parents, the newest first, up to another
// commit, and whether that one was found.
func (d *Repository) ancestors(ctx context.Context, from, until string, most int) (list []ancestor, found bool, err error) {
	next := from
	for c, err := range d.o.Repo.History(ctx, from, until, most) {
		if err != nil {
			return nil, false, fmt.Errorf("read history: %w", err)
		}
		list = append(list, d.ancestor(c))
		if next = ""; len(c.Parents) > 0 {
			next = c.Parents[0]
		}
	}
	return list, next == until, nil
}

// ancestor looks whose a commit is. One of the branch display is signed by us too, but
// has no line.
func (d *Repository) ancestor(c gitpack.Commit) ancestor {
	_, err := d.verify(c.Signed, c.Signature)
	return ancestor{id: c.ID, ours: hasSubject(c.Message) && err == nil, when: c.CommitterWhen}
}

// splitAtOurs divides a history at the newest commit of ours. What is above it is
// somebody else's; what is below it, the run had before it that signed it.
func splitAtOurs(list []ancestor) (foreign []string, rest []ancestor) {
	for i, c := range list {
		if c.ours {
			return foreign, list[i:]
		}
		foreign = append(foreign, c.id)
	}
	return foreign, nil
}

// baseAboveTag goes on from the newest commit of ours above the tag. There is one when
// a run was killed between branch and tag, or the host took the one and not the
// other. What that run undid was then never told.
func (d *Repository) baseAboveTag(ctx context.Context, tagged string, above []ancestor) error {
	foreign, rest := splitAtOurs(above)
	d.alarmUndone(rest, func(ancestor) time.Time { return d.o.Now() })
	commit := tagged
	if len(rest) > 0 {
		commit, d.pastTag, d.whyPush = rest[0].id, true, "the tag is behind the branch"
	}
	if len(foreign) == 0 {
		d.base = baseAt(commit)
		return nil
	}
	return d.undoForeign(ctx, commit, foreign)
}

// alarmUndone raises an alarm for each row of foreign commits in a history that
// begins with one of ours. since is told the commit of ours above the row; without
// a time there is no alarm.
func (d *Repository) alarmUndone(list []ancestor, since func(above ancestor) time.Time) {
	var above ancestor
	for i, c := range list {
		last := i+1 == len(list) || list[i+1].ours
		if c.ours {
			above = c
		} else if when := since(above); last && !when.IsZero() {
			d.raise(c.id, when)
		}
	}
}

// baseWithoutTag looks for a commit of ours below the head of a branch whose tag is
// not ours: what is above it, somebody else put there when the tag was gone. Alarms
// that went with the tag are found by the commits that undid what they told of.
func (d *Repository) baseWithoutTag(ctx context.Context) error {
	d.Forget(d.whyAdopt())
	if d.o.Keys == nil {
		return nil
	}
	if d.o.Keys.Awaits() {
		if err := d.learnKeys(ctx); err != nil {
			return err
		}
	}
	list, err := d.recentAncestors(ctx)
	if err != nil {
		return err
	}
	foreign, rest := splitAtOurs(list)
	if d.signedByUs = len(rest) > 0; !d.signedByUs {
		d.notifySigner(ctx)
		return nil
	}
	d.alarmUndone(rest, func(above ancestor) time.Time { return d.ifStanding(above.when) })
	if len(foreign) == 0 {
		return nil
	}
	return d.undoForeign(ctx, rest[0].id, foreign)
}

// recentAncestors goes down from the head until a commit of ours is older than any
// alarm can be. What is below our oldest commit, older tools made.
func (d *Repository) recentAncestors(ctx context.Context) (list []ancestor, err error) {
	end := -1 // behind our oldest commit, if there is any
	for c, err := range d.o.Repo.History(ctx, d.head, "", math.MaxInt32) {
		if err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
		a := d.ancestor(c)
		list = append(list, a)
		if a.ours {
			end = len(list)
		}
		if a.ours && d.ifStanding(a.when).IsZero() {
			break
		}
	}
	if end >= 0 {
		list = list[:end]
	}
	return list, nil
}

// ifStanding returns a time, or none if an alarm of then no longer stands.
func (d *Repository) ifStanding(when time.Time) time.Time {
	if len(state.Standing([]state.Alarm{{Since: when}}, d.o.Now())) == 0 {
		return time.Time{}
	}
	return when
}

// notifySigner names the key by which the head of a branch that is adopted was
// signed: it may be a former one of this mirror.
func (d *Repository) notifySigner(ctx context.Context) {
	c, err := d.o.Repo.ReadCommit(ctx, d.head)
	if err != nil || c.Signature == "" {
		return
	}
	_, err = d.verify(c.Signed, c.Signature)
	if unknown := (*openpgp.UnknownKeyError)(nil); errors.As(err, &unknown) {
		d.notify("its newest commit is signed by key %s, which does not belong to this mirror; if it is a former key, name it with the option trusted-keys", unknown.Issuer)
	}
}

// whyAdopt says why the whole index is needed.
func (d *Repository) whyAdopt() string {
	switch d.owner {
	case edited:
		return fmt.Sprintf("tag %q was changed after it was signed", d.o.Tag)
	case olderTool:
		return fmt.Sprintf("tag %q is one of an older tool and has no position", d.o.Tag)
	}
	return fmt.Sprintf("it has no tag %q", d.o.Tag)
}
