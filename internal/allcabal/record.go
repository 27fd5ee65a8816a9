package allcabal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// heldRecord returns the JSON record that the tree holds of a release, or
// fs.ErrNotExist.
func (d *Repository) heldRecord(ctx context.Context, r index.Release) ([]byte, error) {
	if d.head == "" {
		return nil, fs.ErrNotExist
	}
	if !d.adopting {
		return d.o.Repo.Blob(ctx, d.head, r.JSONPath())
	}
	id, ok := d.listing[r.JSONPath()]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return d.o.Repo.BlobByID(ctx, hex.EncodeToString(id[:]))
}

// listed reports whether the tree holds a release, that is, its JSON record.
func (d *Repository) listed(ctx context.Context, r index.Release) (bool, error) {
	_, err := d.heldRecord(ctx, r)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up %q in %q: %w", r.JSONPath(), d, err)
	}
	return true, nil
}

// fits reports whether the tree holds a record of exactly the wanted tarball.
// Such a record is kept byte for byte, in whichever of its historical forms.
func (d *Repository) fits(ctx context.Context, w state.Want) (bool, error) {
	raw, err := d.heldRecord(ctx, w.Release)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up %q in %q: %w", w.Release.JSONPath(), d, err)
	}
	record, err := hashes.Parse(raw)
	if err != nil {
		return false, nil // not a record: it is written anew
	}
	digest, err := record.SHA256()
	return err == nil && digest == w.Target.SHA256, nil
}
