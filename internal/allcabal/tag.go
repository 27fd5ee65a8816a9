package allcabal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// An owner says whose a tag is.
type owner int

const (
	nobodys owner = iota // there is none
	theirs               // the older tools': it says no position
	ours                 // signed by us, with our lines
)

// What a run must not write to.
var (
	ErrTag    = errors.New("not a tag of this mirror")
	ErrBranch = errors.New("not a branch of a mirror")
)

// readTag finds out whose the tag is, and takes the state out of one of ours.
// Nothing in it is believed before its signature is verified.
func (d *Repository) readTag(ctx context.Context) (commit string, err error) {
	d.owner = nobodys
	if d.tag == "" {
		return "", nil
	}
	tag, whose, err := d.openTag(ctx)
	if why, foreign := errors.AsType[foreignTag](err); foreign {
		return "", d.refuseTag(string(why))
	}
	if err != nil {
		return "", err
	}
	if whose == ours {
		return tag.Object, d.readOurs(ctx, tag)
	}
	d.owner = whose
	return tag.Object, nil
}

// A foreignTag says what a tag is that is neither ours nor the older tools'.
type foreignTag string

func (f foreignTag) Error() string { return string(f) }

// openTag reads the tag and says whose form it has. That of ours proves nothing yet.
func (d *Repository) openTag(ctx context.Context) (gitrepo.Tag, owner, error) {
	tag, err := d.o.Repo.ReadTag(ctx, d.tag)
	switch {
	case errors.Is(err, gitrepo.ErrObject):
		return d.openLightweight(ctx, err)
	case err != nil:
		return tag, nobodys, foreignTag(err.Error())
	case tag.Type != "commit":
		return tag, nobodys, foreignTag("it belongs to a " + tag.Type)
	case state.HasState(tag.Message):
		return tag, ours, nil
	case hasLine(tag.Message):
		return tag, theirs, nil
	}
	return tag, nobodys, foreignTag(fmt.Sprintf("it says %.60q", tag.Message))
}

// openLightweight takes a tag without an object of its own for the older tools',
// if it is at a commit that they, or we, might have made. Of what is no commit either
// it is told why it is no tag object.
func (d *Repository) openLightweight(ctx context.Context, why error) (gitrepo.Tag, owner, error) {
	c, err := d.o.Repo.ReadCommit(ctx, d.tag)
	if errors.Is(err, gitrepo.ErrObject) {
		return gitrepo.Tag{}, nobodys, foreignTag(why.Error())
	}
	if err == nil && !hasLine(c.Message) {
		return gitrepo.Tag{}, nobodys, foreignTag("it is a lightweight tag of something else")
	}
	if err != nil {
		return gitrepo.Tag{}, nobodys, fmt.Errorf("read tag %q: %w", d.o.Tag, err)
	}
	return gitrepo.Tag{Object: d.tag, Type: "commit", Message: c.Message}, theirs, nil
}

// refuseTag is the error of a tag that is neither ours nor the older tools'.
func (d *Repository) refuseTag(why string) error {
	return fmt.Errorf("read tag %q of %q: %s: %w; remove it with `%s` if nothing needs it, or choose another name with the option tag",
		d.o.Tag, d, why, ErrTag, d.removal("refs/tags/"+d.o.Tag))
}

// readOurs reads a tag that has our lines.
func (d *Repository) readOurs(ctx context.Context, tag gitrepo.Tag) error {
	_, err := d.verifyTag(ctx, tag)
	if fault := (*learnError)(nil); errors.As(err, &fault) {
		return fault.error
	}
	if unknown := (*openpgp.UnknownKeyError)(nil); err != nil && (d.o.Adopt || !errors.As(err, &unknown)) {
		d.edited = true // and so no tag of anybody
		return nil
	}
	if err != nil {
		return fmt.Errorf("read tag %q of %q: %w: %w; if that is a former key of this mirror, give its public key with the option trusted-keys "+
			"(its fingerprint is enough while the branch display has the key). To take the repository over, run once with adopt, which compares all of it with the index",
			d.o.Tag, d, err, ErrTag)
	}
	d.owner = ours
	read, err := state.ParseMessage(tag.Message)
	if err != nil {
		d.why = err.Error() // a later version's, or a fault of ours; whose it is, is certain
		return nil
	}
	if err := d.checkTag(read, tag.Object); err != nil {
		return err
	}
	d.state = read
	return nil
}

// verifyTag holds a tag's signature against our keys, and those that are awaited.
func (d *Repository) verifyTag(ctx context.Context, tag gitrepo.Tag) (fingerprint string, err error) {
	if d.o.Keys == nil {
		return "", nil // a dry run without any; it says so
	}
	fingerprint, err = d.o.Keys.Verify(tag.Signed, tag.Signature)
	if err == nil || !d.o.Keys.Awaits() {
		return fingerprint, err
	}
	if err := d.learn(ctx); err != nil {
		return "", &learnError{err}
	}
	return d.o.Keys.Verify(tag.Signed, tag.Signature)
}

// A learnError kept keys from being looked for, and says nothing of a signature.
type learnError struct{ error }

// learn looks for keys of which only the fingerprint is known on the branch that
// explains the repository: a new one gets the key of its first run.
func (d *Repository) learn(ctx context.Context) error {
	const display = "refs/heads/" + DisplayBranch
	got, err := d.o.Repo.Fetch(ctx, display)
	if err == nil {
		var text []byte
		if text, err = d.o.Repo.Blob(ctx, got[display], readmePath); err == nil {
			d.o.Keys.Learn(text)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, gitrepo.ErrNotFile) {
		return fmt.Errorf("look for a former key on branch %q: %w", DisplayBranch, err)
	}
	return d.fetch(ctx) // so that what is read next is brought from the data again
}

// checkTag refuses a tag of ours that belongs to another repository or branch.
func (d *Repository) checkTag(read state.State, tagged string) error {
	switch {
	case read.Kind != "" && read.Kind != d.kind():
		why := fmt.Sprintf("its tag %q belongs to a %s repository", d.o.Tag, read.Kind)
		if tagged != d.head && d.head != "" {
			return d.otherKind(why, "refs/tags/"+d.o.Tag) // the branch may be as it should be
		}
		return d.otherKind(why, "refs/heads/"+d.o.Branch, "refs/tags/"+d.o.Tag)
	case read.Branch != "" && read.Branch != d.o.Branch:
		return fmt.Errorf("read tag %q of %q: it belongs to branch %q, and the option branch says %q: %w; give that branch, or another tag",
			d.o.Tag, d, read.Branch, d.o.Branch, ErrTag)
	}
	return nil
}

// otherKind is the error of a repository that is given as the other one.
func (d *Repository) otherKind(why string, refs ...string) error {
	return fmt.Errorf("read %q: it is given as %s-repository, but %s: %w; "+
		"if the two addresses are swapped, swap them back. If somebody pushed one repository over the other, "+
		"remove the wrong data with `%s`, and the next run fills the repository again",
		d, d.kind(), why, ErrKind, d.removal(refs...))
}

// ErrKind says that a repository is the other of the two.
var ErrKind = errors.New("not the kind of repository that the option says")

// kind returns which of the two repositories it is meant to be.
func (d *Repository) kind() state.Kind {
	if d.o.Hashes {
		return state.Hashes
	}
	return state.Files
}

// verify holds a signature against our keys.
func (d *Repository) verify(signed []byte, signature string) error {
	if d.o.Keys == nil {
		return nil // a dry run without any; it says so
	}
	_, err := d.o.Keys.Verify(signed, signature)
	return err
}
