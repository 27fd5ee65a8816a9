package midstate_test

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// TestStateForm pins the binary form of crypto/sha256's state, which stored
// prefixes rely on: magic, chaining words, partial block, length.
func TestStateForm(t *testing.T) {
	t.Parallel()
	h := sha256.New()
	h.Write(make([]byte, 512))
	raw, err := h.(encoding.BinaryAppender).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	// The chaining words behind 512 zero bytes, as any SHA-256 has them.
	const words = "0d0043d760ec5f44308a627c2aaa7eafdc9d3733bc51da27933e0af54105a7f5"
	want := hex.EncodeToString([]byte("sha\x03")) + words + strings.Repeat("00", 64) + "0000000000000200"
	if got := hex.EncodeToString(raw); got != want {
		t.Errorf("state is\n%s\nwant\n%s", got, want)
	}
}

// of returns the Prefix that is all of content.
func of(content []byte) midstate.Prefix {
	h := sha256.New()
	h.Write(content)
	return midstate.Of(h)
}

// TestPrefixLeadsToTheDigestOfTheWhole cuts a file at each block.
func TestPrefixLeadsToTheDigestOfTheWhole(t *testing.T) {
	t.Parallel()
	whole := []byte(strings.Repeat("what grows at its end. ", 50))
	for at := 0; at <= len(whole); at += sha256.BlockSize {
		p := of(whole[:at])
		h := p.Resume()
		h.Write(whole[at:])
		if got := [sha256.Size]byte(h.Sum(nil)); p.Length != int64(at) || got != sha256.Sum256(whole) {
			t.Errorf("from %d on: length %d, digest %x", at, p.Length, got)
		}
		if p.IsZero() != (at == 0) {
			t.Errorf("%d bytes are zero: %t", at, p.IsZero())
		}
	}
	if begins, err := (midstate.Prefix{}).IsPrefixOf(strings.NewReader("")); !begins || err != nil {
		t.Errorf("nothing begins with nothing: %t, %v", begins, err)
	}
}

func TestIsPrefixOf(t *testing.T) {
	t.Parallel()
	whole := bytes.Repeat([]byte("0123456789abcdef"), 20)
	p := of(whole[:256])
	other := bytes.Clone(whole)
	other[255]++
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		have io.Reader
		want bool
		err  error
	}{
		"the same":       {bytes.NewReader(whole[:256]), true, nil},
		"longer":         {bytes.NewReader(whole), true, nil},
		"shorter":        {bytes.NewReader(whole[:255]), false, nil},
		"empty":          {bytes.NewReader(nil), false, nil},
		"another":        {bytes.NewReader(other), false, nil},
		"cannot be read": {io.MultiReader(bytes.NewReader(whole[:255]), iotest.ErrReader(broken)), false, broken},
	} {
		if got, err := p.IsPrefixOf(c.have); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %t, %v, want %t, %v", name, got, err, c.want, c.err)
		}
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for length, want := range map[int64]bool{0: true, 64: true, 128: true, 192: false, 63: false, -64: false} {
		if got := (midstate.Prefix{Length: length}).Within(128); got != want {
			t.Errorf("%d bytes within 128: %t, want %t", length, got, want)
		}
	}
}
