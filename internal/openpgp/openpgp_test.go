package openpgp

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// testKey is a fresh private key.
func testKey(t testing.TB) []byte {
	t.Helper()
	text, err := Generate("Mirror Bot", "bot@example.org", nil, time.Now().Add(-time.Hour), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func signer(t testing.TB, text, passphrase []byte) *Signer {
	t.Helper()
	s, err := NewSigner(text, passphrase, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkSigning signs, and has gpg verify it.
func checkSigning(t testing.TB, s *Signer) {
	t.Helper()
	signature, err := s.Sign([]byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	if words, err := gpgVerifies(t, s.PublicKey(), "text", signature); err != nil || !strings.Contains(words, "Good signature") {
		t.Errorf("gpg: %v\n%s", err, words)
	}
	if by, err := s.Keys().Verify([]byte("text"), signature, time.Now()); err != nil || by != s.Fingerprint() {
		t.Errorf("by %s, %v", by, err)
	}
	if _, err := s.Keys().Verify([]byte("text "), signature, time.Now()); !errors.Is(err, ErrSignature) {
		t.Errorf("another text: %v", err)
	}
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	s := signer(t, testKey(t), []byte("not needed"))
	if name, email := s.User(); name != "Mirror Bot" || email != "bot@example.org" {
		t.Errorf("user %q %q", name, email)
	}
	if end, ok := s.Expires(); ok {
		t.Errorf("ends %v", end)
	}
	checkSigning(t, s)
	if _, err := Generate("<no>", "", nil, noon(), time.Time{}); err == nil {
		t.Error("made a key for a name with brackets")
	}
	locked, err := Generate("a", "b@c", []byte("secret words"), noon(), noon().AddDate(2, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	at := func() time.Time { return noon() }
	for _, wrong := range []string{"", "wrong"} {
		if _, err := NewSigner(locked, []byte(wrong), at); !errors.Is(err, ErrPassphrase) {
			t.Errorf("passphrase %q: %v", wrong, err)
		}
	}
	for _, right := range []string{"secret words", "secret words\r\n", " secret words "} {
		s, err := NewSigner(locked, []byte(right), at)
		if err != nil {
			t.Fatalf("passphrase %q: %v", right, err)
		}
		if end, ok := s.Expires(); !ok || !end.Equal(noon().AddDate(2, 0, 0)) {
			t.Errorf("ends %v %v", end, ok)
		}
	}
}

func TestSameTextKeyAndSecondGiveTheSameSignature(t *testing.T) {
	t.Parallel()
	s := signer(t, testKey(t), nil)
	still := time.Now()
	s.now = func() time.Time { return still }
	one, err := s.Sign([]byte("text"))
	if err != nil {
		t.Fatal(err)
	}
	if two, err := s.Sign([]byte("text")); err != nil || one != two {
		t.Errorf("%v\n%s%s", err, one, two)
	}
}
