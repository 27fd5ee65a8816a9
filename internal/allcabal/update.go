package allcabal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// Update commits what the index holds behind the repository's position and
// pushes the commits with the tag. It pushes nothing if neither the position
// nor the ledger moved and nothing is Due, and in a dry run nothing at all.
//
// When somebody else moved the branch or the tag meanwhile the error is
// gitrepo.ErrMoved and the remote is as they left it: Load again, and go on
// from there. state.ErrForm means that the state in the tag is not one that a
// run wrote: Forget it, and go again.
func (d *Repository) Update(ctx context.Context, in Input) (Result, error) {
	if d.o.DryRun {
		in.Outcome = assume(d.state.Wants(in.Tail))
	}
	p, err := d.plan(ctx, in)
	if err != nil {
		return Result{}, err
	}
	if d.empty && !d.o.DryRun {
		if err := d.display(ctx); err != nil {
			return Result{}, err
		}
	}
	if p.next.Equal(d.state) && !d.adopting && d.due == "" {
		return Result{Commit: d.head}, nil
	}
	result, err := d.replay(ctx, in, p)
	if err != nil || d.o.DryRun {
		return result, err
	}
	if result.Commit == "" {
		return result, nil // an index without a single entry
	}
	if err := d.push(ctx, p, result, in); err != nil {
		return Result{}, err
	}
	result.Changed = true
	return result, nil
}

// assume stands in for what became of tarballs: in a dry run they are not
// fetched, and all are taken for right.
func assume(wants []state.Want) func(index.Release) (state.Outcome, bool, error) {
	targets := make(map[index.Release]index.Target, len(wants))
	for _, w := range wants {
		targets[w.Release] = w.Target
	}
	return func(r index.Release) (state.Outcome, bool, error) {
		target, ok := targets[r]
		return state.Outcome{Digests: hashes.Digests{SHA256: target.SHA256, Size: target.Length}}, ok, nil
	}
}

// push signs the tag and moves branch and tag together.
func (d *Repository) push(ctx context.Context, p *plan, result Result, in Input) error {
	tag, err := d.o.Repo.WriteTag(ctx, gitrepo.Tag{
		Object: result.Commit, Name: d.o.Tag,
		Tagger: d.identity(), When: d.o.Now(),
		Message: p.next.Message(subject(d.dated(time.Time{}, in)), d.o.Tool),
	}, d.o.Signer)
	if err != nil {
		return fmt.Errorf("tag %q: %w", d.o.Tag, err)
	}
	updates := []gitrepo.Update{{Ref: "refs/tags/" + d.o.Tag, Old: d.tag, New: tag, Force: true}}
	if result.Commit != d.head {
		updates = append(updates, gitrepo.Update{Ref: "refs/heads/" + d.o.Branch, Old: d.head, New: result.Commit})
	}
	err = d.o.Repo.Push(ctx, updates...)
	if errors.Is(err, gitrepo.ErrRefused) && d.ground.undo && strings.Contains(err.Error(), "refs/heads/"+d.o.Branch) {
		return d.refusedUndo(err)
	}
	if err != nil {
		return err
	}
	d.state, d.head, d.tag, d.adopting, d.due = p.next, result.Commit, tag, false, ""
	return nil
}

// DisplayBranch is what a host shows of the repository. Readers with old
// clients clone it because it is small.
const DisplayBranch = "display"

// readmePath is the one file of the branch display. It holds the public key.
const readmePath = "README.md"

// display pushes the branch that explains an empty remote, before anything
// else, so that hosts take it as the default branch.
func (d *Repository) display(ctx context.Context) error {
	im, err := d.o.Repo.Import(ctx, "")
	if err != nil {
		return err
	}
	if err := im.Write(readmePath, []byte(d.readme())); err != nil {
		return err
	}
	tree, _, err := im.Tree()
	if err != nil {
		return err
	}
	if err := im.Close(); err != nil {
		return err
	}
	now := d.o.Now()
	id, err := d.o.Repo.WriteCommit(ctx, gitrepo.Commit{
		Tree: tree, Author: d.identity(), AuthorWhen: now,
		Committer: d.identity(), CommitterWhen: now,
		Message: "Say what this repository is\n",
	}, d.o.Signer)
	if err != nil {
		return fmt.Errorf("commit to branch %q: %w", DisplayBranch, err)
	}
	err = d.o.Repo.Push(ctx, gitrepo.Update{Ref: "refs/heads/" + DisplayBranch, New: id})
	if err != nil {
		return fmt.Errorf("branch %q: %w", DisplayBranch, err)
	}
	d.empty = false
	return nil
}

// readme is the text of the display branch.
func (d *Repository) readme() string {
	title, content := "all-cabal-files", "every `.cabal` file of Hackage, each in its newest revision,"
	if d.o.Hashes {
		title = "all-cabal-hashes"
		content = "every `.cabal` file of Hackage, the digests of every release's tarball,"
	}
	return strings.NewReplacer(
		"TITLE", title, "CONTENT", content, "BRANCH", d.o.Branch, "TAG", d.o.Tag,
		"FINGERPRINT", d.o.Signer.Fingerprint(), "KEY", string(d.o.Signer.PublicKey()),
	).Replace(displayText)
}

const displayText = `# TITLE

The branch [BRANCH](../../tree/BRANCH) holds CONTENT
and the preferred versions of packages, as Hackage's signed index has them. A
scheduled run of [hackage-mirror](https://github.com/hackage-mirror/hackage-mirror)
keeps it up to date; every revision is in its history.

Every commit is signed, and so is the tag TAG, which always
stands at the newest one. The key's fingerprint is

    FINGERPRINT

To read the newest state without the history:

    git clone --depth 1 --branch BRANCH URL

To check it, with the key below in your keyring, if its fingerprint is the one
you know:

    git fetch origin +refs/tags/TAG:refs/tags/TAG
    git verify-tag TAG

~~~
KEY~~~
`
