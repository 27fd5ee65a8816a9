package allcabal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// Load reads the newest state of the remote. It is called again when the remote
// moved. It returns what a tag of ours says, for the metadata that must not be
// older; State is the start of the index where that is not to be built on.
//
// ErrTag and ErrKind refuse a remote that a run must not write to.
func (d *Repository) Load(ctx context.Context) (state.State, error) {
	d.reset()
	if err := d.fetchRefs(ctx); err != nil {
		return state.State{}, err
	}
	tagged, err := d.readTag(ctx)
	if err != nil {
		return state.State{}, err
	}
	read := d.state
	d.alarms = state.Standing(read.Alarms, d.o.Now())
	if err := d.findBase(ctx, tagged); err != nil {
		return state.State{}, err
	}
	if d.unreadable != "" && d.adopting == "" {
		d.Forget(d.unreadable)
	}
	if d.base.commit == "" {
		return read, nil
	}
	if d.lastTime, err = d.baseTime(ctx); err != nil {
		return state.State{}, err
	}
	return read, d.checkKind(ctx)
}

// reset forgets what an earlier Load found.
func (d *Repository) reset() {
	_ = d.prefetch.Wait() // it returns none
	*d = Repository{o: d.o, full: d.full, state: state.State{Ledger: state.Ledger{}}}
}

// Prefetch starts to fetch the folder that every update begins with. What goes wrong is
// for the update to meet, which waits for it; finish waits where none comes.
func (d *Repository) Prefetch(ctx context.Context) (finish func() error) {
	if commit := d.base.commit; commit != "" && d.adopting == "" {
		d.prefetch.Go(func() error {
			_, _ = d.o.Repo.ResolvePaths(ctx, commit, deprecatedPath) // which lies at the top
			return nil
		})
	}
	return d.prefetch.Wait
}

// fetchRefs fetches branch and tag. Mostly both are there, which one step shows; else
// the remote is asked what it has.
func (d *Repository) fetchRefs(ctx context.Context) error {
	branch, tag := d.refs()
	got, err := d.o.Repo.Fetch(ctx, branch, tag)
	if !errors.Is(err, fs.ErrNotExist) {
		d.head, d.tag = got[branch], got[tag]
		return err
	}
	refs, err := d.o.Repo.Refs(ctx)
	if err != nil {
		return err
	}
	d.head, d.tag, d.empty = refs[branch], refs[tag], true
	for ref := range refs {
		d.empty = d.empty && !strings.HasPrefix(ref, "refs/heads/")
	}
	return d.refetch(ctx)
}

// refs returns the full names of branch and tag.
func (d *Repository) refs() (branch, tag string) {
	return "refs/heads/" + d.o.Branch, "refs/tags/" + d.o.Tag
}

// refetch fetches what was there of branch and tag.
func (d *Repository) refetch(ctx context.Context) error {
	branch, tag := d.refs()
	var wanted []string
	if d.head != "" {
		wanted = append(wanted, branch)
	}
	if d.tag != "" {
		wanted = append(wanted, tag)
	}
	got, err := d.o.Repo.Fetch(ctx, wanted...)
	if err != nil {
		return fmt.Errorf("fetch %q: %w", d, err)
	}
	d.head, d.tag = got[branch], got[tag]
	return nil
}

// Forget puts the repository back to the start of the index, keeping its tree
// and history: what it holds is compared with the whole index.
func (d *Repository) Forget(why string) {
	_ = d.prefetch.Wait() // it returns none
	d.state = state.State{Ledger: state.Ledger{}}
	d.adopting, d.tree, d.compared = "", nil, nil
	if d.base.commit != "" {
		d.adopting = why
	}
}

// Recompute is Forget that does not take the records for right because what can
// be known of them without the tarballs is: all tarballs are wanted.
func (d *Repository) Recompute(why string) {
	d.Forget(why)
	d.full = true
}

// checkKind makes sure that what has no tag of ours, or one which does not say so
// yet, is of the right repository.
func (d *Repository) checkKind(ctx context.Context) error {
	if d.adopting == "" && d.state.Kind != "" {
		return nil
	}
	if d.adopting == "" {
		d.whyPush = "its tag does not name the kind of repository yet"
	}
	return d.listTree(ctx)
}
