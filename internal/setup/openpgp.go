package setup

import (
	"bytes"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
)

// privateBlock is the armor type of a private key (RFC 9580, section 6.2).
const privateBlock = "PGP PRIVATE KEY BLOCK"

// newSigningKey makes an Ed25519 key that signs and does nothing else, armored.
// A zero expires is never; an empty passphrase is none.
func newSigningKey(id gitrepo.Identity, passphrase []byte, now, expires time.Time) ([]byte, error) {
	text, err := signingKeyText(id, passphrase, now, expires)
	if err != nil {
		return nil, fmt.Errorf("make a signing key for %q: %w", id.String(), err)
	}
	return text, nil
}

func signingKeyText(id gitrepo.Identity, passphrase []byte, now, expires time.Time) ([]byte, error) {
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return now }}
	if !expires.IsZero() {
		config.KeyLifetimeSecs = uint32(expires.Sub(now) / time.Second)
	}
	entity, err := openpgp.NewEntity(id.Name, "", id.Email, config)
	if err != nil {
		return nil, err
	}
	entity.Subkeys = nil // it comes with one for encryption
	if len(passphrase) > 0 {
		if err := entity.EncryptPrivateKeys(passphrase, config); err != nil {
			return nil, err
		}
	}
	var raw, text bytes.Buffer
	if err := entity.SerializePrivateWithoutSigning(&raw, nil); err != nil {
		return nil, err
	}
	w, err := armor.EncodeWithChecksumOption(&text, privateBlock, nil, true)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw.Bytes()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return append(text.Bytes(), '\n'), nil
}

// openPGPFingerprint returns the fingerprint of an armored key.
func openPGPFingerprint(text []byte) (string, error) {
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%X", keys[0].PrimaryKey.Fingerprint), nil
}
