package allcabal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A ground is what the next commit is built on: the newest commit that is known
// to be ours, or that was adopted.
type ground struct {
	commit  string   // "" for an empty branch
	line    string   // the commit that says how far the index was read
	parents []string // of the next commit

	// foreign are the commits of somebody else above it, the newest first.
	foreign []string
	undo    bool             // they are undone, and not only skipped
	undone  []gitrepo.Change // what of them is put back
	kept    []gitrepo.Change // what the owner wants to keep of them
}

// first returns the oldest foreign commit, "" if there is none.
func (g ground) first() string {
	if len(g.foreign) == 0 {
		return ""
	}
	return g.foreign[len(g.foreign)-1]
}

// standing is the ground of a commit with nothing above it.
func standing(commit string) ground {
	if commit == "" {
		return ground{}
	}
	return ground{commit: commit, line: commit, parents: []string{commit}}
}

// findGround finds out what the branch may be built on. tagged is the commit of
// the tag, "" if there is no tag.
func (d *Repository) findGround(ctx context.Context, tagged string) error {
	d.ground = standing(d.head)
	switch {
	case d.o.Adopt && d.head != "":
		d.alarms = nil // acknowledged
		d.Forget("adopt was asked for")
		return nil
	case d.owner == ours && d.head == "":
		d.ground, d.due = standing(tagged), "the branch no longer exists"
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

// leave finds the ground of a branch that is not where our tag is. As a rule few
// commits lie between, so all of the history is looked through only if they are
// not found among those.
func (d *Repository) leave(ctx context.Context, tagged string) error {
	var above []link
	for _, most := range []int{500, math.MaxInt32} {
		var found bool
		var err error
		if above, found, err = d.walk(ctx, d.head, tagged, most); err != nil {
			return err
		}
		if found {
			return d.climb(ctx, tagged, above)
		}
		back, err := d.o.Repo.Ancestor(ctx, d.head, tagged, most)
		if err != nil {
			return fmt.Errorf("read history: %w", err)
		}
		if back {
			d.ground, d.due = standing(tagged), "the branch was set back"
			return nil
		}
	}
	// Another history, or one with a merge: ours must not be lost from it.
	foreign, _ := part(above)
	if len(foreign) == 0 {
		foreign = []string{d.head} // ours, and of another branch or repository
	}
	return d.undo(ctx, tagged, foreign, tagged)
}

// A link is a commit of a chain of first parents.
type link struct {
	id   string
	ours bool      // we signed it
	when time.Time // of its committer
}

// walk returns the first parents of a commit, the newest first, up to another
// commit, and whether that one was found.
func (d *Repository) walk(ctx context.Context, from, until string, most int) (above []link, found bool, err error) {
	next := from
	for c, err := range d.o.Repo.History(ctx, from, until, most) {
		if err != nil {
			return nil, false, fmt.Errorf("read history: %w", err)
		}
		above = append(above, d.link(c))
		if next = ""; len(c.Parents) > 0 {
			next = c.Parents[0]
		}
	}
	return above, next == until, nil
}

// link looks whose a commit is. One of the branch display is signed by us too, but
// has no line.
func (d *Repository) link(c gitrepo.Commit) link {
	ours := hasLine(c.Message) && d.verify(c.Signed, c.Signature) == nil
	return link{id: c.ID, ours: ours, when: c.CommitterWhen}
}

// part divides a chain at the newest commit of ours. What is above it is somebody
// else's; what is below it, the run had before it that signed it.
func part(chain []link) (foreign []string, rest []link) {
	for i, l := range chain {
		if l.ours {
			return foreign, chain[i:]
		}
		foreign = append(foreign, l.id)
	}
	return foreign, nil
}

// climb goes on from the newest commit of ours above the tag. There is one when a
// run was killed between branch and tag, or the host took the one and not the
// other. What that run undid was then never told.
func (d *Repository) climb(ctx context.Context, tagged string, above []link) error {
	foreign, rest := part(above)
	d.raiseUndone(rest, func(link) time.Time { return d.o.Now() })
	base := tagged
	if len(rest) > 0 {
		base, d.ahead, d.due = rest[0].id, true, "the tag is behind the branch"
	}
	if len(foreign) == 0 {
		d.ground = standing(base)
		return nil
	}
	return d.undo(ctx, base, foreign)
}

// raiseUndone raises an alarm for each row of foreign commits in a chain that
// begins with one of ours. since is told the commit of ours above the row; without
// a time there is no alarm.
func (d *Repository) raiseUndone(chain []link, since func(above link) time.Time) {
	var above link
	for i, l := range chain {
		last := i+1 == len(chain) || chain[i+1].ours
		if l.ours {
			above = l
		} else if when := since(above); last && !when.IsZero() {
			d.raise(l.id, when)
		}
	}
}

// raise tells of foreign commits, of which the oldest is given.
func (d *Repository) raise(commit string, since time.Time) {
	d.alarms = state.Raise(d.alarms, state.Alarm{Commit: commit, Since: since.UTC()})
}

// findOurs looks for a commit of ours below the head of a branch whose tag is not
// ours: what is above it, somebody else put there when the tag was gone. Alarms
// that went with the tag are found by the commits that undid what they told of.
func (d *Repository) findOurs(ctx context.Context) error {
	d.Forget(d.whyAdopted())
	if d.o.Keys == nil {
		return nil
	}
	if d.o.Keys.Awaits() {
		if err := d.learn(ctx); err != nil {
			return err
		}
	}
	chain, err := d.recentChain(ctx)
	if err != nil {
		return err
	}
	foreign, rest := part(chain)
	if d.known = len(rest) > 0; !d.known {
		d.sayWhoSigned(ctx)
		return nil
	}
	d.raiseUndone(rest, func(above link) time.Time { return d.recent(above.when) })
	if len(foreign) == 0 {
		return nil
	}
	return d.undo(ctx, rest[0].id, foreign)
}

// recentChain walks down from the head until a commit of ours is older than any
// alarm can be. What is below our oldest commit, older tools made.
func (d *Repository) recentChain(ctx context.Context) (chain []link, err error) {
	end := -1 // behind our oldest commit, if there is any
	for c, err := range d.o.Repo.History(ctx, d.head, "", math.MaxInt32) {
		if err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
		l := d.link(c)
		chain = append(chain, l)
		if l.ours {
			end = len(chain)
		}
		if l.ours && d.recent(l.when).IsZero() {
			break
		}
	}
	if end >= 0 {
		chain = chain[:end]
	}
	return chain, nil
}

// recent returns a time, or none if an alarm of then no longer stands.
func (d *Repository) recent(when time.Time) time.Time {
	if len(state.Standing([]state.Alarm{{Since: when}}, d.o.Now())) == 0 {
		return time.Time{}
	}
	return when
}

// sayWhoSigned names the key by which the head of a branch that is adopted was
// signed: it may be a former one of this mirror.
func (d *Repository) sayWhoSigned(ctx context.Context) {
	c, err := d.o.Repo.ReadCommit(ctx, d.head)
	unknown := (*openpgp.UnknownKeyError)(nil)
	if err == nil && c.Signature != "" && errors.As(d.verify(c.Signed, c.Signature), &unknown) {
		d.notify("its newest commit is signed by key %s, which does not belong to this mirror; if it is a former key, name it with the option trusted-keys", unknown.Issuer)
	}
}

// whyAdopted says why the whole index is needed.
func (d *Repository) whyAdopted() string {
	if d.edited {
		return fmt.Sprintf("tag %q was changed after it was signed", d.o.Tag)
	}
	if d.owner == theirs {
		return fmt.Sprintf("tag %q is one of an older tool and has no position", d.o.Tag)
	}
	return fmt.Sprintf("it has no tag %q", d.o.Tag)
}

// undo sets the ground below what somebody else committed. Its changes to data
// are put back, and to other files unless the owner keeps them. The commit that
// does so has the head as its parent, and others if the head does not lead there.
// It is made also if nothing differs: the head is to be a commit of ours.
func (d *Repository) undo(ctx context.Context, base string, foreign []string, others ...string) error {
	g := ground{commit: base, line: base, parents: append([]string{d.head}, others...), foreign: foreign}
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
	welcome, err := d.welcome(ctx, g)
	if err != nil {
		return err
	}
	if welcome && len(others) == 0 {
		g.commit, g.parents = d.head, []string{d.head}
	} else {
		g.undo, d.due = true, "somebody else committed to the branch"
		if g.first() != "" {
			d.raise(g.first(), d.o.Now())
		}
	}
	d.ground = g
	return d.needUndone(ctx)
}

// maxKept is how many commits of the owner's are looked at one by one.
const maxKept = 100

// welcome reports whether foreign commits hold nothing but what the owner keeps:
// each of them, so that none adds what a later one takes away, and the tree as a
// whole, which may have what is no file.
func (d *Repository) welcome(ctx context.Context, g ground) (bool, error) {
	if len(g.undone) > 0 || len(g.kept) == 0 || len(g.foreign) > maxKept {
		return false, nil
	}
	before := g.commit
	for _, id := range slices.Backward(g.foreign) {
		for change, err := range d.o.Repo.Diff(ctx, before, id) {
			if err != nil {
				return false, fmt.Errorf("compare %s with %s: %w", id, before, err)
			}
			if !d.keeps(change) {
				return false, nil
			}
		}
		before = id
	}
	tree, err := d.keptTree(ctx, g)
	if err != nil {
		return false, err
	}
	head, err := d.o.Repo.ReadCommit(ctx, d.head)
	return tree == head.Tree, err
}

// keptTree returns the tree of the ground with what the owner keeps.
func (d *Repository) keptTree(ctx context.Context, g ground) (tree string, err error) {
	im, err := d.o.Repo.Import(ctx, g.commit)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	if err := g.keep(im); err != nil {
		return "", err
	}
	tree, _, err = im.Tree()
	return tree, err
}

// keep puts what the owner keeps into a tree.
func (g ground) keep(im *gitrepo.Import) error {
	for _, change := range g.kept {
		err := error(nil)
		if change.NewID == "" {
			err = im.Remove(change.Path)
		} else {
			err = im.Put(gitrepo.File{Path: change.Path, Mode: change.NewMode, ID: change.NewID})
		}
		if err != nil {
			return fmt.Errorf("keep %q: %w", change.Path, err)
		}
	}
	return nil
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
		return fmt.Errorf("look up kept files: %w", err)
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
		return fmt.Errorf("fetch the files to restore: %w", err)
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
		return fmt.Errorf("pattern %q matches data, which only the mirror writes; only files of the root and folders that begin with a dot can be kept", pattern)
	}
	return nil
}
