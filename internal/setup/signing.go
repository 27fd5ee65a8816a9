package setup

import (
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

// A SigningKey is the key that signs what a mirror pushes, which may be older than
// what was asked for.
type SigningKey struct {
	*openpgp.Signer
	// Path is of the private half, which sync takes by signing-key.
	Path string
	// Made says that it was not there before, and Locked that it has a passphrase.
	Made, Locked bool
}

// Name is who signs: NAME <ADDRESS>.
func (k SigningKey) Name() string { return gitpack.SignerIdentity(k.Signer).String() }

// MakeSigningKey makes the signing key that init makes, in the same folder, or opens
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
	defer func() { clear(k.Private) }()
	if k.signer == nil {
		return SigningKey{}, fmt.Errorf("read %q: it does not exist, but its public half %q does; restore it, or remove the public half to get a new key", k.Path, k.Public)
	}
	return SigningKey{k.signer, k.Path, k.made, k.Locked}, nil
}

// An AnswerError is about what was answered, or left out, and not about what was
// found.
type AnswerError struct{ error }

// Unwrap returns the error without its kind.
func (e *AnswerError) Unwrap() error { return e.error }
