package allcabal

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// Wants returns the tarballs whose digests the repository lacks.
func (d *Repository) Wants(ctx context.Context, tail *index.Delta) ([]state.Want, error) {
	if d.adopting != "" && d.tree == nil {
		if err := d.listTree(ctx); err != nil {
			return nil, err
		}
	}
	if !d.o.Hashes {
		return nil, nil
	}
	all := d.state.Wants(tail, state.Rotation{})
	if d.adopting == "" {
		return all, nil
	}
	if err := d.compareRecords(ctx, tail, all); err != nil {
		return nil, err
	}
	var wants []state.Want
	var rewritten firstNames
	for _, w := range all {
		if d.mismatched[w.Release] {
			rewritten.add(w.Release.JSONPath())
		}
		if d.full || !d.recordMatches(w.Release) {
			wants = append(wants, w)
		}
	}
	if rewritten.n > 0 {
		d.notify("%s: it differs from what the index says of the tarball, or is not a record of hashes; rewritten", rewritten)
	}
	return wants, nil
}

// lookUp finds out what the base holds at the paths that a run reads or
// writes, so that all of it is fetched in a few steps. Of an adopted tree
// everything is known already.
func (d *Repository) lookUp(ctx context.Context, in Input, wants []state.Want) error {
	if d.adopting == "" {
		d.compared = nil
		if err := d.lookUpFiles(ctx, d.pathsOf(in)); err != nil {
			return err
		}
	}
	if err := d.matchEntries(in); err != nil {
		return err
	}
	return d.compareRecords(ctx, in.Tail, wants)
}

// pathsOf returns the paths that a run may read or write.
func (d *Repository) pathsOf(in Input) []string {
	var paths []string
	add := func(r index.Release) {
		paths = append(paths, r.CabalPath())
		if d.o.Hashes {
			paths = append(paths, r.JSONPath())
		}
	}
	from := d.state.Position.Length
	for _, r := range in.Tail.Order {
		n := in.Tail.Changes[r]
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

// listed reports whether the base holds a release, that is, its JSON record.
func (d *Repository) listed(r index.Release) bool {
	_, ok := d.tree.id(r.JSONPath())
	return ok
}

// compareRecords finds out which records of the base are not of the wanted tarball.
func (d *Repository) compareRecords(ctx context.Context, tail *index.Delta, wants []state.Want) error {
	if d.compared == tail {
		return nil
	}
	if err := d.fetchRecords(ctx, wants); err != nil {
		return err
	}
	d.mismatched = map[index.Release]bool{}
	for _, w := range wants {
		if !d.listed(w.Release) {
			continue
		}
		record, ok, err := d.readRecord(ctx, w.Release)
		if err != nil {
			return err
		}
		var sum [md5.Size]byte
		if news := tail.Changes[w.Release]; news != nil && news.Target == w.Target {
			sum = news.MD5
		}
		if !ok || !record.Speaks(w.Release, w.Target, sum) {
			d.mismatched[w.Release] = true
		}
	}
	d.compared = tail
	return nil
}

// recordMatches reports whether the base holds a record of the wanted tarball that
// says nothing else. Such a record is kept byte for byte, in whichever of its
// historical forms.
func (d *Repository) recordMatches(r index.Release) bool { return d.listed(r) && !d.mismatched[r] }

// fetchRecords fetches the records that the tree holds of wanted releases.
func (d *Repository) fetchRecords(ctx context.Context, wants []state.Want) error {
	var ids []string
	for _, w := range wants {
		if id, ok := d.tree.id(w.Release.JSONPath()); ok {
			ids = append(ids, id.String())
		}
	}
	if err := d.o.Repo.FetchObjects(ctx, ids...); err != nil {
		return fmt.Errorf("fetch %d records: %w", len(ids), err)
	}
	return nil
}

// readRecord reads a release's record; false says that there is none that can be
// read, so that it is written anew.
func (d *Repository) readRecord(ctx context.Context, r index.Release) (hashes.Record, bool, error) {
	id, ok := d.tree.id(r.JSONPath())
	if !ok {
		return hashes.Record{}, false, nil
	}
	raw, err := d.o.Repo.BlobByID(ctx, id.String())
	if errors.Is(err, gitrepo.ErrNotFile) {
		return hashes.Record{}, false, nil
	}
	if err != nil {
		return hashes.Record{}, false, fmt.Errorf("look up %q: %w", r.JSONPath(), err)
	}
	record, err := hashes.Parse(raw)
	return record, err == nil, nil
}
