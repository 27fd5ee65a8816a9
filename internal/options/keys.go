package options

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/bounded"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/paste"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
)

// A keyring tells what this mirror signed, with its key of today or a former one.
type keyring struct {
	keys openpgp.Keys
	// awaited are fingerprints that are trusted and whose keys are not here.
	awaited []string
	now     func() time.Time
}

// Verify checks a signature. See allcabal.Keys.
func (k *keyring) Verify(signed []byte, signature string) (string, error) {
	return k.keys.Verify(signed, signature, k.now())
}

// Awaits reports whether a key would be known if it were here.
func (k *keyring) Awaits() bool { return len(k.awaited) > 0 }

// Learn adds those keys of a text that are awaited; the fingerprint vouches for
// them, wherever they come from.
func (k *keyring) Learn(text []byte) {
	found, err := openpgp.ReadKeys(text)
	if err == nil {
		k.keys = k.keys.And(found.Only(k.awaited))
	}
}

// maxTrusted bounds a file of keys, in bytes.
const maxTrusted = 1 << 20

// Trusted reads trusted-keys: fingerprints, public keys, and files of either.
func (o *Sync) Trusted() (openpgp.Keys, []string, error) {
	text := o.TrustedKeys
	if !strings.Contains(text, paste.ArmorBegin) {
		items := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' })
		for i, item := range items {
			if item = strings.TrimSpace(item); !secret.IsFile(item) {
				continue
			}
			raw, err := bounded.ReadFile(item, maxTrusted)
			if err != nil {
				return openpgp.Keys{}, nil, fmt.Errorf("read trusted-keys %q: %w", item, err)
			}
			items[i] = string(raw)
		}
		text = strings.Join(items, "\n")
	}
	if secret.LooksLike(text) {
		return openpgp.Keys{}, nil, errors.New("trusted-keys contains a private key or a token; give the key's public half (gpg --export --armor), and replace the key if others could read it")
	}
	keys, fingerprints, err := openpgp.ReadTrusted([]byte(text))
	if err != nil {
		err = fmt.Errorf("read trusted-keys: %w", err)
	}
	return keys, fingerprints, err
}

// Keyring returns the keys to verify with; nil if there are none, which only a
// dry run may do without.
func (o *Sync) Keyring(signer *openpgp.Signer, now func() time.Time) (allcabal.Keys, error) {
	keys, fingerprints, err := o.Trusted()
	if err != nil {
		return nil, err
	}
	if signer != nil {
		keys = keys.And(signer.Keys())
	}
	k := NewKeyring(keys, fingerprints, now)
	if len(keys.Fingerprints())+len(k.awaited) == 0 {
		return nil, nil //nolint:nilnil // allcabal.Options says what that means
	}
	return k, nil
}

// NewKeyring returns the keyring of keys, and of others whose fingerprints are
// trusted.
func NewKeyring(keys openpgp.Keys, fingerprints []string, now func() time.Time) *keyring {
	known := keys.Fingerprints()
	return &keyring{keys: keys, now: now, awaited: slices.DeleteFunc(slices.Clone(fingerprints), func(fingerprint string) bool {
		return slices.Contains(known, fingerprint)
	})}
}
