package tuf

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
)

// keyType is the only one there is, of keys and of signatures.
const keyType = "ed25519"

// maxSigners bounds the keys of a root.json and the signatures of a file. Hackage
// has a dozen; each signature costs a pass over the whole file.
const maxSigners = 64

// checkCount refuses more of something than maxSigners before any is looked at.
func checkCount(what string, n int) error {
	if n > maxSigners {
		return fmt.Errorf("%d %s, and more than %d are never needed: %w", n, what, maxSigners, ErrTooMany)
	}
	return nil
}

// A keyring is the keys of a root.json by their ids.
type keyring map[string]ed25519.PublicKey

// parseKeys refuses a key of another type, as hackage-security does, and one
// whose id is not its own.
func parseKeys(keys object) (keyring, error) {
	if err := checkCount("keys", len(keys)); err != nil {
		return nil, err
	}
	ring := make(keyring, len(keys))
	for _, m := range keys {
		public, err := parseKey(m.value)
		if err != nil {
			return nil, fmt.Errorf("key %.80q: %w", m.name, err)
		}
		if id := keyID(public); id != m.name {
			return nil, fmt.Errorf("key %.80q has the id %s: %w", m.name, id, ErrKeyID)
		}
		ring[m.name] = public
	}
	return ring, nil
}

func parseKey(v Value) (ed25519.PublicKey, error) {
	key, err := as[object](v)
	if err != nil {
		return nil, err
	}
	if err := checkKeyType(key, "keytype"); err != nil {
		return nil, err
	}
	keyval, err := field[object](key, "keyval")
	if err != nil {
		return nil, err
	}
	return base64Field(keyval, "public")
}

func checkKeyType(o object, name string) error {
	method, err := field[string](o, name)
	if err == nil && method != keyType {
		err = fmt.Errorf("field %q is %.40q: %w", name, method, ErrKeyType)
	}
	return err
}

// keyID hashes the canonical form of a public key.
func keyID(public ed25519.PublicKey) string {
	text := base64.StdEncoding.EncodeToString(public)
	sum := sha256.Sum256([]byte(`{"keytype":"` + keyType + `","keyval":{"public":"` + text + `"}}`))
	return hex.EncodeToString(sum[:])
}

// An envelope is a file as it arrived: what is signed, and who claims to have
// signed it.
type envelope struct {
	signed     object
	signatures []signature
}

type signature struct {
	keyID string
	sig   []byte
}

func parseEnvelope(raw []byte) (envelope, error) {
	v, err := ParseJSON(raw)
	if err != nil {
		return envelope{}, err
	}
	outer, err := as[object](v)
	if err != nil {
		return envelope{}, err
	}
	signed, err := field[object](outer, "signed")
	if err != nil {
		return envelope{}, err
	}
	list, err := field[[]Value](outer, "signatures")
	if err != nil {
		return envelope{}, err
	}
	if err := checkCount("signatures", len(list)); err != nil {
		return envelope{}, err
	}
	e := envelope{signed: signed}
	for i, item := range list {
		s, err := parseSignature(item)
		if err != nil {
			return envelope{}, fmt.Errorf("signature %d: %w", i+1, err)
		}
		e.signatures = append(e.signatures, s)
	}
	return e, nil
}

func parseSignature(v Value) (signature, error) {
	o, err := as[object](v)
	if err != nil {
		return signature{}, err
	}
	id, err := field[string](o, "keyid")
	if err != nil {
		return signature{}, err
	}
	if err := checkKeyType(o, "method"); err != nil {
		return signature{}, err
	}
	sig, err := base64Field(o, "sig")
	return signature{keyID: id, sig: sig}, err
}

// signers verifies every signature and returns the ids of the keys that made
// them. Whether these are the right keys, and enough, is for a role to say.
func (e envelope) signers(keys keyring) ([]string, error) {
	content := Value{e.signed}.Canonical()
	var ids []string
	for _, s := range e.signatures {
		if slices.Contains(ids, s.keyID) {
			return nil, fmt.Errorf("signatures by key %.80q: %w", s.keyID, ErrDuplicateKey)
		}
		public, ok := keys[s.keyID]
		if !ok {
			return nil, fmt.Errorf("signature by key %.80q: %w", s.keyID, ErrUnknownKey)
		}
		if len(public) != ed25519.PublicKeySize || !ed25519.Verify(public, content, s.sig) {
			return nil, fmt.Errorf("signature by key %s: %w", s.keyID, ErrSignature)
		}
		ids = append(ids, s.keyID)
	}
	return ids, nil
}
