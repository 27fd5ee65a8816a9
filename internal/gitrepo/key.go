package gitrepo

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// NewSigner reads one private key, armored or binary, as gpg --export-secret-keys
// or --export-secret-subkeys writes it, and tries it. The passphrase is not used
// if the key has none. now stamps the signatures. Errors are ErrNotPrivate,
// ErrPassphrase, ErrKeyExpired and ErrCannotSign.
func NewSigner(key, passphrase []byte, now func() time.Time) (*Signer, error) {
	entity, err := readPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	s := &Signer{key: entity, now: now}
	if err := s.open(passphrase); err != nil {
		return nil, fmt.Errorf("use signing key %s: %w", s.Fingerprint(), err)
	}
	return s, nil
}

// open chooses the part that signs, unlocks it, and signs once to see that all
// fits.
func (s *Signer) open(passphrase []byte) error {
	part, err := chooseSigning(s.key, s.now())
	if err != nil {
		return err
	}
	if err := unlock(part.secret, passphrase); err != nil {
		return err
	}
	s.config, s.expires = signingConfig(part.secret.KeyId, s.now), part.expires
	var raw, text bytes.Buffer
	if err := s.key.Serialize(&raw); err != nil {
		return fmt.Errorf("take out the public key: %w", err)
	}
	if err := armored(&text, blockPublicKey, raw.Bytes()); err != nil {
		return fmt.Errorf("take out the public key: %w", err)
	}
	s.public = text.Bytes()
	if s.publicKey, err = openpgp.ReadKeyRing(&raw); err != nil {
		return fmt.Errorf("take out the public key: %w", err)
	}
	trial := []byte("a signature to try the key\n")
	signature, err := s.sign(trial)
	if err == nil {
		err = s.verify(trial, signature)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCannotSign, err)
	}
	return nil
}

// readPrivateKey takes a text with exactly one key, which has a private part.
func readPrivateKey(text []byte) (*openpgp.Entity, error) {
	keys, err := readKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotPrivate, err)
	}
	if len(keys) != 1 {
		return nil, fmt.Errorf("the text holds %d keys, one is needed: %w", len(keys), ErrCannotSign)
	}
	if keys[0].PrivateKey != nil {
		return keys[0], nil
	}
	return nil, fmt.Errorf("%s is a public key; export the private one (gpg --armor --export-secret-keys): %w", fingerprint(keys[0]), ErrNotPrivate)
}

// readKeys reads a key ring in either form.
func readKeys(text []byte) (openpgp.EntityList, error) {
	if trimmed := bytes.TrimSpace(text); bytes.HasPrefix(trimmed, []byte("-----BEGIN")) {
		return openpgp.ReadArmoredKeyRing(bytes.NewReader(unixLines(trimmed)))
	}
	if len(text) == 0 {
		return nil, errors.New("it is empty")
	}
	return openpgp.ReadKeyRing(bytes.NewReader(text))
}

// A signingPart is a primary key or subkey that may sign.
type signingPart struct {
	secret  *packet.PrivateKey
	made    time.Time
	expires time.Time // its own or the primary key's, zero: never
	primary bool
}

// chooseSigning takes the newest subkey that may sign and is here, else the
// primary key. Parts without their secret (kept offline, or on a card) do not
// count.
func chooseSigning(key *openpgp.Entity, now time.Time) (signingPart, error) {
	self, _ := key.PrimarySelfSignature()
	if self == nil || key.Revoked(now) {
		return signingPart{}, fmt.Errorf("revoked or without a valid self-signature: %w", ErrCannotSign)
	}
	if key.PrimaryKey.CreationTime.After(now) {
		return signingPart{}, fmt.Errorf("made at %s, which is still to come: %w", key.PrimaryKey.CreationTime.UTC().Format(time.RFC3339), ErrCannotSign)
	}
	end := expiry(key.PrimaryKey, self)
	if over(end, now) {
		return signingPart{}, expired(end)
	}
	var best signingPart
	var ended time.Time // of the part that would have been good longest
	for _, part := range signingParts(key, self, now) {
		part.expires = earlier(part.expires, end)
		switch {
		case over(part.expires, now):
			if part.expires.After(ended) {
				ended = part.expires
			}
		case best.secret == nil || best.primary || !part.primary && part.made.After(best.made):
			best = part
		}
	}
	switch {
	case best.secret != nil:
		return best, nil
	case !ended.IsZero():
		return signingPart{}, expired(ended)
	}
	return signingPart{}, fmt.Errorf("no private part of it is for signing: %w", ErrCannotSign)
}

// signingParts lists what may sign and is here, the primary key first.
func signingParts(key *openpgp.Entity, self *packet.Signature, now time.Time) []signingPart {
	var parts []signingPart
	if here(key.PrivateKey) && self.FlagsValid && self.FlagSign {
		parts = append(parts, signingPart{key.PrivateKey, self.CreationTime, expiry(key.PrimaryKey, self), true})
	}
	for _, sub := range key.Subkeys {
		if here(sub.PrivateKey) && sub.Sig.FlagsValid && sub.Sig.FlagSign && !sub.Revoked(now) {
			parts = append(parts, signingPart{sub.PrivateKey, sub.Sig.CreationTime, expiry(sub.PublicKey, sub.Sig), false})
		}
	}
	return parts
}

func here(secret *packet.PrivateKey) bool {
	return secret != nil && !secret.Dummy() && secret.PubKeyAlgo.CanSign()
}

// expiry returns when a key ends by its self-signature, zero if never.
func expiry(key *packet.PublicKey, self *packet.Signature) time.Time {
	if self.KeyLifetimeSecs == nil || *self.KeyLifetimeSecs == 0 {
		return time.Time{}
	}
	return key.CreationTime.Add(time.Duration(*self.KeyLifetimeSecs) * time.Second).UTC()
}

func over(end, now time.Time) bool { return !end.IsZero() && !now.Before(end) }

// earlier returns the first of two ends, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func expired(end time.Time) error {
	return fmt.Errorf("%w on %s; extend it (gpg --quick-set-expire) and give its new export", ErrKeyExpired, end.Format(time.RFC3339))
}

// unlock opens the part with the passphrase. A text read from a file often has
// a newline too many, so that is tried without it as well.
func unlock(secret *packet.PrivateKey, passphrase []byte) error {
	if !secret.Encrypted {
		return nil
	}
	if len(passphrase) == 0 {
		return fmt.Errorf("the key is locked: %w", ErrPassphrase)
	}
	if secret.Decrypt(passphrase) == nil || secret.Decrypt(bytes.TrimRight(passphrase, "\r\n")) == nil {
		return nil
	}
	return ErrPassphrase
}

// GenerateKey makes an Ed25519 key that signs, never expires and has no
// passphrase, armored.
func GenerateKey(id Identity, now time.Time) ([]byte, error) {
	key, err := openpgp.NewEntity(id.Name, "", id.Email, &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA,
		Time:      func() time.Time { return now },
	})
	if err != nil {
		return nil, fmt.Errorf("make signing key for %q: %w", id.String(), err)
	}
	key.Subkeys = nil // it comes with one for encryption
	var raw, text bytes.Buffer
	if err := key.SerializePrivateWithoutSigning(&raw, nil); err != nil {
		return nil, fmt.Errorf("make signing key for %q: %w", id.String(), err)
	}
	if err := armored(&text, blockPrivateKey, raw.Bytes()); err != nil {
		return nil, fmt.Errorf("make signing key for %q: %w", id.String(), err)
	}
	return text.Bytes(), nil
}
