package allcabal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// survey finds out what the tree holds at the places that a run looks at or
// writes to, so that all of it is fetched in a few steps. Of an adopted tree
// everything is known already.
func (d *Repository) survey(ctx context.Context, in Input) error {
	d.found = nil
	if d.head == "" || d.adopting {
		return nil
	}
	paths := d.places(in)
	found, err := d.o.Repo.Find(ctx, d.head, paths...)
	if err != nil {
		return fmt.Errorf("look up %d files in %q: %w", len(paths), d, err)
	}
	d.found = map[string]string{}
	for _, file := range found {
		if file.Mode == gitrepo.ModeFile {
			d.found[file.Path] = file.ID
		}
	}
	return d.bring(ctx, d.state.Wants(in.Tail))
}

// places returns the paths that a run may look at or write to.
func (d *Repository) places(in Input) []string {
	var paths []string
	add := func(r index.Release) {
		paths = append(paths, r.CabalPath())
		if d.o.Hashes {
			paths = append(paths, r.JSONPath())
		}
	}
	from := d.state.Position.Length
	for _, r := range in.Tail.Order {
		n := in.Tail.News[r]
		if n.Cabals > 0 && n.LastCabal.Offset >= from || n.TargetOffset >= from {
			add(r)
		}
	}
	for r := range d.state.Ledger {
		add(r)
	}
	for pkg, offset := range in.Tail.NewestPreferred {
		if offset >= from {
			paths = append(paths, preferredPath(pkg))
		}
	}
	if in.Deprecated != nil && d.o.Hashes {
		paths = append(paths, deprecatedPath)
	}
	return paths
}

// preferredPath is where a package's preferred versions stand.
func preferredPath(pkg string) string { return pkg + "/preferred-versions" }

// bring fetches the records that the tree holds of wanted releases.
func (d *Repository) bring(ctx context.Context, wants []state.Want) error {
	var ids []string
	for _, w := range wants {
		if id, ok := d.held(w.Release.JSONPath()); ok {
			ids = append(ids, id)
		}
	}
	if err := d.o.Repo.Need(ctx, ids...); err != nil {
		return fmt.Errorf("fetch %d records from %q: %w", len(ids), d, err)
	}
	return nil
}

// held returns the id of the file at a path of the tree, if there is one.
func (d *Repository) held(path string) (string, bool) {
	if d.adopting {
		id, ok := d.listing.get(path)
		return hex.EncodeToString(id[:]), ok
	}
	id, ok := d.found[path]
	return id, ok
}

// listed reports whether the tree holds a release, that is, its JSON record.
func (d *Repository) listed(r index.Release) bool {
	_, ok := d.held(r.JSONPath())
	return ok
}

// fits reports whether the tree holds a record of exactly the wanted tarball.
// Such a record is kept byte for byte, in whichever of its historical forms.
func (d *Repository) fits(ctx context.Context, w state.Want) (bool, error) {
	id, ok := d.held(w.Release.JSONPath())
	if !ok {
		return false, nil
	}
	raw, err := d.o.Repo.BlobByID(ctx, id)
	if errors.Is(err, gitrepo.ErrNotFile) {
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
