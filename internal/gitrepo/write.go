package gitrepo

import (
	"context"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

// WriteCommit signs the commit (not if s is nil), verifies the signature in the
// finished object and keeps that. It returns the commit's id. It may be called
// while an Import is under way in another goroutine.
func (r *Repo) WriteCommit(ctx context.Context, c Commit, s *openpgp.Signer) (id string, err error) {
	content, err := c.encode()
	if err != nil {
		return "", fmt.Errorf("write commit: %w", err)
	}
	if s != nil {
		if content, err = signCommit(content, s); err != nil {
			return "", fmt.Errorf("write commit: %w", err)
		}
	}
	return r.keep(ctx, object{"commit", content})
}

func signCommit(plain []byte, s *openpgp.Signer) ([]byte, error) {
	armored, err := s.Sign(plain)
	if err != nil {
		return nil, err
	}
	content := withSignature(plain, armored)
	made, err := parseCommit(content)
	if err != nil {
		return nil, err
	}
	return content, s.Verify(made.Signed, made.Signature)
}

// WriteTag is WriteCommit for an annotated tag.
func (r *Repo) WriteTag(ctx context.Context, t Tag, s *openpgp.Signer) (id string, err error) {
	content, err := t.encode()
	if err != nil {
		return "", fmt.Errorf("write tag %q: %w", t.Name, err)
	}
	if s != nil {
		if content, err = signTag(content, s); err != nil {
			return "", fmt.Errorf("write tag %q: %w", t.Name, err)
		}
	}
	return r.keep(ctx, object{"tag", content})
}

func signTag(plain []byte, s *openpgp.Signer) ([]byte, error) {
	armored, err := s.Sign(plain)
	if err != nil {
		return nil, err
	}
	content := append(plain[:len(plain):len(plain)], armored...)
	made, err := parseTag(content)
	if err != nil {
		return nil, err
	}
	return content, s.Verify(made.Signed, made.Signature)
}

// keep writes an object into the pack under way.
func (r *Repo) keep(ctx context.Context, o object) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	id, _, err := r.objects.add(o)
	return id.String(), err
}

// Flush lets git see all that was written. Push and the reading methods do it by
// themselves. Trees that a commit names need not have been written yet.
func (r *Repo) Flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return r.objects.finish()
}
