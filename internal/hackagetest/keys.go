package hackagetest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"time"
)

// A Role signs one of the metadata files.
type Role string

// The roles that sign a file; root.json has a fifth, targets, for packages'
// authors, which no repository uses yet.
const (
	Root      Role = "root"
	Timestamp Role = "timestamp"
	Snapshot  Role = "snapshot"
	Mirrors   Role = "mirrors"
	targets   Role = "targets"
)

const (
	rootKeys      = 3
	rootThreshold = 2
)

// signedFiles lists the roles that have a file of their own.
func signedFiles() []Role { return []Role{Root, Timestamp, Snapshot, Mirrors} }

// file is the role's path in the repository.
func (r Role) file() string { return string(r) + ".json" }

// A keyring holds the private keys of every role.
type keyring struct {
	seed  string
	epoch map[Role]int
	keys  map[Role][]ed25519.PrivateKey
	// outgoing are the former root keys that sign the root after a rotation
	// besides the new ones, so that who knows the former accepts the new.
	outgoing []ed25519.PrivateKey
}

func newKeyring(seed string) keyring {
	k := keyring{seed: seed, epoch: map[Role]int{}, keys: map[Role][]ed25519.PrivateKey{}}
	for _, role := range []Role{Root, Timestamp, Snapshot, Mirrors, targets} {
		k.renew(role)
	}
	return k
}

// renew gives the role new keys, which follow from the seed.
func (k *keyring) renew(role Role) {
	count := 1
	if role == Root {
		count = rootKeys
	}
	k.epoch[role]++
	k.keys[role] = nil
	for i := range count {
		seed := sha256.Sum256(fmt.Appendf(nil, "hackagetest %q %s %d %d", k.seed, role, k.epoch[role], i))
		k.keys[role] = append(k.keys[role], ed25519.NewKeyFromSeed(seed[:]))
	}
}

func (k *keyring) clone() keyring {
	c := *k
	c.epoch = maps.Clone(k.epoch)
	c.keys = maps.Clone(k.keys)
	return c
}

// ids returns the key ids of a role.
func (k *keyring) ids(role Role) []string {
	var ids []string
	for _, key := range k.keys[role] {
		ids = append(ids, keyID(key))
	}
	return ids
}

// signers returns the keys that sign the role's file.
func (k *keyring) signers(role Role) []ed25519.PrivateKey {
	signers := k.keys[role]
	if role == Root {
		signers = append(signers[:len(signers):len(signers)], k.outgoing...)
	}
	return signers
}

// publicKey is the JSON form of a key's public half.
func publicKey(key ed25519.PrivateKey) object {
	public := key.Public().(ed25519.PublicKey)
	return object{
		"keytype": "ed25519",
		"keyval":  object{"public": base64.StdEncoding.EncodeToString(public)},
	}
}

// keyID is the SHA-256 of the public key's canonical form.
func keyID(key ed25519.PrivateKey) string {
	sum := sha256.Sum256(canonical(publicKey(key)))
	return hex.EncodeToString(sum[:])
}

// envelope signs an object and returns the file: signatures and signed.
func envelope(signed object, keys []ed25519.PrivateKey) []byte {
	message := canonical(signed)
	signatures := []any{}
	for _, key := range keys {
		signatures = append(signatures, object{
			"keyid":  keyID(key),
			"method": "ed25519",
			"sig":    base64.StdEncoding.EncodeToString(ed25519.Sign(key, message)),
		})
	}
	return canonical(object{"signatures": signatures, "signed": signed})
}

// Sign returns a metadata file of any content, signed as role's file is now.
// With [Generation.With] it makes files that are wrong but well signed.
func (h *Hackage) Sign(role Role, signed map[string]any) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return envelope(signed, h.state.keys.signers(role))
}

// RotateKeys gives timestamp and snapshot new keys, named by the next root.
func (h *Hackage) RotateKeys() {
	h.change(Root, func(s *state) {
		s.keys.renew(Timestamp)
		s.keys.renew(Snapshot)
	})
}

// RotateRoot replaces the root keys. The next root is signed by all new ones
// and by as many of the former as their threshold asks. After a second
// RotateRoot the first keys vouch for nothing any more: only the chain of
// roots leads from them to the present.
func (h *Hackage) RotateRoot() {
	h.change(Root, func(s *state) {
		s.keys.outgoing = s.keys.keys[Root][:rootThreshold]
		s.keys.renew(Root)
	})
}

// Resign signs timestamp and snapshot anew without another change, as Hackage
// does every day.
func (h *Hackage) Resign() { h.change(Snapshot, func(*state) {}) }

// SetExpiry changes when the role's file expires; the zero time is never. With
// a Lifetime it lasts for timestamp and snapshot until they are signed again.
func (h *Hackage) SetExpiry(role Role, at time.Time) {
	h.change(role, func(s *state) { s.expires[role] = at.UTC().Truncate(time.Second) })
}

// Expire makes the role's file one that expired in 2002.
func (h *Hackage) Expire(role Role) {
	h.SetExpiry(role, time.Date(2002, 1, 1, 0, 0, 0, 0, time.UTC))
}

// SetMirrors changes the addresses in mirrors.json.
func (h *Hackage) SetMirrors(addresses ...string) {
	h.change(Mirrors, func(s *state) { s.mirrors = addresses })
}
