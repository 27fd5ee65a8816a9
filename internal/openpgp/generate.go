package openpgp

import (
	"bytes"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

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
