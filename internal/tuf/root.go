package tuf

import (
	"fmt"
	"slices"
	"time"
)

// MaxRoot is the largest root.json to download, in bytes: at the start nothing
// says how long it is.
const MaxRoot = 4 << 20

// The roles that every root.json gives out.
const (
	roleRoot      = "root"
	roleTimestamp = "timestamp"
	roleSnapshot  = "snapshot"
	roleTargets   = "targets"
	roleMirrors   = "mirrors"
)

// A Root is a verified root.json. It verifies the other files and its own
// successor. Only [Pinned.VerifyRoot] and [Root.VerifyRoot] make one; the zero
// Root trusts nobody.
type Root struct {
	header
	keys  keyring
	roles map[string]role
}

// A role says whose signatures count, and how many there must be.
type role struct {
	keyIDs    []string
	threshold int64
}

// VerifyRoot verifies a root.json that follows r, or is r again. Its signatures
// are by keys of its own; those of r's root keys are counted against r's
// threshold, its version must not be lower than r's, and at the time now it must
// not be expired. With a zero now an expired one is accepted: the older roots of a
// chain need that.
func (r *Root) VerifyRoot(raw []byte, now time.Time) (*Root, error) {
	next, signers, err := parseRoot(raw)
	if err == nil {
		err = r.checkThreshold(roleRoot, signers)
	}
	if err == nil {
		err = next.checkFresh(r.version, now)
	}
	if err != nil {
		return nil, fmt.Errorf("verify root.json with root version %d: %w", r.version, err)
	}
	return next, nil
}

// parseRoot reads a root whose signatures all fit, but may be anybody's. It also
// returns the ids of the keys that signed.
func parseRoot(raw []byte) (*Root, []string, error) {
	var r reader
	e := r.envelope(raw)
	r.checkType(e.signed, "Root")
	root := &Root{keys: r.keys(field[object](&r, e.signed, "keys"))}
	signers := r.signers(e, root.keys)
	root.roles = r.roles(field[object](&r, e.signed, "roles"), root.keys)
	root.header = r.header(raw, e.signed)
	if r.err != nil {
		return nil, nil, r.err
	}
	return root, signers, nil
}

func (r *reader) roles(listed object, keys keyring) map[string]role {
	roles := map[string]role{}
	for _, name := range []string{roleRoot, roleTimestamp, roleSnapshot, roleTargets, roleMirrors} {
		var spec object
		r.wrapping(func() { spec = field[object](r, listed, name) }, "roles")
		r.wrapping(func() { roles[name] = r.role(spec, keys) }, "role %s", name)
	}
	return roles
}

func (r *reader) role(spec object, keys keyring) role {
	role := role{threshold: field[int64](r, spec, "threshold")}
	list := field[[]Value](r, spec, "keyids")
	r.checkCount("key ids", len(list))
	for _, item := range list {
		var id string
		r.wrapping(func() { id = asType[string](r, item) }, `field "keyids"`)
		if _, ok := keys[id]; !ok {
			r.refuse("key %.80q: %w", id, ErrUnknownKey)
		}
		role.keyIDs = append(role.keyIDs, id)
	}
	return role
}

// checkThreshold refuses signers that are too few for the role. A threshold below one,
// which would let anybody play the role, is not met by anything.
func (r *Root) checkThreshold(name string, signers []string) error {
	role := r.roles[name]
	count := int64(0)
	for _, id := range signers {
		if slices.Contains(role.keyIDs, id) {
			count++
		}
	}
	if role.threshold < 1 || count < role.threshold {
		return fmt.Errorf("%d signatures by keys of the role %s, which needs %d: %w",
			count, name, max(role.threshold, 1), ErrThreshold)
	}
	return nil
}

// verifyRole verifies one of the other files, up to its header.
func (r *Root) verifyRole(from *reader, role, fileType string, raw []byte, minVersion int64, now time.Time) (object, header) {
	e := from.envelope(raw)
	var signers []string
	from.wrapping(func() { signers = from.signers(e, r.keys) }, "with root version %d", r.version)
	from.checkType(e.signed, fileType)
	from.wrapping(func() { from.check(r.checkThreshold(role, signers)) }, "with root version %d", r.version)
	h := from.header(raw, e.signed)
	from.check(h.checkFresh(minVersion, now))
	return e.signed, h
}
