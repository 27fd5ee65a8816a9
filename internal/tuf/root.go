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
// not be expired. With a zero now an expired one is taken: the older roots of a
// chain need that.
//
// The error wraps one of this package's sentinels.
func (r *Root) VerifyRoot(raw []byte, now time.Time) (*Root, error) {
	next, signers, err := parseRoot(raw)
	if err == nil {
		err = r.enough(roleRoot, signers)
	}
	if err == nil {
		err = next.fresh(r.version, now)
	}
	if err != nil {
		return nil, fmt.Errorf("verify root.json with root version %d: %w", r.version, err)
	}
	return next, nil
}

// parseRoot reads a root whose signatures all fit, but may be anybody's. It also
// returns the ids of the keys that signed.
func parseRoot(raw []byte) (*Root, []string, error) {
	e, err := parseEnvelope(raw)
	if err != nil {
		return nil, nil, err
	}
	if err := checkType(e.signed, "Root"); err != nil {
		return nil, nil, err
	}
	listed, err := field[object](e.signed, "keys")
	if err != nil {
		return nil, nil, err
	}
	r := &Root{}
	if r.keys, err = parseKeys(listed); err != nil {
		return nil, nil, err
	}
	signers, err := e.signers(r.keys)
	if err != nil {
		return nil, nil, err
	}
	if r.roles, err = parseRoles(e.signed, r.keys); err != nil {
		return nil, nil, err
	}
	if r.header, err = parseHeader(raw, e.signed); err != nil {
		return nil, nil, err
	}
	return r, signers, nil
}

func parseRoles(signed object, keys keyring) (map[string]role, error) {
	listed, err := field[object](signed, "roles")
	if err != nil {
		return nil, err
	}
	roles := map[string]role{}
	for _, name := range []string{roleRoot, roleTimestamp, roleSnapshot, roleTargets, roleMirrors} {
		spec, err := field[object](listed, name)
		if err != nil {
			return nil, fmt.Errorf("roles: %w", err)
		}
		if roles[name], err = parseRole(spec, keys); err != nil {
			return nil, fmt.Errorf("role %s: %w", name, err)
		}
	}
	return roles, nil
}

func parseRole(spec object, keys keyring) (role, error) {
	threshold, err := field[int64](spec, "threshold")
	if err != nil {
		return role{}, err
	}
	list, err := field[[]Value](spec, "keyids")
	if err != nil {
		return role{}, err
	}
	if err := checkCount("key ids", len(list)); err != nil {
		return role{}, err
	}
	r := role{threshold: threshold}
	for _, item := range list {
		id, err := as[string](item)
		if err != nil {
			return role{}, fmt.Errorf("field \"keyids\": %w", err)
		}
		if _, ok := keys[id]; !ok {
			return role{}, fmt.Errorf("key %.80q: %w", id, ErrUnknownKey)
		}
		r.keyIDs = append(r.keyIDs, id)
	}
	return r, nil
}

// enough refuses signers that are too few for the role. A threshold below one,
// which would let anybody play the role, is not met by anything.
func (r *Root) enough(name string, signers []string) error {
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

// open verifies one of the other files, up to its header.
func (r *Root) open(role, fileType string, raw []byte, minVersion int64, now time.Time) (object, header, error) {
	e, err := parseEnvelope(raw)
	if err != nil {
		return nil, header{}, err
	}
	signers, err := e.signers(r.keys)
	if err != nil {
		return nil, header{}, fmt.Errorf("with root version %d: %w", r.version, err)
	}
	if err := checkType(e.signed, fileType); err != nil {
		return nil, header{}, err
	}
	if err := r.enough(role, signers); err != nil {
		return nil, header{}, fmt.Errorf("with root version %d: %w", r.version, err)
	}
	h, err := parseHeader(raw, e.signed)
	if err == nil {
		err = h.fresh(minVersion, now)
	}
	return e.signed, h, err
}
