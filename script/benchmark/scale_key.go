package main

import (
	"bytes"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// newKey makes an armored key to sign with: Ed25519, or RSA with 4096 bits.
func newKey(algorithm packet.PublicKeyAlgorithm) ([]byte, error) {
	entity, err := openpgp.NewEntity("Benchmark", "", "benchmark@example.org", &packet.Config{Algorithm: algorithm, RSABits: 4096})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PrivateKeyType, nil)
	if err != nil {
		return nil, err
	}
	if err := entity.SerializePrivate(w, nil); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}
