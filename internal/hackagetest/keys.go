package hackagetest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
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

// file is the role's path in the repository.
func (r Role) file() string { return string(r) + ".json" }

// keysOf returns the private keys of a role after they were replaced so often. They
// follow from the seed.
func keysOf(seed string, role Role, renewals int) (keys []ed25519.PrivateKey) {
	count := 1
	if role == Root {
		count = rootKeys
	}
	for i := range count {
		own := sha256.Sum256(fmt.Appendf(nil, "hackagetest %q %s %d %d", seed, role, renewals+1, i))
		keys = append(keys, ed25519.NewKeyFromSeed(own[:]))
	}
	return keys
}

// keys returns the private keys of a role as they are now.
func (s *state) keys(role Role) []ed25519.PrivateKey {
	return keysOf(s.options.Seed, role, s.renewals[role])
}

// signers returns the keys that sign the role's file: for the root, after a rotation,
// also as many of the former as their threshold asks, so that who knows those accepts
// the new.
func (s *state) signers(role Role) []ed25519.PrivateKey {
	signers := s.keys(role)
	if n := s.renewals[role]; role == Root && n > 0 {
		signers = append(signers, keysOf(s.options.Seed, Root, n-1)[:rootThreshold]...)
	}
	return signers
}

// ids returns the ids of keys.
func ids(keys []ed25519.PrivateKey) (list []string) {
	for _, key := range keys {
		list = append(list, keyID(key))
	}
	return list
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
	return envelope(signed, h.Generation().state.signers(role))
}

// RotateKeys gives timestamp and snapshot new keys, named by the next root.
func (h *Hackage) RotateKeys() {
	h.change(Root, func(s *state) {
		s.renewals[Timestamp]++
		s.renewals[Snapshot]++
	})
}

// RotateRoot replaces the root keys. The next root is signed by all new ones
// and by as many of the former as their threshold asks. After a second
// RotateRoot the first keys vouch for nothing any more: only the chain of
// roots leads from them to the present.
func (h *Hackage) RotateRoot() {
	h.change(Root, func(s *state) { s.renewals[Root]++ })
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
