package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// An Update moves one ref of the remote.
type Update struct {
	// Ref is the full name, such as refs/heads/main.
	Ref string
	// Old is the id that the ref has now, as Refs or Fetch said: for an
	// annotated tag that of the tag object. "" means it must not exist.
	Old string
	// New is the id it shall have; the object must be in the local
	// repository.
	New string
	// Force lets a tag move to what does not descend from Old. It is
	// refused for branches.
	Force bool
}

const (
	branches = "refs/heads/"
	tags     = "refs/tags/"
)

// receiveHere serves a remote that is a folder. It keeps what it gets as the one
// pack it comes in, whatever the folder's settings say: made into a file for each
// object, a small push costs a flush to disk for each, a third of the push. Of the
// two names of the setting older versions of git follow the one, newer the other.
const receiveHere = "git -c receive.unpackLimit=1 -c transfer.unpackLimit=1 receive-pack"

// Push moves all refs or none. To a remote without atomic pushes it moves the
// branches first and then the tags, so that a push that is cut off there leaves a
// tag that lags. Every ref must still be where its Old says, and without Force New
// must descend from Old; otherwise the error is ErrMoved and the caller should
// read the remote again. ErrRefused holds the remote's words. Before the first tag
// of a remote is made, another one tells whether the remote shows tags: ErrHidden.
func (r *Repo) Push(ctx context.Context, updates ...Update) error {
	if err := r.Flush(ctx); err != nil {
		return err
	}
	var changes []Update
	for _, u := range updates {
		// With a lease git no longer asks for a fast-forward. So that is asked
		// here, against the very id that the lease holds the remote to.
		if err := r.checkUpdate(ctx, u); err != nil {
			return fmt.Errorf("push: %w", err)
		}
		if u.Old != u.New {
			changes = append(changes, u)
		}
	}
	if slices.ContainsFunc(changes, func(u Update) bool { return u.Old == "" && strings.HasPrefix(u.Ref, tags) }) {
		if err := r.probeTags(ctx); err != nil {
			return fmt.Errorf("push: %w", err)
		}
	}
	err := r.push(ctx, "--atomic", changes)
	if err != nil && strings.Contains(err.Error(), noAtomic) {
		err = r.pushBranchesFirst(ctx, changes)
	}
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	return nil
}

// pushBranchesFirst is for a remote without atomic pushes.
func (r *Repo) pushBranchesFirst(ctx context.Context, changes []Update) error {
	isBranch := func(u Update) bool { return strings.HasPrefix(u.Ref, branches) }
	rest := slices.DeleteFunc(slices.Clone(changes), isBranch)
	changes = slices.DeleteFunc(changes, func(u Update) bool { return !isBranch(u) })
	if err := r.push(ctx, "--no-atomic", changes); err != nil {
		return err
	}
	return r.push(ctx, "--no-atomic", rest)
}

// MayPush asks the remote whether it would take a push, without one: a key or token
// that may only read is then told of before hours of work and not after them. What
// hooks and rules of the host refuse shows only when there is something to push.
func (r *Repo) MayPush(ctx context.Context) error {
	tree, err := r.git.output(ctx, nil, "hash-object", "-t", "tree", "-w", "--stdin") // an empty one
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	spec := strings.TrimSpace(string(tree)) + ":refs/hackage-mirror/check"
	out, _, err := r.runRemote(ctx, nil, nil, "push", "--dry-run", "--porcelain", "--no-verify", "--no-signed", "--", r.remote.forGit, spec)
	if err != nil {
		return fmt.Errorf("push: %w", r.explain(r.pushError(ctx, out, err)))
	}
	return nil
}

// noAtomic is what git says when the other side has no atomic pushes, such as
// AWS CodeCommit and Azure Repos.
const noAtomic = "does not support --atomic push"

// push moves refs that were checked, in one call of git.
func (r *Repo) push(ctx context.Context, how string, updates []Update) error {
	if len(updates) == 0 {
		return nil
	}
	args := []string{"push", how, "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--no-thin"}
	if r.remote.transport == local {
		args = append(args, "--receive-pack="+receiveHere)
		if err := r.pointHead(ctx, updates); err != nil {
			return fmt.Errorf("push: %w", err)
		}
	}
	var specs []string
	for _, u := range updates {
		args = append(args, "--force-with-lease="+u.Ref+":"+u.Old)
		specs = append(specs, u.New+":"+u.Ref)
	}
	out, _, err := r.runRemote(ctx, nil, nil, append(append(args, "--", r.remote.forGit), specs...)...)
	if err != nil {
		return r.explain(r.pushError(ctx, out, err))
	}
	return nil
}

// pointHead makes HEAD of a bare folder point to the initial branch, if that is there
// and HEAD's own neither is nor is made now: a plain git init leaves HEAD at a
// branch that nobody makes, and then a clone checks out nothing. A push cannot
// tell any other remote so.
func (r *Repo) pointHead(ctx context.Context, updates []Update) error {
	if !slices.ContainsFunc(updates, func(u Update) bool { return u.Old == "" && strings.HasPrefix(u.Ref, branches) }) {
		return nil
	}
	there := r.git
	there.dir = r.remote.forGit
	there.env = slices.DeleteFunc(slices.Clone(r.git.env), func(v string) bool { return v == localGitDir })
	said := func(args ...string) string {
		out, err := there.output(ctx, nil, args...)
		if err != nil {
			return "" // what is wrong with the folder is for the push to say
		}
		return strings.TrimSpace(string(out))
	}
	head, initial := said("symbolic-ref", "--quiet", "HEAD"), branches+r.initial
	if head == "" || slices.ContainsFunc(updates, func(u Update) bool { return u.Ref == head }) ||
		said("rev-parse", "--is-bare-repository") != "true" ||
		said("for-each-ref", "--format=%(refname)", head) != "" || said("for-each-ref", "--format=%(refname)", initial) == "" {
		return nil
	}
	_, err := there.output(ctx, nil, "symbolic-ref", "HEAD", initial)
	return err
}

// checkUpdate refuses an update that no push may make.
func (r *Repo) checkUpdate(ctx context.Context, u Update) error {
	if err := gitpack.CheckRef(u.Ref); err != nil {
		return err
	}
	if err := gitpack.CheckID(u.New); err != nil {
		return err
	}
	if u.Force && strings.HasPrefix(u.Ref, branches) {
		return fmt.Errorf("force %q: a branch only moves forward", u.Ref)
	}
	if u.Old == "" || u.Old == u.New {
		return nil
	}
	if err := gitpack.CheckID(u.Old); err != nil {
		return err
	}
	if u.Force {
		return nil
	}
	forward, err := r.isAncestorHere(ctx, u.Old, u.New)
	switch {
	case err != nil:
		return fmt.Errorf("move %q from %s, which must be fetched first: %w", u.Ref, u.Old, err)
	case !forward:
		return fmt.Errorf("move %q from %s to %s, which does not descend from it: %w", u.Ref, u.Old, u.New, ErrMoved)
	}
	return nil
}

// pushError is the error of a failed push, by git's report and what git said.
func (r *Repo) pushError(ctx context.Context, report []byte, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if reasons, kind := parsePushReport(report); kind != nil {
		// Only the kind found here is wrapped: the remote's words, which
		// are in err, may sound like another.
		return fmt.Errorf("%w: %s: %v", kind, r.git.clean(strings.Join(reasons, ", ")), err)
	}
	if moved.MatchString(err.Error()) {
		// Another push came between the remote's check and its write: then git
		// reports every ref as refused because of another one.
		return fmt.Errorf("%w: %w", ErrMoved, err)
	}
	if errors.Is(err, ErrAuth) && strings.Contains(err.Error(), "returned error: 403") {
		return fmt.Errorf("%w: the token has no permission to write: %w", ErrRefused, err)
	}
	return err
}

// parsePushReport reads git's report of a push, one line for each ref: a mark, from:to,
// and what happened, with tabs between. It returns what happened to which ref, and
// ErrRefused or ErrMoved, nil if no line says why.
func parsePushReport(report []byte) (reasons []string, kind error) {
	for line := range bytes.Lines(report) {
		fields := strings.Split(strings.TrimRight(string(line), "\n"), "\t")
		if len(fields) < 3 || fields[0] != "!" {
			continue
		}
		_, ref, _ := strings.Cut(fields[1], ":")
		switch {
		case strings.Contains(fields[2], "(atomic "):
			continue // it was refused because of another one
		case !moved.MatchString(fields[2]):
			kind = ErrRefused
		case kind == nil:
			kind = ErrMoved
		}
		reasons = append(reasons, ref+" "+fields[2])
	}
	return reasons, kind
}

// moved are git's words for a ref that is not where it was.
var moved = regexp.MustCompile(`stale info|already exists|cannot lock ref|incorrect old value|failed to update ref|non-fast-forward|fetch first`)
