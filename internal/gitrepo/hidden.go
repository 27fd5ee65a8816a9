package gitrepo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
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
	id, err := r.write(ctx, gitpack.Object{Type: "blob", Content: []byte(content)})
	if err := errors.Join(err, r.Flush(ctx)); err != nil {
		return err
	}
	ref := tags + "probe-" + strings.ToLower(rand.Text())
	err = r.push(ctx, "--no-atomic", []Update{{Ref: ref, New: id}})
	if err != nil && strings.Contains(err.Error(), "deny updating a hidden ref") {
		return fmt.Errorf("make a tag: %w", ErrHidden)
	}
	if err != nil {
		return nil // another rule; it may be for this name alone
	}
	refs, err := r.Refs(ctx)
	if gone := r.push(ctx, "--no-atomic", []Update{{Ref: ref, Old: id}}); gone != nil {
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
