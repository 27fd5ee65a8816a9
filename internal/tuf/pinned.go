package tuf

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Pinned is who is trusted before there is a root.json: so many of the keys with
// these ids must have signed the first one.
type Pinned struct {
	// KeyIDs are 64 lower-case hexadecimal digits each.
	KeyIDs []string
	// Threshold is at least one and at most the number of keys.
	Threshold int
}

// HackagePinned returns the root keys of hackage.haskell.org: the six that cabal
// and pantry pin, three of which must sign.
func HackagePinned() Pinned {
	return Pinned{
		KeyIDs: []string{
			"fe331502606802feac15e514d9b9ea83fee8b6ffef71335479a2e68d84adc6b0", // Adam Gundry
			"1ea9ba32c526d1cc91ab5e5bd364ec5e9e8cb67179a471872f6e26f0ae773d42", // Gershom Bazerman
			"0a5c7ea47cd1b15f01f5f51a33adda7e655bc0f0b0615baa8e271f4c3351e21d", // John Wiegley
			"51f0161b906011b52c6613376b1ae937670da69322113a246a09f807c62f6921", // Norman Ramsey
			"d26e46f3b631aae1433b89379a6c68bd417eb5d1c408f0643dcc07757fece522", // Joachim Breitner
			"c7de58fc6a224b92b5b513f26fbb8b370f2d97c7cfe0075a951314a55734be93", // Tikhon Jelvis
		},
		Threshold: 3,
	}
}

// notPinned ends the refusals of configured keys that make no sense.
const notPinned = "not usable as pinned root keys (options root-keys and key-threshold)"

// Check refuses ids that cannot be ids, one given twice, and a threshold that
// anybody or nobody could meet.
func (p Pinned) Check() error {
	for i, id := range p.KeyIDs {
		if _, ok := parseDigest(id); !ok {
			return fmt.Errorf("key id %.80q is not %d lower-case hexadecimal digits: "+notPinned, id, 2*sha256.Size)
		}
		if slices.Contains(p.KeyIDs[:i], id) {
			return fmt.Errorf("key id %s is given twice: "+notPinned, id)
		}
	}
	if p.Threshold < 1 || p.Threshold > len(p.KeyIDs) {
		return fmt.Errorf("threshold %d with %d keys: "+notPinned, p.Threshold, len(p.KeyIDs))
	}
	return nil
}

// VerifyRoot verifies a first root.json: enough pinned keys must have signed it,
// and at the time now it must not be expired. With a zero now an expired one is
// accepted: it can be the start of a chain of roots.
//
// ErrThreshold says who signed.
func (p Pinned) VerifyRoot(raw []byte, now time.Time) (*Root, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	root, signers, err := parseRoot(raw)
	if err == nil {
		err = p.checkSigners(signers)
	}
	if err == nil {
		err = root.checkFresh(root.version, now)
	}
	if err != nil {
		return nil, fmt.Errorf("verify root.json with pinned keys: %w", err)
	}
	return root, nil
}

func (p Pinned) checkSigners(signers []string) error {
	signed := 0
	for _, id := range p.KeyIDs {
		if slices.Contains(signers, id) {
			signed++
		}
	}
	if signed >= p.Threshold {
		return nil
	}
	var ids []string
	for i, id := range signers {
		if i == maxListed {
			ids = append(ids, fmt.Sprintf("%d more", len(signers)-i))
			break
		}
		ids = append(ids, id[:min(len(id), shortID)]+"…")
	}
	if len(ids) == 0 {
		ids = []string{"nobody"}
	}
	return fmt.Errorf("%w: %d of %d pinned keys signed and %d must; it is signed by %s",
		ErrThreshold, signed, len(p.KeyIDs), p.Threshold, strings.Join(ids, ", "))
}

// An error names so many signers, by so many digits: enough to find them in the list
// that an operator publishes, which has the whole ids.
const maxListed, shortID = 6, 12
