package allcabal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A Sight is what a reader sees of a repository, who may only read it.
type Sight struct {
	// Commit is the one that the tag names, and Head that of the branch, "" if
	// there is no such branch.
	Commit, Head string
	// Line is the time in the commit's message, or else in the tag's; zero if
	// neither has one.
	Line time.Time
	// Older says that the tag is one of the older tools, which has no State.
	Older bool
	State state.State
	// Fingerprint is that of the key that signed the tag: as a trusted key has it, or
	// if Unproven is set, as the signature says; "" for a tag without a signature.
	Fingerprint string
	// Unproven is why the signature is not known to be by a trusted key: an
	// openpgp.UnknownKeyError, another openpgp.ErrSignature, ErrUnsigned.
	Unproven error
}

// ErrUnsigned says that a tag has no signature.
var ErrUnsigned = errors.New("it has no signature")

// Look reads the tag without taking it for anything to build on. ErrTag says that there is none
// of a mirror.
func (d *Repository) Look(ctx context.Context) (Sight, error) {
	d.reset()
	err := d.see(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return Sight{}, fmt.Errorf("its tag %q, or its branch, has just gone: %w", d.o.Tag, ErrTag)
	}
	if err != nil {
		return Sight{}, err
	}
	if d.tag == "" {
		return Sight{}, fmt.Errorf("it has no tag %q: %w", d.o.Tag, ErrTag)
	}
	tag, whose, err := d.openTag(ctx)
	if why, foreign := errors.AsType[foreignTag](err); foreign {
		return Sight{}, fmt.Errorf("tag %q: %w: %w", d.o.Tag, why, ErrTag)
	}
	if err != nil {
		return Sight{}, err
	}
	return d.sight(ctx, tag, whose)
}

// sight tells what a tag says, and who says so.
func (d *Repository) sight(ctx context.Context, tag gitrepo.Tag, whose owner) (Sight, error) {
	s := Sight{Commit: tag.Object, Head: d.head, Older: whose == theirs}
	c, err := d.o.Repo.ReadCommit(ctx, tag.Object)
	if err != nil {
		return s, fmt.Errorf("read tag %q: %w", d.o.Tag, err)
	}
	var told bool
	if s.Line, told = lineOf(c.Message); !told {
		s.Line, _ = lineOf(tag.Message)
	}
	if whose == ours {
		if s.State, err = state.ParseMessage(tag.Message); err != nil {
			return s, fmt.Errorf("read tag %q: %w", d.o.Tag, err)
		}
	}
	s.Fingerprint, s.Unproven = d.signer(ctx, tag)
	if fault := (*learnError)(nil); errors.As(s.Unproven, &fault) {
		return s, fault.error
	}
	return s, nil
}

// signer tells who signed a tag.
func (d *Repository) signer(ctx context.Context, tag gitrepo.Tag) (fingerprint string, unproven error) {
	if tag.Signature == "" {
		return "", ErrUnsigned
	}
	fingerprint, err := d.verifyTag(ctx, tag)
	if unknown := (*openpgp.UnknownKeyError)(nil); errors.As(err, &unknown) {
		fingerprint = unknown.Issuer
	}
	return fingerprint, err
}
