package openpgp

import (
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// always asks go-crypto for what a key says of itself, whenever it said so: with
// a time it would pass over signatures made later, such as those that move a
// key's end.
var always time.Time

// A part is the primary key or a subkey of a key.
type part struct {
	public         *packet.PublicKey
	secret         *packet.PrivateKey      // nil: not here
	self           *packet.Signature       // by which the key binds the part; nil: it does not
	revoked        func(at time.Time) bool // of the part, or the whole key
	crossCertified bool                    // the part binds the key as well; the primary key always does
	expires        time.Time               // its own end or the key's, zero: never
}

// here reports whether the part has its secret.
func (p part) here() bool { return p.secret != nil }

// parts lists the primary key, and then the subkeys. What the key says of them is
// verified once.
func (k *key) parts() []part {
	if k.checked != nil {
		return k.checked
	}
	self, err := k.PrimarySelfSignature(always, defaults())
	if err != nil {
		self = nil
	}
	primary := part{public: k.PrimaryKey, secret: k.PrivateKey, self: self, revoked: k.Revoked, crossCertified: true}
	primary.expires = end(k.PrimaryKey, self)
	if direct, err := k.LatestValidDirectSignature(always, defaults()); err == nil {
		primary.expires = earlier(primary.expires, end(k.PrimaryKey, direct))
	}
	k.checked = []part{primary}
	for i := range k.Subkeys {
		k.checked = append(k.checked, subpart(primary, &k.Subkeys[i]))
	}
	return k.checked
}

func subpart(primary part, sub *openpgp.Subkey) part {
	p := part{public: sub.PublicKey, secret: sub.PrivateKey, revoked: primary.revoked, expires: primary.expires}
	if self, err := sub.LatestValidBindingSignature(always, defaults()); err == nil && primary.self != nil {
		p.self, p.crossCertified, p.expires = self, crossCertified(primary.public, sub.PublicKey, self), earlier(end(sub.PublicKey, self), primary.expires)
		p.revoked = func(at time.Time) bool { return primary.revoked(at) || sub.Revoked(self, at) }
	}
	return p
}

// crossCertified reports whether a subkey says by a signature of its own that it
// belongs to the key: without it, anybody could claim the signatures of others'
// keys, so gpg accepts none. go-crypto looks for it where the flag for signing is
// set.
func crossCertified(primary, sub *packet.PublicKey, self *packet.Signature) bool {
	flagged := *self
	flagged.FlagSign = true
	return self.EmbeddedSignature != nil && primary.VerifyKeySignature(sub, &flagged) == nil
}

// end returns when a key ends by a signature of its own, zero if never.
func end(public *packet.PublicKey, self *packet.Signature) time.Time {
	if self == nil {
		return time.Time{}
	}
	return earlier(after(public.CreationTime, self.KeyLifetimeSecs), after(self.CreationTime, self.SigLifetimeSecs))
}

func after(start time.Time, seconds *uint32) time.Time {
	if seconds == nil || *seconds == 0 {
		return time.Time{}
	}
	return start.Add(time.Duration(*seconds) * time.Second).UTC()
}

// earlier returns the earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// expired reports whether the part had ended at a time.
func (p part) expired(at time.Time) bool { return !p.expires.IsZero() && !at.Before(p.expires) }

// whyNot says why the part cannot sign at a time, "" if it can; its secret and
// its end are not looked at. A part without flags may do all that its algorithm
// can, as with gpg.
func (p part) whyNot(at time.Time) string {
	switch {
	case p.self == nil:
		return "has no valid signature of the key itself"
	case p.revoked(at):
		return "is revoked"
	case p.public.CreationTime.After(at):
		return "is made at " + p.public.CreationTime.UTC().Format(time.RFC3339) + ", which is in the future"
	case p.self.FlagsValid && !p.self.FlagSign, !p.public.PubKeyAlgo.CanSign():
		return "is not for signing"
	case !verifiable(p.public):
		return "has an algorithm that not every gpg can verify"
	case !p.crossCertified:
		return "has no signature that ties it to the key (gpg's cross-certification)"
	}
	return ""
}

// verifiable reports whether gpg 2.2 and newer verify signatures of such a key.
func verifiable(public *packet.PublicKey) bool {
	switch public.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoDSA, packet.PubKeyAlgoECDSA:
		return true
	case packet.PubKeyAlgoEdDSA:
		curve, err := public.Curve()
		return err == nil && curve == packet.Curve25519
	}
	return false
}

// defaults are go-crypto's own.
func defaults() *packet.Config { return nil }
