package tuf

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
)

// keyType is the only one there is, of keys and of signatures.
const keyType = "ed25519"

// maxSigners bounds the keys of a root.json and the signatures of a file. Hackage
// has a dozen; each signature costs a pass over the whole file.
const maxSigners = 64

// checkCount refuses more of something than maxSigners before any is looked at.
func (r *reader) checkCount(what string, n int) {
	if n > maxSigners {
		r.refuse("%d %s, and more than %d are never needed: too many (not a file of a Hackage repository)", n, what, maxSigners)
	}
}

// A keyring is the keys of a root.json by their ids.
type keyring map[string]ed25519.PublicKey

// keys refuses a key of another type, as hackage-security does, and one whose id is not
// its own.
func (r *reader) keys(keys object) keyring {
	r.checkCount("keys", len(keys))
	ring := make(keyring)
	for _, m := range keys {
		r.wrapping(func() { ring[m.name] = r.key(m.value) }, "key %.80q", m.name)
		if id := keyID(ring[m.name]); id != m.name {
			r.refuse("key %.80q has the id %s: the key does not match its id", m.name, id)
		}
		if r.err != nil {
			break
		}
	}
	return ring
}

func (r *reader) key(v Value) ed25519.PublicKey {
	key := asType[object](r, v)
	r.checkKeyType(key, "keytype")
	return r.base64(field[object](r, key, "keyval"), "public")
}

func (r *reader) checkKeyType(o object, name string) {
	if method := field[string](r, o, name); method != keyType {
		r.refuse("field %q is %.40q: not ed25519, which is the only known type", name, method)
	}
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

func (r *reader) envelope(raw []byte) envelope {
	if r.err != nil {
		return envelope{}
	}
	v, err := ParseJSON(raw)
	r.check(err)
	outer := asType[object](r, v)
	e := envelope{signed: field[object](r, outer, "signed")}
	list := field[[]Value](r, outer, "signatures")
	r.checkCount("signatures", len(list))
	for i, item := range list {
		r.wrapping(func() { e.signatures = append(e.signatures, r.signature(item)) }, "signature %d", i+1)
	}
	return e
}

func (r *reader) signature(v Value) signature {
	o := asType[object](r, v)
	s := signature{keyID: field[string](r, o, "keyid")}
	r.checkKeyType(o, "method")
	s.sig = r.base64(o, "sig")
	return s
}

// signers verifies every signature and returns the ids of the keys that made
// them. Whether these are the right keys, and enough, is for a role to say.
func (r *reader) signers(e envelope, keys keyring) []string {
	if r.err != nil {
		return nil
	}
	content := Value{e.signed}.Canonical()
	var ids []string
	for _, s := range e.signatures {
		public, ok := keys[s.keyID]
		switch {
		case slices.Contains(ids, s.keyID):
			r.refuse("signatures by key %.80q: two signatures by one key", s.keyID)
		case !ok:
			r.refuse("signature by key %.80q: %w", s.keyID, ErrUnknownKey)
		case len(public) != ed25519.PublicKeySize || !ed25519.Verify(public, content, s.sig):
			r.refuse("signature by key %s: %w", s.keyID, ErrSignature)
		}
		if r.err != nil {
			return nil
		}
		ids = append(ids, s.keyID)
	}
	return ids
}
