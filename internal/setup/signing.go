package setup

import (
	"fmt"
	"time"
)

// A SigningKey is the key that signs what a mirror pushes, as files.
type SigningKey struct {
	// Path is of the private half, which sync takes by signing-key.
	Path string
	// Made says that it was not there before.
	Made bool
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
		return SigningKey{}, fmt.Errorf("signer: %w", err)
	}
	if s.Plan.Expires, err = parseExpires(expires, now()); err != nil {
		return SigningKey{}, fmt.Errorf("expires: %w", err)
	}
	if err := openKeys(dir); err != nil {
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
	return SigningKey{Path: k.path, Made: k.made, Fingerprint: k.signer.Fingerprint(), Public: k.signer.PublicKey()}, nil
}
