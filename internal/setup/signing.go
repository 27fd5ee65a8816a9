package setup

import (
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// A SigningKey is the key that signs what a mirror pushes, as files.
type SigningKey struct {
	// Path is of the private half, which sync takes by signing-key.
	Path string
	// Made says that it was not there before.
	Made bool
	// Locked says that it has a passphrase.
	Locked bool
	// Signer and Expires are those of the key, which may be an older one: NAME
	// <ADDRESS>, and the zero time for never.
	Signer  string
	Expires time.Time
	// Fingerprint and Public are what readers check signatures with.
	Fingerprint string
	Public      []byte
}

// MakeSigningKey makes the signing key that init makes, in the same place, or opens
// the one that is there, which is never changed. Signer is NAME <ADDRESS>, Expires
// never or an age such as 2y.
func MakeSigningKey(dir, signer, expires string, passphrase []byte, now func() time.Time) (SigningKey, error) {
	s := &Setup{Keys: dir, Passphrase: passphrase, Now: now}
	var err error
	if s.Plan.Signer, err = parseSigner(signer); err != nil {
		return SigningKey{}, &AnswerError{fmt.Errorf("signer: %w", err)}
	}
	if s.Plan.Expires, err = parseExpires(expires, now()); err != nil {
		return SigningKey{}, &AnswerError{fmt.Errorf("expires: %w", err)}
	}
	if err := makeKeysFolder(dir); err != nil {
		return SigningKey{}, err
	}
	k, err := s.signingKey(false)
	if err != nil {
		return SigningKey{}, err
	}
	defer func() { clear(k.private) }()
	if k.signer == nil {
		return SigningKey{}, fmt.Errorf("read %q: it does not exist, but its public half %q does; restore it, or remove the public half to get a new key", k.path, k.public)
	}
	made := SigningKey{Path: k.path, Made: k.made, Locked: k.locked, Signer: gitpack.SignerIdentity(k.signer).String(), Fingerprint: k.signer.Fingerprint(), Public: k.signer.PublicKey()}
	made.Expires, _ = k.signer.Expires()
	return made, nil
}

// An AnswerError is about what was answered, or left out, and not about what was
// found.
type AnswerError struct{ error }

// Unwrap returns the error without its kind.
func (e *AnswerError) Unwrap() error { return e.error }
