package allcabal

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// survey finds out what the ground holds at the places that a run looks at or
// writes to, so that all of it is fetched in a few steps. Of an adopted tree
// everything is known already.
func (d *Repository) survey(ctx context.Context, in Input) error {
	if d.adopting {
		return d.match(in)
	}
	d.tree = &listing{}
	if d.ground.commit == "" {
		return nil
	}
	paths := d.places(in)
	slices.Sort(paths)
	found, err := d.o.Repo.Find(ctx, d.ground.commit, slices.Compact(paths)...)
	if err != nil {
		return fmt.Errorf("look up %d files: %w", len(paths), err)
	}
	for _, file := range found {
		if file.Mode == gitrepo.ModeFile {
			id, err := readID(file.ID)
			if err != nil {
				return fmt.Errorf("look up %q: %w", file.Path, err)
			}
			d.tree.add(file.Path, id)
		}
	}
	if err := d.match(in); err != nil {
		return err
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
		return fmt.Errorf("fetch %d records: %w", len(ids), err)
	}
	return nil
}

// held returns the id of the plain file at a path of the ground, if there is one.
func (d *Repository) held(path string) (string, bool) {
	id, ok := d.tree.get(path)
	return hex.EncodeToString(id[:]), ok
}

// listed reports whether the ground holds a release, that is, its JSON record.
func (d *Repository) listed(r index.Release) bool {
	_, ok := d.held(r.JSONPath())
	return ok
}

// fits reports whether the ground holds a record of the wanted tarball that says
// nothing else. Such a record is kept byte for byte, in whichever of its
// historical forms.
func (d *Repository) fits(ctx context.Context, tail *index.Tail, w state.Want) (bool, error) {
	record, ok, err := d.readRecord(ctx, w.Release)
	if !ok || err != nil {
		return false, err
	}
	var sum [md5.Size]byte
	if news := tail.News[w.Release]; news != nil && news.Target == w.Target {
		sum = news.MD5
	}
	return record.Speaks(w.Release, w.Target, sum), nil
}

// readRecord reads a release's record; false says that there is none that can be
// read, so that it is written anew.
func (d *Repository) readRecord(ctx context.Context, r index.Release) (hashes.Record, bool, error) {
	id, ok := d.held(r.JSONPath())
	if !ok {
		return hashes.Record{}, false, nil
	}
	raw, err := d.o.Repo.BlobByID(ctx, id)
	if errors.Is(err, gitrepo.ErrNotFile) {
		return hashes.Record{}, false, nil
	}
	if err != nil {
		return hashes.Record{}, false, fmt.Errorf("look up %q: %w", r.JSONPath(), err)
	}
	record, err := hashes.Parse(raw)
	return record, err == nil, nil
}
