package gitrepo

import (
	"bytes"
	"crypto"
	"fmt"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Armor block types of RFC 9580.
const (
	blockSignature  = "PGP SIGNATURE"
	blockPrivateKey = "PGP PRIVATE KEY BLOCK"
	blockPublicKey  = "PGP PUBLIC KEY BLOCK"
)

// A Signer signs with one OpenPGP key: its newest signing subkey, or the
// primary key itself.
type Signer struct {
	key       *openpgp.Entity
	config    *packet.Config // of signing
	public    []byte         // armored
	publicKey openpgp.EntityList
	expires   time.Time // zero: never
	now       func() time.Time
}

// Identity returns the name and address of the key's primary user id.
func (s *Signer) Identity() Identity {
	user := s.key.PrimaryIdentity().UserId
	id := Identity{Name: plainName(user.Name), Email: plainName(user.Email)}
	if id.Name == "" {
		id.Name = id.Email
	}
	if id.Name == "" {
		id.Name = s.Fingerprint()
	}
	return id
}

// plainName drops what git cannot have in a name.
func plainName(name string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if isControl(r) || r == '<' || r == '>' {
			return -1
		}
		return r
	}, name))
}

// Fingerprint returns that of the primary key, in upper-case hexadecimal.
func (s *Signer) Fingerprint() string { return fingerprint(s.key) }

func fingerprint(key *openpgp.Entity) string { return fmt.Sprintf("%X", key.PrimaryKey.Fingerprint) }

// PublicKey returns the public key, armored.
func (s *Signer) PublicKey() []byte { return bytes.Clone(s.public) }

// Expires returns when the primary key or the part that signs expires,
// whichever is first; false if neither does.
func (s *Signer) Expires() (time.Time, bool) { return s.expires, !s.expires.IsZero() }

// sign returns an armored signature over the bytes.
func (s *Signer) sign(signed []byte) (string, error) {
	var raw, text bytes.Buffer
	if err := openpgp.DetachSign(&raw, s.key, bytes.NewReader(signed), s.config); err != nil {
		return "", fmt.Errorf("sign with key %s: %w", s.Fingerprint(), err)
	}
	if err := armored(&text, blockSignature, raw.Bytes()); err != nil {
		return "", fmt.Errorf("sign with key %s: %w", s.Fingerprint(), err)
	}
	return text.String(), nil
}

// verify holds a signature of ours against the public key alone.
func (s *Signer) verify(signed []byte, signature string) error {
	_, err := verify(s.publicKey, signed, signature, s.now)
	return err
}

// VerifySignature checks an armored signature over the bytes against a public
// key, armored or binary, that must be valid at now, and returns the primary
// fingerprint of the key. Tag and Commit have both parts when they are read.
func VerifySignature(publicKey, signed []byte, signature string, now time.Time) (string, error) {
	keys, err := readKeys(publicKey)
	if err != nil {
		return "", fmt.Errorf("read public key: %w", err)
	}
	return verify(keys, signed, signature, func() time.Time { return now })
}

func verify(keys openpgp.EntityList, signed []byte, signature string, now func() time.Time) (string, error) {
	block, err := armor.Decode(strings.NewReader(signature))
	if err != nil || block.Type != blockSignature {
		return "", fmt.Errorf("verify signature: no armored signature: %w", ErrSignature)
	}
	by, err := openpgp.CheckDetachedSignature(keys, bytes.NewReader(signed), block.Body, &packet.Config{Time: now})
	if err != nil {
		return "", fmt.Errorf("verify signature: %w: %w", ErrSignature, err)
	}
	return fingerprint(by), nil
}

// signingConfig makes signatures that are small and the same for the same
// bytes, key and second: no random notation.
func signingConfig(id uint64, now func() time.Time) *packet.Config {
	plain := false
	return &packet.Config{
		DefaultHash:  crypto.SHA512,
		Time:         now,
		SigningKeyId: id,

		NonDeterministicSignaturesViaNotation: &plain,
	}
}

// armored writes a block with checksum and a newline at its end.
func armored(out *bytes.Buffer, kind string, raw []byte) error {
	w, err := armor.EncodeWithChecksumOption(out, kind, nil, true)
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	out.WriteByte('\n')
	return nil
}
