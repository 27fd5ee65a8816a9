package allcabal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A TagInfo is what somebody who may only read a repository learns from its tag.
type TagInfo struct {
	// Commit is the one that the tag names, and Head that of the branch, "" if
	// there is no such branch.
	Commit, Head string
	// Time is the one in the commit's message, or else in the tag's; zero if
	// neither has one.
	Time time.Time
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

// Inspect reads the tag for people: nothing is built on it, and its signature may be unproven. ErrTag says that
// there is none of a mirror.
func (d *Repository) Inspect(ctx context.Context) (TagInfo, error) {
	d.reset()
	err := d.fetchRefs(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return TagInfo{}, fmt.Errorf("its tag %q, or its branch, has just gone: %w", d.o.Tag, ErrTag)
	}
	if err != nil {
		return TagInfo{}, err
	}
	if d.tag == "" {
		return TagInfo{}, fmt.Errorf("it has no tag %q: %w", d.o.Tag, ErrTag)
	}
	tag, whose, err := d.parseTag(ctx)
	if errors.Is(err, ErrTag) {
		return TagInfo{}, fmt.Errorf("tag %q: %w", d.o.Tag, err)
	}
	if err != nil {
		return TagInfo{}, err
	}
	return d.tagInfo(ctx, tag, whose)
}

// tagInfo tells what a tag says, and who says so.
func (d *Repository) tagInfo(ctx context.Context, tag gitpack.Tag, whose owner) (TagInfo, error) {
	info := TagInfo{Commit: tag.Object, Head: d.head, Older: whose == olderTool}
	c, err := d.o.Repo.ReadCommit(ctx, tag.Object)
	if err != nil {
		return info, fmt.Errorf("read tag %q: %w", d.o.Tag, err)
	}
	var dated bool
	if info.Time, dated = subjectTime(c.Message); !dated {
		info.Time, _ = subjectTime(tag.Message)
	}
	if whose == ours {
		if info.State, err = state.ParseMessage(tag.Message); err != nil {
			return info, fmt.Errorf("read tag %q: %w", d.o.Tag, err)
		}
	}
	if tag.Signature == "" {
		info.Unproven = ErrUnsigned
		return info, nil
	}
	info.Fingerprint, info.Unproven, err = d.verifyTag(ctx, tag)
	if unknown := (*openpgp.UnknownKeyError)(nil); errors.As(info.Unproven, &unknown) {
		info.Fingerprint = unknown.Issuer
	}
	return info, err
}
