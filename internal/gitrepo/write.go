package gitrepo

import (
	"context"
	"fmt"
)

// WriteCommit signs the commit (not if s is nil), verifies the signature in the
// finished object and keeps that to be put on disk by Flush. It returns the
// commit's id.
func (r *Repo) WriteCommit(ctx context.Context, c Commit, s *Signer) (id string, err error) {
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

func signCommit(plain []byte, s *Signer) ([]byte, error) {
	armored, err := s.sign(plain)
	if err != nil {
		return nil, err
	}
	content := withSignature(plain, armored)
	made, err := parseCommit(content)
	if err != nil {
		return nil, err
	}
	return content, s.verify(made.Signed, made.Signature)
}

// WriteTag is WriteCommit for an annotated tag.
func (r *Repo) WriteTag(ctx context.Context, t Tag, s *Signer) (id string, err error) {
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

func signTag(plain []byte, s *Signer) ([]byte, error) {
	armored, err := s.sign(plain)
	if err != nil {
		return nil, err
	}
	content := append(plain[:len(plain):len(plain)], armored...)
	made, err := parseTag(content)
	if err != nil {
		return nil, err
	}
	return content, s.verify(made.Signed, made.Signature)
}

// pendingBytes is how much is kept in memory before it is put on disk, in bytes.
const pendingBytes = 16 << 20

// keep holds an object until Flush; a great many are flushed on the way.
func (r *Repo) keep(ctx context.Context, o object) (string, error) {
	id := o.id()
	if _, has := r.pending[id]; has {
		return id, nil
	}
	r.pending[id] = o
	r.order = append(r.order, id)
	if r.size += len(o.content); r.size < pendingBytes {
		return id, nil
	}
	return id, r.Flush(ctx)
}

// Flush puts all written commits and tags on disk, as one pack. Push, Import
// and the reading methods do it by themselves. Trees that a commit names need
// not be on disk yet.
func (r *Repo) Flush(ctx context.Context) error {
	if len(r.order) == 0 {
		return nil
	}
	objects := make([]object, len(r.order))
	for i, id := range r.order {
		objects[i] = r.pending[id]
	}
	pack, err := encodePack(objects)
	if err != nil {
		return err
	}
	if _, err := r.git.output(ctx, pack, "index-pack", "--stdin"); err != nil {
		return fmt.Errorf("put %d objects on disk: %w", len(objects), err)
	}
	clear(r.pending)
	r.order, r.size = nil, 0
	return nil
}
