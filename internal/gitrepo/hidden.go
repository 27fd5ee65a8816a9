package gitrepo

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
)

// probeTags refuses a remote that does not show tags: a run would never find again
// what it has pushed; and such a remote moves the branch even where it refuses
// the tag. Only a tag that is made shows it, so that one is made and removed again,
// once in the life of a remote.
func (r *Repo) probeTags(ctx context.Context) error {
	if r.showsTags {
		return nil
	}
	const content = "This tag tested whether the host shows tags. You can remove it.\n"
	if _, _, err := r.objects.add(object{"blob", []byte(content)}); err != nil {
		return err
	}
	if err := r.Flush(ctx); err != nil {
		return err
	}
	ref := tags + "probe-" + strings.ToLower(rand.Text())
	err := r.push(ctx, "--no-atomic", []Update{{Ref: ref, New: BlobID([]byte(content))}})
	if err != nil && strings.Contains(err.Error(), "deny updating a hidden ref") {
		return fmt.Errorf("make a tag: %w", ErrHidden)
	}
	if err != nil {
		return nil // another rule; it may be for this name alone
	}
	refs, err := r.Refs(ctx)
	if gone := r.push(ctx, "--no-atomic", []Update{{Ref: ref, Old: BlobID([]byte(content))}}); gone != nil && r.notify != nil {
		r.notify(fmt.Sprintf("%s: tag %q, made to see whether tags are shown, could not be removed: %v", r.remote.display, ref, gone))
	}
	if err != nil {
		return err
	}
	if refs[ref] == "" {
		return fmt.Errorf("make a tag: %w", ErrHidden)
	}
	return nil
}
