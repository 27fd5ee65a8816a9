package openpgp

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/hackage-mirror/hackage-mirror/internal/paste"
)

// Keys are public keys to verify with. The zero Keys are none.
type Keys struct{ keys []*key }

// ReadKeys reads public keys: one or several blocks of armor, or binary.
func ReadKeys(text []byte) (Keys, error) {
	keys, err := readKeys(text)
	if err != nil {
		return Keys{}, fmt.Errorf("read public keys: %w: %w", ErrNotPublic, err)
	}
	return Keys{keys}, nil
}

// And returns the keys of both. What both say of one key is put together.
func (k Keys) And(more Keys) Keys {
	all := slices.Clone(k.keys)
	for _, one := range more.keys {
		all = addKey(all, one)
	}
	return Keys{all}
}

// Only returns those of the keys whose primary fingerprint is among the given
// ones. Where the keys came from does not matter then.
func (k Keys) Only(fingerprints []string) Keys {
	return Keys{slices.DeleteFunc(slices.Clone(k.keys), func(one *key) bool { return !slices.Contains(fingerprints, one.fingerprint()) })}
}

// Fingerprints returns those of the primary keys, in upper-case hexadecimal.
func (k Keys) Fingerprints() []string {
	var all []string
	for _, one := range k.keys {
		all = append(all, one.fingerprint())
	}
	return all
}

var (
	block     = regexp.MustCompile(`(?s)-----BEGIN PGP [A-Z ]+-----.*?-----END PGP [A-Z ]+-----`)
	hexDigits = regexp.MustCompile(`^(?:0[xX])?([0-9A-Fa-f]+)$`)
)

// ReadTrusted reads what people paste as the keys that they trust: armored
// public keys, one or several blocks, and fingerprints of primary keys or
// subkeys, one per line or with commas between, in the forms that gpg prints.
// Fingerprints come back in upper case without blanks. Lines that begin with #
// are comments.
func ReadTrusted(text []byte) (keys Keys, fingerprints []string, err error) {
	rest := string(paste.Lines(text))
	if blocks := block.FindAllString(rest, -1); len(blocks) > 0 {
		if keys, err = ReadKeys([]byte(strings.Join(blocks, "\n"))); err != nil {
			return Keys{}, nil, err
		}
	}
	for line := range strings.SplitSeq(block.ReplaceAllString(rest, ""), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, item := range paste.Items(line) {
			fingerprint, err := readFingerprint(item)
			if err != nil {
				return Keys{}, nil, fmt.Errorf("read trusted key %.80q: %w: %w", item, ErrNotPublic, err)
			}
			fingerprints = append(fingerprints, fingerprint)
		}
	}
	return keys, fingerprints, nil
}

// Digits of a fingerprint and of a key id, of which there are many alike.
const (
	fingerprintDigits = 40
	keyIDDigits       = 16
)

func readFingerprint(text string) (string, error) {
	if i := strings.LastIndexAny(text, "=:"); i >= 0 && !hexDigits.MatchString(strings.ReplaceAll(text[:i], ":", "")) {
		text = text[i+1:] // behind the words of gpg
	}
	m := hexDigits.FindStringSubmatch(strings.NewReplacer(" ", "", ":", "").Replace(text))
	switch {
	case m != nil && len(m[1]) == fingerprintDigits:
		return strings.ToUpper(m[1]), nil
	case m != nil && len(m[1]) <= keyIDDigits:
		return "", fmt.Errorf("that is a key id, which others can imitate; give the whole fingerprint of %d digits (gpg --fingerprint)", fingerprintDigits)
	case m != nil:
		return "", fmt.Errorf("a fingerprint has %d hexadecimal digits, this has %d", fingerprintDigits, len(m[1]))
	}
	return "", fmt.Errorf("it is neither a fingerprint of %d hexadecimal digits nor a block of a public key", fingerprintDigits)
}

// Verify checks an armored signature over the bytes and returns the fingerprint
// of the primary key that it is by. now is for signatures that end; see the
// package about the time of keys. Errors are ErrSignature, and of a key that is
// none of these an UnknownKeyError. It is safe for concurrent use.
func (k Keys) Verify(signed []byte, signature string, now time.Time) (fingerprint string, err error) {
	sig, err := readSignature(signature)
	if err == nil && after(sig.CreationTime, sig.SigLifetimeSecs) != (time.Time{}) && !now.Before(after(sig.CreationTime, sig.SigLifetimeSecs)) {
		err = errors.New("it has expired")
	}
	if err != nil {
		return "", fmt.Errorf("verify signature: %w: %w", ErrSignature, err)
	}
	err = &UnknownKeyError{Issuer: issuer(sig)}
	for _, one := range k.keys {
		known, why := one.verify(signed, sig)
		if known && why == nil {
			return one.fingerprint(), nil
		} else if known {
			err = fmt.Errorf("%w: %w", ErrSignature, why)
		}
	}
	return "", fmt.Errorf("verify signature: %w", err)
}

// verify reports whether a signature says that it is by a part of the key, and
// what is wrong with it.
func (k *key) verify(signed []byte, sig *packet.Signature) (known bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, p := range k.parts() {
		if !sig.CheckKeyIdOrFingerprint(p.public) {
			continue
		}
		if err = p.verify(signed, sig); err == nil {
			return true, nil
		}
		known, err = true, fmt.Errorf("%s of %s %w", partName(i, p), k.fingerprint(), err)
	}
	return known, err
}

// readSignature reads a text with one signature over bytes.
func readSignature(text string) (*packet.Signature, error) {
	if !strings.HasPrefix(text, paste.ArmorBegin+blockSignature+"-----") {
		return nil, errors.New("no armored signature")
	}
	blocks, err := unpack([]byte(text), blockSignature)
	if err != nil {
		return nil, err
	}
	in := bytes.NewReader(bytes.Join(blocks, nil))
	p, err := packet.Read(in)
	if err != nil {
		return nil, err
	}
	sig, ok := p.(*packet.Signature)
	if _, err := packet.Read(in); !ok || !errors.Is(err, io.EOF) {
		return nil, errors.New("it is not one signature")
	}
	switch {
	case sig.SigType != packet.SigTypeBinary:
		return nil, fmt.Errorf("it is a signature of type %d, not over bytes", sig.SigType)
	case slices.Contains([]crypto.Hash{crypto.MD5, crypto.SHA1, crypto.RIPEMD160}, sig.Hash):
		return nil, fmt.Errorf("its hash %s is broken", sig.Hash)
	case slices.ContainsFunc(sig.Notations, func(n *packet.Notation) bool { return n.IsCritical }):
		return nil, errors.New("it requires something that this program does not know")
	}
	return sig, nil
}

func issuer(sig *packet.Signature) string {
	switch {
	case len(sig.IssuerFingerprint) > 0:
		return hexadecimal(sig.IssuerFingerprint)
	case sig.IssuerKeyId != nil:
		return fmt.Sprintf("%016X", *sig.IssuerKeyId)
	}
	return "that it does not name"
}

// verify checks a signature of the part. Its errors go on from the part's name.
func (p part) verify(signed []byte, sig *packet.Signature) error {
	hash, err := sig.PrepareVerify()
	if err != nil {
		return fmt.Errorf("cannot check it: %w", err)
	}
	_, _ = hash.Write(signed) // never fails
	if err := p.public.VerifySignature(hash, sig); err != nil {
		return fmt.Errorf("did not make it: %w", err)
	}
	if why := p.whyNot(sig.CreationTime); why != "" {
		return errors.New(why)
	}
	if p.expired(sig.CreationTime) {
		return fmt.Errorf("ended on %s, and the signature is of %s; if the key was extended, give its newer public key",
			p.expires.Format(time.RFC3339), sig.CreationTime.UTC().Format(time.RFC3339))
	}
	return nil
}
