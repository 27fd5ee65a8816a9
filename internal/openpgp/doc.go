// Package openpgp makes and reads OpenPGP keys (RFC 9580 and its forerunners) and
// signs and verifies with them, by go-crypto's second interface.
//
// It accepts what gpg accepts, and what it signs with a key, gpg and git verify:
// so no key that only RFC 9580 knows. A key may come as people have it: armored,
// binary, with text around, its public half in front, in several blocks, and
// with parts that are kept elsewhere (offline, or on a card) or that nobody here
// understands, such as subkeys for encryption of a later version. Every refusal
// says what is wrong with the key at hand.
//
// # Time
//
// A key is known by the fingerprint of its primary key. When it ends is what its
// newest signature on itself says, whenever that was made, so a key whose end was
// moved is the same key. A signature counts if its part of the key was valid at
// the time that the signature names, also after that part has expired. A revoked
// key counts for nothing, unless it was only retired or superseded: then what it
// signed before still counts.
package openpgp

import "errors"

// Errors of keys and signatures.
var (
	// ErrPassphrase says that the passphrase is wrong or lacking.
	ErrPassphrase = errors.New("the passphrase is wrong or missing")
	// ErrNotPrivate says that the text is not a private OpenPGP key.
	ErrNotPrivate = errors.New("not a private OpenPGP key")
	// ErrNotPublic says that there is no OpenPGP key in the text.
	ErrNotPublic = errors.New("not an OpenPGP key or fingerprint")
	// ErrKeyExpired says that the signing key has expired.
	ErrKeyExpired = errors.New("the signing key has expired")
	// ErrCannotSign says that no part of the key can sign.
	ErrCannotSign = errors.New("the key cannot sign")
	// ErrSignature says that a signature is not by one of the keys over these bytes.
	ErrSignature = errors.New("the signature does not verify")
)

// An UnknownKeyError says that a signature is by none of the keys. It is an
// ErrSignature.
type UnknownKeyError struct {
	// Issuer is the fingerprint of the part that signed, as the signature has
	// it; of old signatures only its key id, the last 16 digits.
	Issuer string
}

// Error returns the message with the issuer.
func (e *UnknownKeyError) Error() string {
	return "it is by the key " + e.Issuer + ", which is not a known one"
}

// Unwrap returns ErrSignature.
func (*UnknownKeyError) Unwrap() error { return ErrSignature }
