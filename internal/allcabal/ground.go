package allcabal

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A ground is what the next commit is built on: the newest commit that is known
// to be ours, or that was adopted.
type ground struct {
	commit  string   // "" for an empty branch
	line    string   // the commit that says how far the index was read
	parents []string // of the next commit

	// first and last are the ends of what somebody else committed above it,
	// foreign is how many commits that are.
	first, last string
	foreign     int
	undone      []gitrepo.Change // what of that is put back
	kept        []gitrepo.Change // what the owner wants to keep of it
}

// standing is the ground of a commit with nothing above it.
func standing(commit string) ground {
	if commit == "" {
		return ground{}
	}
	return ground{commit: commit, line: commit, parents: []string{commit}}
}

// maxForeign is how many commits are looked through for one of ours.
const maxForeign = 5_000

// findGround finds out what the branch may be built on. tagged is the commit of
// the tag, "" if there is no tag.
func (d *Repository) findGround(ctx context.Context, tagged string) error {
	d.ground = standing(d.head)
	switch {
	case d.o.Adopt && d.head != "":
		d.alarm = state.Alarm{} // acknowledged
		d.Forget("adopt was asked for")
		return nil
	case d.owner == ours && d.head == "":
		d.ground, d.due = standing(tagged), "the branch is gone"
		return nil
	case d.owner != ours && d.head == "":
		return nil
	case d.owner == ours && d.head == tagged:
		return nil
	case d.owner == ours:
		return d.leave(ctx, tagged)
	}
	return d.findOurs(ctx)
}

// leave finds the ground of a branch that is not where our tag is.
func (d *Repository) leave(ctx context.Context, tagged string) error {
	above, found, err := d.walk(ctx, d.head, tagged)
	if err != nil {
		return err
	}
	if found {
		return d.climb(ctx, tagged, above)
	}
	back, err := d.o.Repo.Ancestor(ctx, d.head, tagged, maxForeign)
	switch {
	case err != nil:
		return fmt.Errorf("read history: %w", err)
	case back:
		d.ground, d.due = standing(tagged), "the branch was set back"
		return nil
	}
	// Another history, or one with a merge: ours must not be lost from it.
	return d.undo(ctx, tagged, above, tagged)
}

// walk returns the first parents of a commit, the newest first, up to another
// commit, and whether that one was found.
func (d *Repository) walk(ctx context.Context, from, until string) (above []link, found bool, err error) {
	next := from
	for c, err := range d.o.Repo.History(ctx, from, until, maxForeign) {
		if err != nil {
			return nil, false, fmt.Errorf("read history: %w", err)
		}
		above = append(above, link{id: c.ID, ours: d.isOurs(c)})
		if next = ""; len(c.Parents) > 0 {
			next = c.Parents[0]
		}
	}
	return above, next == until, nil
}

// isOurs reports whether we signed a commit.
func (d *Repository) isOurs(c gitrepo.Commit) bool {
	return d.verify(c.Signed, c.Signature) == nil
}

// A link is a commit of a chain, and whether we signed it.
type link struct {
	id   string
	ours bool
}

// climb goes on from the last of the commits above the tag that are ours without
// a gap. There are some when a run was killed between branch and tag.
func (d *Repository) climb(ctx context.Context, tagged string, above []link) error {
	base := tagged
	for len(above) > 0 && above[len(above)-1].ours {
		base, above = above[len(above)-1].id, above[:len(above)-1]
	}
	d.ahead = base != tagged
	if d.ahead {
		d.due = "the tag is behind the branch"
	}
	if len(above) == 0 {
		d.ground = standing(base)
		return nil
	}
	return d.undo(ctx, base, above)
}

// findOurs looks for a commit of ours below the head of a branch whose tag is not
// ours: what is above it, somebody else put there when the tag was gone.
func (d *Repository) findOurs(ctx context.Context) error {
	d.Forget(d.whyAdopted())
	if d.o.Keys == nil {
		return nil
	}
	var above []link
	for c, err := range d.o.Repo.History(ctx, d.head, "", maxForeign) {
		switch {
		case err != nil:
			return fmt.Errorf("read history: %w", err)
		case !d.isOurs(c):
			above = append(above, link{id: c.ID})
			continue
		}
		if d.known = true; len(above) == 0 {
			return nil
		}
		return d.undo(ctx, c.ID, above)
	}
	return nil
}

// whyAdopted says why the whole index is needed.
func (d *Repository) whyAdopted() string {
	if d.edited {
		return fmt.Sprintf("tag %q is not as it was signed", d.o.Tag)
	}
	if d.owner == theirs {
		return fmt.Sprintf("tag %q is one of an older tool and says no position", d.o.Tag)
	}
	return fmt.Sprintf("it has no tag %q", d.o.Tag)
}

// undo sets the ground below what somebody else committed. Its changes to data
// are put back, and to other files unless the owner keeps them. The commit that
// does so has the head as its parent, and others if the head does not lead there.
func (d *Repository) undo(ctx context.Context, base string, above []link, others ...string) error {
	g := ground{commit: base, line: base, parents: append([]string{d.head}, others...), last: d.head, foreign: len(above)}
	g.first = above[len(above)-1].id
	for change, err := range d.o.Repo.Diff(ctx, base, d.head) {
		if err != nil {
			return fmt.Errorf("compare %s with %s: %w", d.head, base, err)
		}
		if d.keeps(change) {
			g.kept = append(g.kept, change)
		} else {
			g.undone = append(g.undone, change)
		}
	}
	if err := d.dropFolders(ctx, &g); err != nil {
		return err
	}
	if len(g.undone) == 0 {
		// The tree is the ground's with what the owner keeps.
		g.commit, g.parents = d.head, []string{d.head}
	} else {
		d.due = "somebody else committed to the branch"
		d.alarm = state.Alarm{Commit: g.first, Since: d.o.Now().UTC()}
	}
	d.ground = g
	return d.needUndone(ctx)
}

// dropFolders keeps nothing that would take the place of a folder of the ground:
// the name of a file may be that of a package.
func (d *Repository) dropFolders(ctx context.Context, g *ground) error {
	var paths []string
	for _, change := range g.kept {
		paths = append(paths, change.Path)
	}
	found, err := d.o.Repo.Find(ctx, g.commit, paths...)
	if err != nil {
		return fmt.Errorf("look up what is kept: %w", err)
	}
	kept := g.kept
	g.kept = nil
	for i, change := range kept {
		if found[i].Mode == gitrepo.ModeFolder {
			g.undone = append(g.undone, change)
		} else {
			g.kept = append(g.kept, change)
		}
	}
	return nil
}

// needUndone brings the files that are put back: git sends along what the commit
// before does not have.
func (d *Repository) needUndone(ctx context.Context) error {
	var ids []string
	for _, change := range d.ground.undone {
		if change.OldID != "" && change.OldMode != gitrepo.ModeCommit {
			ids = append(ids, change.OldID)
		}
	}
	if err := d.o.Repo.Need(ctx, ids...); err != nil {
		return fmt.Errorf("fetch what is put back: %w", err)
	}
	return nil
}

// isData reports whether a path is one of those that readers take for data: all
// below a folder of the root, but for folders with a dot, and deprecated.json.
func isData(path string) bool {
	_, _, nested := strings.Cut(path, "/")
	return nested && !strings.HasPrefix(path, ".") || path == deprecatedPath
}

// keeps reports whether a change of somebody else's stays: one of a plain file
// that is no data, or its removal, if a pattern names the file or a folder above
// it.
func (d *Repository) keeps(change gitrepo.Change) bool {
	if isData(change.Path) || gitrepo.CheckPath(change.Path) != nil || change.NewID != "" && change.NewMode != "100644" && change.NewMode != "100755" {
		return false
	}
	for name := change.Path; name != "."; name = path.Dir(name) {
		for _, pattern := range d.o.Keep {
			if ok, err := path.Match(strings.TrimSuffix(pattern, "/"), name); ok && err == nil {
				return true
			}
		}
	}
	return false
}

// CheckKeep refuses a pattern that could never keep anything.
func CheckKeep(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("read pattern %q: %w", pattern, err)
	}
	if plain := strings.TrimSuffix(pattern, "/"); isData(plain) || plain != pattern && !strings.HasPrefix(plain, ".") {
		return fmt.Errorf("pattern %q names data, which only the mirror writes; files of the root, and folders that begin with a dot, can be kept", pattern)
	}
	return nil
}
