package hackage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// known returns those of the KnownRoots that the pinned keys vouch for,
// directly or through others of them, newest first. The rest is left aside: it
// comes from places that others can write to. Expiry does not matter here,
// because an old root only has to vouch for the next one.
func (u *Upstream) known(ctx context.Context) []*tuf.Root {
	if u.o.KnownRoots == nil {
		return nil
	}
	rest := slices.Clone(u.o.KnownRoots(ctx))
	var known []*tuf.Root
	for {
		before := len(known)
		rest = slices.DeleteFunc(rest, func(raw []byte) bool {
			root, err := accept(u.o.Pinned, known, raw, time.Time{})
			if err == nil {
				known = append(known, root)
			}
			return err == nil
		})
		if len(known) == before || len(rest) == 0 {
			break
		}
	}
	slices.SortFunc(known, func(a, b *tuf.Root) int { return cmp.Compare(b.Version(), a.Version()) })
	return known
}

// accept verifies a root by the pinned keys or by any of the known roots.
func accept(pinned tuf.Pinned, known []*tuf.Root, raw []byte, now time.Time) (*tuf.Root, error) {
	root, err := pinned.VerifyRoot(raw, now)
	if err == nil || errors.Is(err, tuf.ErrExpired) {
		return root, err
	}
	for _, older := range known {
		root, chainErr := older.VerifyRoot(raw, now)
		if chainErr == nil || errors.Is(chainErr, tuf.ErrExpired) || errors.Is(chainErr, tuf.ErrRollback) {
			return root, chainErr
		}
	}
	return nil, err
}

// current returns the newest known root if it can still be in use.
func current(known []*tuf.Root, seen state.Seen, now time.Time) *tuf.Root {
	if len(known) == 0 || known[0].Version() < seen.Root {
		return nil
	}
	if expires := known[0].Expires(); !expires.IsZero() && now.After(expires) {
		return nil
	}
	return known[0]
}

// A verification is one pass over the files below the timestamp.
type verification struct {
	u     *Upstream
	seen  state.Seen
	fresh bool
	now   time.Time
	etag  string                            // of the timestamp
	early map[string]func() ([]byte, error) // what was asked for already, see askOnce
}

// root fetches upstream's root and verifies it by the pinned keys or the chain.
func (v verification) root(ctx context.Context, known []*tuf.Root) (*tuf.Root, error) {
	raw, _, err := v.u.fetchBytes(ctx, request{key: rootFile, limit: tuf.MaxRoot, fresh: v.fresh})
	if errors.Is(err, ErrTooLarge) {
		return nil, &refusal{err: err}
	}
	if err != nil {
		return nil, err
	}
	root, err := accept(v.u.o.Pinned, known, raw, v.now)
	if errors.Is(err, tuf.ErrThreshold) {
		return nil, &refusal{err: fmt.Errorf("%w. If its operator publishes those keys as the repository's own, set them with root-keys and key-threshold", err), final: true}
	}
	if err != nil {
		return nil, &refusal{err: err}
	}
	least := v.seen.Root
	if len(known) > 0 {
		least = max(least, known[0].Version())
	}
	if root.Version() < least {
		return nil, &refusal{err: fmt.Errorf("%s is version %d, but version %d was seen before: %w",
			rootFile, root.Version(), least, tuf.ErrRollback)}
	}
	return root, nil
}

// under verifies the set below a root that is trusted. raw is timestamp.json.
func (v verification) under(ctx context.Context, root *tuf.Root, raw []byte) (*Metadata, error) {
	byRoot := fmt.Sprintf("%s version %d", rootFile, root.Version())
	timestamp, err := root.VerifyTimestamp(raw, v.seen.Timestamp, v.now)
	if err != nil {
		return nil, refuse(timestampFile, byRoot, err)
	}
	byTimestamp := fmt.Sprintf("%s version %d and %s", timestampFile, timestamp.Version(), byRoot)
	raw, err = v.signed(ctx, snapshotFile, timestamp.Snapshot(), byTimestamp)
	if err != nil {
		return nil, err
	}
	snapshot, err := root.VerifySnapshot(raw, timestamp.Snapshot(), v.seen.Snapshot, v.now)
	if err != nil {
		return nil, refuse(snapshotFile, byTimestamp, err)
	}
	bySnapshot := fmt.Sprintf("%s version %d", snapshotFile, snapshot.Version())
	if err := snapshot.Root().Check(root.Raw()); err != nil {
		return nil, refuse(byRoot, bySnapshot, err)
	}
	bySnapshot += " and " + byRoot
	raw, err = v.signed(ctx, mirrorsFile, snapshot.Mirrors(), bySnapshot)
	if err != nil {
		return nil, err
	}
	mirrors, err := root.VerifyMirrors(raw, snapshot.Mirrors(), v.seen.Mirrors, v.now)
	if err != nil {
		return nil, refuse(mirrorsFile, bySnapshot, err)
	}
	return &Metadata{Root: root, Timestamp: timestamp, Snapshot: snapshot, Mirrors: mirrors, ETag: v.etag}, nil
}

// maxMetadata bounds what a signed length may ask us to keep in memory.
const maxMetadata = 16 << 20

// signed fetches a file of the signed length. The digest is left to package tuf.
func (v verification) signed(ctx context.Context, key string, info tuf.FileInfo, against string) ([]byte, error) {
	if info.Length < 0 || info.Length > maxMetadata {
		return nil, &refusal{err: fmt.Errorf("%s: %d bytes are signed, %d are the limit: %w", key, info.Length, int64(maxMetadata), ErrTooLarge)}
	}
	if early := v.early[key]; early != nil {
		if raw, err := early(); err != nil || info.Check(raw) == nil {
			return raw, err
		}
	}
	raw, _, err := v.u.fetchBytes(ctx, request{key: key, limit: info.Length, exact: true, fresh: v.fresh})
	if isMismatch(err) {
		return nil, refuse(key, against, err)
	}
	return raw, err
}
