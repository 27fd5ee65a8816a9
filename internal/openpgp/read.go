package openpgp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/hackage-mirror/hackage-mirror/internal/paste"
)

// Armor block types of RFC 9580.
const (
	blockSignature  = "PGP SIGNATURE"
	blockPrivateKey = "PGP PRIVATE KEY BLOCK"
	blockSecretKey  = "PGP SECRET KEY BLOCK" // what it was called before
	blockPublicKey  = "PGP PUBLIC KEY BLOCK"
)

// Types of packets of RFC 9580.
const (
	tagSignature     = 2
	tagSecretKey     = 5
	tagPublicKey     = 6
	tagSecretSubkey  = 7
	tagUserID        = 13
	tagPublicSubkey  = 14
	tagUserAttribute = 17
)

// A key is what one text has of one OpenPGP key.
type key struct {
	*openpgp.Entity
	away map[uint64]string // why the private part of a key id is not here

	mu      sync.Mutex // for what follows, and what go-crypto remembers of its checks
	checked []part     // see parts
}

func (k *key) fingerprint() string { return hexadecimal(k.PrimaryKey.Fingerprint) }

func hexadecimal(fingerprint []byte) string { return fmt.Sprintf("%X", fingerprint) }

// hasPrivate reports whether the text came with a private half, be it without
// the secrets.
func (k *key) hasPrivate() bool { return len(k.away) > 0 || slices.ContainsFunc(k.parts(), part.here) }

// readKeys reads all keys of a text, each once. What follows a key in a block of
// its own belongs to it, such as the certificate that revokes it.
func readKeys(text []byte) ([]*key, error) {
	blocks, err := unpack(text, blockPrivateKey, blockSecretKey, blockPublicKey)
	if err != nil {
		return nil, err
	}
	found, err := splitKeys(bytes.Join(blocks, nil))
	if err != nil {
		return nil, err
	}
	var keys []*key
	for _, packets := range found {
		k, err := readKey(packets)
		if err != nil {
			return nil, err
		}
		keys = addKey(keys, k)
	}
	return keys, nil
}

// unpack returns the bytes of all blocks of the given kinds in a text, which may
// also be in binary form, or that in base64.
func unpack(text []byte, kinds ...string) ([][]byte, error) {
	plain := paste.Lines(text)
	if !bytes.Contains(plain, []byte(paste.ArmorBegin)) {
		if _, err := readFingerprint(string(bytes.TrimSpace(plain))); err == nil {
			return nil, errors.New("it is a fingerprint; the key itself is needed")
		}
		for _, raw := range [][]byte{text, paste.Base64(string(plain))} {
			if paste.IsBinary(raw) {
				return [][]byte{raw}, nil
			}
		}
		return nil, noBlock(plain, kinds[0])
	}
	in := bufio.NewReader(bytes.NewReader(plain))
	var blocks [][]byte
	for {
		block, err := armor.Decode(in)
		if errors.Is(err, io.EOF) && len(blocks) > 0 {
			return blocks, nil
		} else if err != nil {
			return nil, noBlock(plain, kinds[0])
		}
		raw, err := io.ReadAll(block.Body)
		switch {
		case !slices.Contains(kinds, block.Type):
			continue
		case err != nil:
			return nil, fmt.Errorf("the block %s is damaged or cut off (%w); copy it again, with its BEGIN and END lines", block.Type, err)
		}
		blocks = append(blocks, raw)
	}
}

// noBlock says what a text without a block is instead.
func noBlock(plain []byte, kind string) error {
	text := string(plain)
	_, found, _ := strings.Cut(text, paste.ArmorBegin)
	found, _, _ = strings.Cut(found, "-----")
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("it is empty")
	case found == kind || found == blockPublicKey:
		return fmt.Errorf("the block %s is cut off; copy it again, with its BEGIN and END lines", found)
	case strings.HasSuffix(found, "PRIVATE KEY"), strings.HasPrefix(text, "ssh-"):
		return errors.New("it is an ssh or TLS key; an OpenPGP key is needed, as gpg makes it")
	case found != "":
		return fmt.Errorf("it is a %s; a %s is needed", found, kind)
	}
	return fmt.Errorf("it has no block that begins with -----BEGIN %s-----", kind)
}

// splitKeys sorts packets by the key that they belong to.
func splitKeys(raw []byte) ([][]*packet.OpaquePacket, error) {
	var keys [][]*packet.OpaquePacket
	for packets := packet.NewOpaqueReader(bytes.NewReader(raw)); ; {
		p, err := packets.Next()
		switch {
		case errors.Is(err, io.EOF) && len(keys) > 0:
			return keys, nil
		case err != nil:
			return nil, fmt.Errorf("it is damaged or cut off: %w", err)
		case p.Tag == tagSecretKey || p.Tag == tagPublicKey:
			keys = append(keys, nil)
		case len(keys) == 0 && p.Tag == tagSignature:
			return nil, errors.New("it begins with a signature, such as a revocation, that has no key before it")
		case len(keys) == 0:
			return nil, fmt.Errorf("it does not begin with a key, but with a packet of type %d", p.Tag)
		}
		last := &keys[len(keys)-1]
		if *last = append(*last, p); revokesKey(p) {
			*last = slices.Insert((*last)[:len(*last)-1], 1, p)
		}
	}
}

// revokesKey reports whether a packet revokes a whole key. It stands right behind
// it, also if it came later.
func revokesKey(p *packet.OpaquePacket) bool {
	if p.Tag != tagSignature {
		return false
	}
	parsed, err := p.Parse()
	signature, ok := parsed.(*packet.Signature)
	return err == nil && ok && signature.SigType == packet.SigTypeKeyRevocation
}

// readKey reads the packets of one key. A part that is not understood is skipped with its
// signatures, as gpg does, and one whose secret is not here becomes a public one.
func readKey(packets []*packet.OpaquePacket) (*key, error) {
	k := &key{away: map[uint64]string{}}
	var known bytes.Buffer
	skipping := false // so are the signatures that follow
	named := false
	for i, p := range packets {
		switch p.Tag {
		case tagSecretKey, tagPublicKey, tagSecretSubkey, tagPublicSubkey:
			use, err := k.usable(p)
			if err != nil && i == 0 {
				return nil, err
			}
			p, skipping = use, err != nil
		case tagSignature:
			if _, err := p.Parse(); err != nil {
				continue
			}
		case tagUserID:
			skipping, named = false, true
		case tagUserAttribute:
			skipping = true
		default:
			continue
		}
		if skipping {
			continue
		}
		if err := p.Serialize(&known); err != nil {
			return nil, err
		}
	}
	return k, k.readEntity(&known, named)
}

// readEntity reads the packets of a key that are understood; named says that a user id
// is among them.
func (k *key) readEntity(packets io.Reader, named bool) (err error) {
	switch k.Entity, err = openpgp.ReadEntity(packet.NewReader(packets)); {
	case err != nil && named:
		return fmt.Errorf("its user id has no signature of the key itself by a digest that is known here; "+
			"gpg --quick-set-expire FINGERPRINT never makes a new one: %w", err)
	case err != nil:
		return fmt.Errorf("it has no user id, and gpg refuses such a key: %w", err)
	}
	return nil
}

// usable returns the packet of a part in the form in which it can be used: the
// public one if its secret is not here. It fails for a part that is not
// understood.
func (k *key) usable(p *packet.OpaquePacket) (*packet.OpaquePacket, error) {
	public := &packet.OpaquePacket{Tag: p.Tag, Contents: p.Contents}
	secret := p.Tag == tagSecretKey || p.Tag == tagSecretSubkey
	switch p.Tag {
	case tagSecretKey:
		public.Tag = tagPublicKey
	case tagSecretSubkey:
		public.Tag = tagPublicSubkey
	}
	parsed, err := public.Parse()
	part, ok := parsed.(*packet.PublicKey)
	switch {
	case len(p.Contents) > 5 && p.Contents[0] != 4:
		return nil, fmt.Errorf("it is a key of version %d, which not every gpg can verify; make one of version 4 (gpg --quick-generate-key)", p.Contents[0])
	case !ok || err != nil:
		return nil, fmt.Errorf("its algorithm is not supported: %w", err)
	case !secret:
		return p, nil
	}
	parsed, err = (&packet.OpaquePacket{Tag: p.Tag, Contents: p.Contents}).Parse()
	if private, ok := parsed.(*packet.PrivateKey); ok && err == nil && !private.Dummy() {
		return p, nil
	}
	k.away[part.KeyId] = whyAway(p.Contents, err)
	var exact bytes.Buffer // without what was behind it
	if err := part.Serialize(&exact); err != nil {
		return nil, err
	}
	return packet.NewOpaqueReader(&exact).Next()
}

// whyAway says why there is no secret in a private part.
func whyAway(contents []byte, err error) string {
	switch {
	case bytes.Contains(contents, []byte("GNU\x01")):
		return "its private part is not in this export"
	case bytes.Contains(contents, []byte("GNU\x02")):
		return "its private part is on a smart card"
	}
	return fmt.Sprintf("its private part cannot be read: %v", err)
}

// addKey adds a key to a list, or to what the list has of it already.
func addKey(keys []*key, more *key) []*key {
	for i, k := range keys {
		if bytes.Equal(k.PrimaryKey.Fingerprint, more.PrimaryKey.Fingerprint) {
			keys[i] = k.merge(more)
			return keys
		}
	}
	return append(keys, more)
}

// merge returns the key with what another copy of it says as well.
func (k *key) merge(more *key) *key {
	e := *k.Entity
	if e.PrivateKey == nil {
		e.PrivateKey = more.PrivateKey
	}
	e.Revocations = slices.Concat(e.Revocations, more.Revocations)
	e.DirectSignatures = slices.Concat(e.DirectSignatures, more.DirectSignatures)
	e.Identities = maps.Clone(e.Identities)
	for name, id := range more.Identities {
		if ours, ok := e.Identities[name]; ok {
			both := *ours
			both.SelfCertifications = slices.Concat(ours.SelfCertifications, id.SelfCertifications)
			both.Revocations = slices.Concat(ours.Revocations, id.Revocations)
			id = &both
		}
		e.Identities[name] = id
	}
	e.Subkeys = slices.Clone(e.Subkeys)
	for _, sub := range more.Subkeys {
		i := slices.IndexFunc(e.Subkeys, func(s openpgp.Subkey) bool { return bytes.Equal(s.PublicKey.Fingerprint, sub.PublicKey.Fingerprint) })
		if i < 0 {
			e.Subkeys = append(e.Subkeys, sub)
			continue
		}
		ours := &e.Subkeys[i]
		if ours.PrivateKey == nil {
			ours.PrivateKey = sub.PrivateKey
		}
		ours.Bindings = slices.Concat(ours.Bindings, sub.Bindings)
		ours.Revocations = slices.Concat(ours.Revocations, sub.Revocations)
	}
	away := maps.Clone(k.away)
	maps.Copy(away, more.away)
	return &key{Entity: &e, away: away}
}
