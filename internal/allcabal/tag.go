package allcabal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// An owner says whose a tag is.
type owner int

const (
	noTag     owner = iota
	olderTool       // it says no position
	edited          // it has our lines and not our signature, and so is nobody's
	ours            // signed by us, with our lines
)

// What a run must not write to.
var (
	ErrTag    = errors.New("not a tag of this mirror")
	ErrBranch = errors.New("not a branch of a mirror")
	// ErrKind says that a repository is the other of the two.
	ErrKind = errors.New("not the kind of repository that the option says")
)

// readTag finds out whose the tag is, and takes the state out of one of ours.
// Nothing in it is believed before its signature is verified.
func (d *Repository) readTag(ctx context.Context) (commit string, err error) {
	if d.tag == "" {
		return "", nil
	}
	tag, whose, err := d.parseTag(ctx)
	if errors.Is(err, ErrTag) {
		return "", fmt.Errorf("read tag %q of %q: %w; remove it with `%s` if nothing needs it, or choose another name with the option tag",
			d.o.Tag, d, err, d.removal("refs/tags/"+d.o.Tag))
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

// parseTag reads the tag and says whose form it has. That of ours proves nothing yet.
// ErrTag says what a tag is that is neither ours nor the older tools'.
func (d *Repository) parseTag(ctx context.Context) (gitpack.Tag, owner, error) {
	tag, err := d.o.Repo.ReadTag(ctx, d.tag)
	switch {
	case errors.Is(err, gitpack.ErrObject):
		return d.parseLightweight(ctx, err)
	case err != nil:
		return tag, noTag, fmt.Errorf("%v: %w", err, ErrTag)
	case tag.Type != "commit":
		return tag, noTag, fmt.Errorf("it belongs to a %s: %w", tag.Type, ErrTag)
	case state.HasState(tag.Message):
		return tag, ours, nil
	case hasSubject(tag.Message):
		return tag, olderTool, nil
	}
	return tag, noTag, fmt.Errorf("it says %.60q: %w", tag.Message, ErrTag)
}

// parseLightweight takes a tag without an object of its own for the older tools',
// if it is at a commit that they, or we, might have made. Of what is no commit either
// it is told why it is no tag object.
func (d *Repository) parseLightweight(ctx context.Context, why error) (gitpack.Tag, owner, error) {
	c, err := d.o.Repo.ReadCommit(ctx, d.tag)
	switch {
	case errors.Is(err, gitpack.ErrObject):
		return gitpack.Tag{}, noTag, fmt.Errorf("%v: %w", why, ErrTag)
	case err != nil:
		return gitpack.Tag{}, noTag, fmt.Errorf("read tag %q: %w", d.o.Tag, err)
	case !hasSubject(c.Message):
		return gitpack.Tag{}, noTag, fmt.Errorf("it is a lightweight tag of something else: %w", ErrTag)
	}
	return gitpack.Tag{Object: d.tag, Type: "commit", Message: c.Message}, olderTool, nil
}

// readOurs reads a tag that has our lines.
func (d *Repository) readOurs(ctx context.Context, tag gitpack.Tag) error {
	_, unproven, err := d.verifyTag(ctx, tag)
	if err != nil {
		return err
	}
	if unknown := (*openpgp.UnknownKeyError)(nil); unproven != nil && (d.o.Adopt || !errors.As(unproven, &unknown)) {
		d.owner = edited
		return nil
	}
	if unproven != nil {
		return fmt.Errorf("read tag %q of %q: %w: %w; if that is a former key of this mirror, give its public key with the option trusted-keys "+
			"(its fingerprint is enough while the branch display has the key). To take the repository over, run once with adopt, which compares all of it with the index",
			d.o.Tag, d, unproven, ErrTag)
	}
	d.owner = ours
	read, err := state.ParseMessage(tag.Message)
	if err != nil {
		d.unreadable = err.Error() // a later version's, or a fault of ours; whose it is, is certain
		return nil
	}
	if err := d.checkTag(read, tag.Object); err != nil {
		return err
	}
	d.state = read
	return nil
}

// verify checks a signature with our keys.
func (d *Repository) verify(signed []byte, signature string) (fingerprint string, err error) {
	if d.o.Keys == nil {
		return "", nil // a dry run without any; it says so
	}
	return d.o.Keys.Verify(signed, signature)
}

// verifyTag checks a tag's signature with our keys, and those that are awaited. The
// error says that these could not be looked for, and nothing of the signature.
func (d *Repository) verifyTag(ctx context.Context, tag gitpack.Tag) (fingerprint string, unproven, err error) {
	fingerprint, unproven = d.verify(tag.Signed, tag.Signature)
	if unproven == nil || !d.o.Keys.Awaits() {
		return fingerprint, unproven, nil
	}
	if err := d.learnKeys(ctx); err != nil {
		return "", unproven, err
	}
	fingerprint, unproven = d.verify(tag.Signed, tag.Signature)
	return fingerprint, unproven, nil
}

// learnKeys looks for keys of which only the fingerprint is known on the branch that
// explains the repository: a new one gets the key of its first run.
func (d *Repository) learnKeys(ctx context.Context) error {
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
	return d.refetch(ctx) // so that what is read next is fetched from the data again
}

// checkTag refuses a tag of ours that belongs to another repository or branch.
func (d *Repository) checkTag(read state.State, tagged string) error {
	branchRef, tagRef := d.refs()
	switch {
	case read.Kind != "" && read.Kind != d.kind():
		refs := []string{branchRef, tagRef}
		if tagged != d.head && d.head != "" {
			refs = refs[1:] // the branch may be as it should be
		}
		return d.otherKind(fmt.Sprintf("its tag %q belongs to a %s repository", d.o.Tag, read.Kind), refs...)
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
