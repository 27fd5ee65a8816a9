package openpgp

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// A Signer signs with one OpenPGP key: its newest signing subkey whose private
// part is here, or the primary key itself.
type Signer struct {
	key     *key
	part    part
	user    packet.UserId // the primary one
	public  []byte        // armored
	trusted Keys
	now     func() time.Time
}

// NewSigner reads one private key as gpg --export-secret-keys or
// --export-secret-subkeys writes it, in any form that the room reads, and tries
// it. The passphrase is not used if the key has none. now stamps the signatures.
// Errors are ErrNotPrivate, ErrPassphrase, ErrKeyExpired and ErrCannotSign.
func NewSigner(text, passphrase []byte, now func() time.Time) (*Signer, error) {
	k, err := readPrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	s := &Signer{key: k, now: now}
	if err := s.open(passphrase); err != nil {
		return nil, fmt.Errorf("use signing key %s: %w", s.Fingerprint(), err)
	}
	return s, nil
}

// readPrivateKey reads a text with one key that has a private half; the public
// halves of others may stand beside it.
func readPrivateKey(text []byte) (*key, error) {
	keys, err := readKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotPrivate, err)
	}
	private := slices.DeleteFunc(slices.Clone(keys), func(k *key) bool { return !k.hasPrivate() })
	switch len(private) {
	case 0:
		return nil, fmt.Errorf("%s is a public key; export the private one (gpg --armor --export-secret-keys): %w", keys[0].fingerprint(), ErrNotPrivate)
	case 1:
		return private[0], nil
	}
	var names []string
	for _, k := range private {
		names = append(names, k.fingerprint())
	}
	return nil, fmt.Errorf("the text holds %d keys (%s), one is needed: %w", len(private), strings.Join(names, ", "), ErrCannotSign)
}

// open chooses the part that signs, unlocks it, and tries it by one signature.
func (s *Signer) open(passphrase []byte) (err error) {
	if s.part, err = s.key.signingPart(s.now()); err != nil {
		return err
	}
	if err := unlock(s.part.secret, passphrase); err != nil {
		return err
	}
	if _, id := s.key.PrimaryIdentity(always, defaults()); id != nil {
		s.user = *id.UserId
	}
	if s.public, err = s.key.export(); err == nil {
		s.trusted, err = ReadKeys(s.public)
	}
	if err != nil {
		return fmt.Errorf("take out the public key: %w", err)
	}
	trial := []byte("a signature to try the key\n")
	signature, err := s.sign(trial)
	if err == nil {
		err = s.Verify(trial, signature)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCannotSign, err)
	}
	return nil
}

// signingPart returns the newest subkey that may sign and is here, else the primary
// key.
func (k *key) signingPart(now time.Time) (part, error) {
	var best part
	var ended time.Time // of the part that would have been good longest
	var why []string
	for i, p := range k.parts() {
		whyNot := p.whyNot(now)
		switch {
		case whyNot != "":
		case !p.here() && k.away[p.public.KeyId] != "":
			whyNot = "signs, but " + k.away[p.public.KeyId]
		case !p.here():
			whyNot = "signs, but its private part is not there"
		case p.expired(now):
			whyNot = "has expired"
			if p.expires.After(ended) {
				ended = p.expires
			}
		case best.secret == nil || i > 0 && (best.public == k.PrimaryKey || p.public.CreationTime.After(best.public.CreationTime)):
			best = p
		}
		if whyNot != "" {
			why = append(why, partName(i, p)+" "+whyNot)
		}
	}
	switch {
	case best.secret != nil:
		return best, nil
	case !ended.IsZero():
		return part{}, fmt.Errorf("%w on %s; extend it (gpg --quick-set-expire) and export it again", ErrKeyExpired, ended.Format(time.RFC3339))
	}
	return part{}, fmt.Errorf("%w: %s", ErrCannotSign, strings.Join(why, "; "))
}

// partName is how people know a part.
func partName(i int, p part) string {
	if i == 0 {
		return "the primary key"
	}
	return "subkey " + p.public.KeyIdString()
}

// unlock opens a part with the passphrase. A text that was pasted often has
// line ends and blanks too many, so it is tried without them as well.
func unlock(secret *packet.PrivateKey, passphrase []byte) error {
	if !secret.Encrypted {
		return nil
	}
	if len(passphrase) == 0 {
		return fmt.Errorf("the key is locked: %w", ErrPassphrase)
	}
	for _, try := range [][]byte{passphrase, bytes.TrimRight(passphrase, "\r\n"), bytes.TrimSpace(passphrase)} {
		if secret.Decrypt(try) == nil {
			return nil
		}
	}
	return ErrPassphrase
}

// User returns the name and the mail address of the key's primary user id; what
// the user id lacks is "".
func (s *Signer) User() (name, email string) { return s.user.Name, s.user.Email }

// Fingerprint returns that of the primary key, in upper-case hexadecimal.
func (s *Signer) Fingerprint() string { return s.key.fingerprint() }

// PublicKey returns the public key, armored.
func (s *Signer) PublicKey() []byte { return bytes.Clone(s.public) }

// Keys returns the public key as one to verify with.
func (s *Signer) Keys() Keys { return s.trusted }

// Expires returns when the primary key or the part that signs expires,
// whichever is first; false if neither does.
func (s *Signer) Expires() (time.Time, bool) { return s.part.expires, !s.part.expires.IsZero() }

// Sign returns an armored signature over the bytes, the same for the same bytes,
// key and second if the algorithm allows it.
func (s *Signer) Sign(signed []byte) (string, error) {
	signature, err := s.sign(signed)
	if err != nil {
		return "", fmt.Errorf("sign with key %s: %w", s.Fingerprint(), err)
	}
	return signature, nil
}

// Verify checks a signature of ours by the public key alone.
func (s *Signer) Verify(signed []byte, signature string) error {
	_, err := s.trusted.Verify(signed, signature, s.now())
	return err
}

func (s *Signer) sign(signed []byte) (string, error) {
	plain := false // no notation of random bytes
	config := &packet.Config{NonDeterministicSignaturesViaNotation: &plain}
	secret := s.part.secret
	sig := &packet.Signature{
		Version: secret.Version, SigType: packet.SigTypeBinary, PubKeyAlgo: secret.PubKeyAlgo,
		Hash: crypto.SHA512, CreationTime: s.now(),
		IssuerKeyId: &secret.KeyId, IssuerFingerprint: secret.Fingerprint, IssuerKeyVersion: uint8(secret.Version),
	}
	hash, err := sig.PrepareSign(config)
	if err != nil {
		return "", err
	}
	_, _ = hash.Write(signed) // never fails
	if err := sig.Sign(hash, secret, config); err != nil {
		return "", err
	}
	var raw bytes.Buffer
	if err := sig.Serialize(&raw); err != nil {
		return "", err
	}
	text, err := armored(blockSignature, raw.Bytes())
	return string(text), err
}

// export writes the public key, armored, always in the same order.
func (k *key) export() ([]byte, error) {
	packets := []func(io.Writer) error{k.PrimaryKey.Serialize}
	for _, sig := range slices.Concat(k.Revocations, k.DirectSignatures) {
		packets = append(packets, sig.Packet.Serialize)
	}
	for _, id := range k.identities() {
		packets = append(packets, id.Serialize)
	}
	for _, sub := range k.Subkeys {
		packets = append(packets, func(w io.Writer) error { return sub.Serialize(w, false) })
	}
	var raw bytes.Buffer
	for _, write := range packets {
		if err := write(&raw); err != nil {
			return nil, err
		}
	}
	return armored(blockPublicKey, raw.Bytes())
}

// identities returns the user ids, the primary one first.
func (k *key) identities() []*openpgp.Identity {
	_, primary := k.PrimaryIdentity(always, defaults())
	return slices.SortedFunc(maps.Values(k.Identities), func(a, b *openpgp.Identity) int {
		switch primary {
		case a:
			return -1
		case b:
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// armored returns a block with checksum and a newline at its end.
func armored(kind string, raw []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := armor.EncodeWithChecksumOption(&out, kind, nil, true)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(raw)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return append(out.Bytes(), '\n'), nil
}

// Generate makes an Ed25519 key that signs and does nothing else, armored. A
// zero expires is never; an empty passphrase is none.
func Generate(name, email string, passphrase []byte, now, expires time.Time) (text []byte, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("make a signing key for %q: %w", name+" <"+email+">", err)
		}
	}()
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return now }}
	if !expires.IsZero() {
		config.KeyLifetimeSecs = uint32(expires.Sub(now) / time.Second)
	}
	entity, err := openpgp.NewEntity(name, "", email, config)
	if err != nil {
		return nil, err
	}
	entity.Subkeys = nil // it comes with one for encryption
	if len(passphrase) > 0 {
		if err := entity.EncryptPrivateKeys(passphrase, config); err != nil {
			return nil, err
		}
	}
	var raw bytes.Buffer
	if err := entity.SerializePrivateWithoutSigning(&raw, nil); err != nil {
		return nil, err
	}
	return armored(blockPrivateKey, raw.Bytes())
}
