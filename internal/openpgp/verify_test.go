package openpgp

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

func day(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// signedAt signs with a private key at a time.
func signedAt(t *testing.T, private []byte, at time.Time) string {
	t.Helper()
	s, err := NewSigner(private, nil, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	signature, err := s.Sign([]byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// TestEndOfAKeyMoves: gpg writes a new signature of the key on itself then, in
// the place of the old one and made later than what the key signed before.
func TestEndOfAKeyMoves(t *testing.T) {
	t.Parallel()
	for name, parameters := range map[string][]string{
		"primary key": {"Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: sign"},
		"subkey":      {"Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: cert", "Subkey-Type: eddsa", "Subkey-Curve: ed25519", "Subkey-Usage: sign"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := newGPG(t)
			fingerprint := home.generate(t, "", append(parameters, "Creation-Date: 20200101T000000", "Expire-Date: seconds=31536000")...)
			short, shortPublic := home.export(t, "--export-secret-keys"), keysOf(t, home.export(t, "--export"))
			early := signedAt(t, short, day(2020, 6, 1))
			home.run(t, "", "--passphrase", "", "--faked-system-time", "20200901T000000", "--quick-set-expire", fingerprint, "20260101T000000")
			if name == "subkey" {
				home.run(t, "", "--passphrase", "", "--faked-system-time", "20200901T000000", "--quick-set-expire", fingerprint, "20260101T000000", "*")
			}
			longPublic := keysOf(t, home.export(t, "--export"))
			late := signedAt(t, home.export(t, "--export-secret-keys"), day(2024, 6, 1))
			for what, test := range map[string]struct {
				keys      Keys
				signature string
				says      string // "": it verifies
			}{
				"early, old copy":   {shortPublic, early, ""},
				"early, new copy":   {longPublic, early, ""},
				"late, old copy":    {shortPublic, late, "ended on 2020-12-31T00:00:00Z, and the signature is of 2024-06-01T00:00:00Z; if the key was extended"},
				"late, new copy":    {longPublic, late, ""},
				"late, both copies": {shortPublic.And(longPublic), late, ""},
				"late, other order": {longPublic.And(shortPublic), late, ""},
			} {
				by, err := test.keys.Verify([]byte("text"), test.signature, day(2030, 1, 1))
				if test.says == "" && (err != nil || by != fingerprint) {
					t.Errorf("%s: %q, %v", what, by, err)
				} else if test.says != "" && (!errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), test.says)) {
					t.Errorf("%s: %v", what, err)
				}
				if all := test.keys.Fingerprints(); !slices.Equal(all, []string{fingerprint}) {
					t.Errorf("%s: keys %v", what, all)
				}
			}
		})
	}
}

func keysOf(t *testing.T, text []byte) Keys {
	t.Helper()
	keys, err := ReadKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestRevokedKey: a key that may be in other hands counts for nothing, one that
// was only retired does for what it signed before. One copy that says so is
// enough.
func TestRevokedKey(t *testing.T) {
	t.Parallel()
	for reason, still := range map[packet.ReasonForRevocation]bool{
		packet.NoReason: false, packet.KeyCompromised: false, packet.KeyRetired: true, packet.KeySuperseded: true,
	} {
		text, err := Generate("a", "b@c", nil, day(2020, 1, 1), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		early, late := signedAt(t, text, day(2020, 6, 1)), signedAt(t, text, day(2021, 6, 1))
		keys, err := readKeys(text)
		if err != nil {
			t.Fatal(err)
		}
		config := &packet.Config{Time: func() time.Time { return day(2021, 1, 1) }}
		if err := keys[0].Revoke(reason, "", config); err != nil {
			t.Fatal(err)
		}
		revoked, err := keys[0].export()
		if err != nil {
			t.Fatal(err)
		}
		for name, all := range map[string]Keys{"alone": keysOf(t, revoked), "beside another copy": keysOf(t, text).And(keysOf(t, revoked))} {
			if _, err := all.Verify([]byte("text"), early, day(2022, 1, 1)); (err == nil) != still {
				t.Errorf("reason %d, %s, signed before: %v", reason, name, err)
			}
			if _, err := all.Verify([]byte("text"), late, day(2022, 1, 1)); !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), "is revoked") {
				t.Errorf("reason %d, %s, signed after: %v", reason, name, err)
			}
		}
	}
}

func TestUnknownKey(t *testing.T) {
	t.Parallel()
	a, b := signer(t, testKey(t), nil), signer(t, testKey(t), nil)
	signature, err := a.Sign([]byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	for _, keys := range []Keys{b.Keys(), {}} {
		var unknown *UnknownKeyError
		if _, err := keys.Verify([]byte("text"), signature, time.Now()); !errors.As(err, &unknown) || !errors.Is(err, ErrSignature) || unknown.Issuer != a.Fingerprint() {
			t.Errorf("verify: %v", err)
		}
	}
	if by, err := b.Keys().And(a.Keys()).Verify([]byte("text"), signature, time.Now()); err != nil || by != a.Fingerprint() {
		t.Errorf("by %s, %v", by, err)
	}
}

func TestWhatIsNoSignature(t *testing.T) {
	t.Parallel()
	s := signer(t, testKey(t), nil)
	signature, err := s.Sign([]byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":      "",
		"words":        "hello",
		"a key":        string(s.PublicKey()),
		"two of them":  signature + signature,
		"cut off":      signature[:len(signature)/2],
		"another byte": strings.Replace(signature, "\n\nwnUE", "\n\nwnVE", 1),
	} {
		if text == signature {
			t.Fatalf("%s: the signature does not begin as was thought:\n%s", name, text)
		}
		if _, err := s.Keys().Verify([]byte("text"), text, time.Now()); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadTrusted(t *testing.T) {
	t.Parallel()
	a, b := signer(t, testKey(t), nil), signer(t, testKey(t), nil)
	f := strings.Repeat("0123456789ABCDEF", 2) + "01234567"
	grouped := "0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567"
	for name, test := range map[string]struct {
		text         string
		keys         []string
		fingerprints []string
	}{
		"nothing":            {" \n", nil, nil},
		"a fingerprint":      {f, nil, []string{f}},
		"lower case":         {strings.ToLower(f) + "\r\n", nil, []string{f}},
		"0x":                 {"0x" + f, nil, []string{f}},
		"groups":             {grouped, nil, []string{f}},
		"colons":             {strings.Join([]string{f[:2], f[2:4], f[4:]}, ":"), nil, []string{f}},
		"words of gpg":       {"      Key fingerprint = " + grouped, nil, []string{f}},
		"a list":             {f + ", " + f + "\n# an old one\n" + f, nil, []string{f, f, f}},
		"a block":            {string(a.PublicKey()), []string{a.Fingerprint()}, nil},
		"blocks, CRLF":       {strings.ReplaceAll(string(a.PublicKey())+string(b.PublicKey()), "\n", "\r\n"), []string{a.Fingerprint(), b.Fingerprint()}, nil},
		"both":               {f + "\n" + string(a.PublicKey()) + "\n" + f, []string{a.Fingerprint()}, []string{f, f}},
		"the same key twice": {string(a.PublicKey()) + string(a.PublicKey()), []string{a.Fingerprint()}, nil},
	} {
		keys, fingerprints, err := ReadTrusted([]byte(test.text))
		if err != nil || !slices.Equal(keys.Fingerprints(), test.keys) || !slices.Equal(fingerprints, test.fingerprints) {
			t.Errorf("%s: %v, %v, %v", name, keys.Fingerprints(), fingerprints, err)
		}
	}
	for text, says := range map[string]string{
		f[:16]:                      "that is a key id",
		"0x" + f[:8]:                "that is a key id",
		f[1:]:                       "has 40 hexadecimal digits, this has 39",
		"me@example.org":            "neither a fingerprint",
		string(a.PublicKey()[:200]): "neither a fingerprint",
	} {
		if _, _, err := ReadTrusted([]byte(text)); !errors.Is(err, ErrNotPublic) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v; want %q", text, err, says)
		}
	}
}
