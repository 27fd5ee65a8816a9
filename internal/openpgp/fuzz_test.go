package openpgp

import (
	"bytes"
	"testing"
	"time"
)

// FuzzKeys: whatever is pasted, it is a key that signs or an error, and a public
// key that is read is written and read again as the same.
func FuzzKeys(f *testing.F) {
	text, err := Generate("A B", "a@b.org", nil, day(2020, 1, 1), time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	blocks, err := unpack(text, blockPrivateKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(blocks[0])
	f.Add(text)
	s, err := NewSigner(text, nil, func() time.Time { return day(2021, 1, 1) })
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.PublicKey())
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := NewSigner(raw, nil, func() time.Time { return day(2021, 1, 1) })
		if err == nil && s.Fingerprint() == "" {
			t.Error("a signer without a fingerprint")
		}
		keys, err := readKeys(raw)
		if err != nil {
			return
		}
		for _, k := range keys {
			text, err := k.export()
			if err != nil {
				continue
			}
			again, err := readKeys(text)
			if err != nil || len(again) != 1 || !bytes.Equal(again[0].PrimaryKey.Fingerprint, k.PrimaryKey.Fingerprint) {
				t.Errorf("read again: %v", err)
			}
		}
	})
}

// FuzzVerify: no text is a signature over other bytes.
func FuzzVerify(f *testing.F) {
	text, err := Generate("A B", "a@b.org", nil, day(2020, 1, 1), time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	s, err := NewSigner(text, nil, func() time.Time { return day(2021, 1, 1) })
	if err != nil {
		f.Fatal(err)
	}
	signature, err := s.Sign([]byte("text"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signature)
	f.Fuzz(func(t *testing.T, signature string) {
		if by, err := s.Keys().Verify([]byte("another"), signature, day(2022, 1, 1)); err == nil {
			t.Errorf("%s signed this: %q", by, signature)
		}
	})
}
