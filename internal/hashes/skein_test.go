package hashes_test

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
)

// TestSkeinVectors pins digests of 512 bits of state and of output, which
// github.com/aead/skein v0.0.0-20160722084837 gives as well.
func TestSkeinVectors(t *testing.T) {
	t.Parallel()
	down := make([]byte, 128)
	for i := range down {
		down[i] = 0xff - byte(i)
	}
	const random = "fbd17c26b61a82e12e125f0d459b96c91ab4837dff22b39b78439430cdfc5dc8" +
		"78bb393a1a5f79bef30995a85a12923339ba8ab7d8fc6dc5fec6f4ed22c122bb" +
		"e7eb61981892966de5cef576f71fc7a80d14dab2d0c03940b95b9fb3a727c66a" +
		"6e1ff0dc311b9aa21a3054484802154c1826c2a27a0914152aeb76f1168d4410"
	for _, v := range []struct{ message, want string }{
		{
			hex.EncodeToString(down[:1]),
			"71b7bce6fe6452227b9ced6014249e5bf9a9754c3ad618ccc4e0aae16b316cc8" +
				"ca698d864307ed3e80b6ef1570812ac5272dc409b5a012df2a579102f340617a",
		},
		{
			hex.EncodeToString(down[:64]),
			"45863ba3be0c4dfc27e75d358496f4ac9a736a505d9313b42b2f5eada79fc17f" +
				"63861e947afb1d056aa199575ad3f8c9a3cc1780b5e5fa4cae050e989876625b",
		},
		{
			hex.EncodeToString(down),
			"91cca510c263c4ddd010530a33073309628631f308747e1bcbaa90e451cab92e" +
				"5188087af4188773a332303e6667a7a210856f742139000071f48e8ba2a5adb7",
		},
		{
			"",
			"bc5b4c50925519c290cc634277ae3d6257212395cba733bbad37a4af0fa06af4" +
				"1fca7903d06564fea7a2d3730dbdb80c1f85562dfcc070334ea4d1d9e72cba7a",
		},
		{
			"d3090c72",
			"1259afc2cb025eef2f681e128f889bbce57f9a502d57d1a17239a12e71603559" +
				"16b72223790fd9a8b367ec96212a3ed239331ed72ef3deb17685a8d5fd75158d",
		},
		{
			random[:128],
			"02d01535c2df280fde92146df054b0609273c73056c93b94b82f5e7dcc5be697" +
				"9978c4be24331caa85d892d2e710c6c9b4904cd056a53547b866bee097c0fb17",
		},
		{
			random,
			"1a0d5abf4432e7c612d658f8dcfa35b0d1ab68b8d6bd4dd115c23cc57b5c5bcd" +
				"de9bff0ece4208596e499f211bc07594d0cb6f3c12b0e110174b2a9b4b2cb6a9",
		},
	} {
		message, err := hex.DecodeString(v.message)
		if err != nil {
			t.Fatal(err)
		}
		w := hashes.NewWriter()
		w.Write(message)
		digests := w.Sum()
		if got := hex.EncodeToString(digests.Skein512[:]); got != v.want {
			t.Errorf("Skein of %s is %s, want %s", v.message, got, v.want)
		}
	}
}

// TestSkeinAtAllLengths pins the digests of all lengths around the ends of blocks and
// of some beyond. What it pins, the SHA-256 of them one after another, was made with
// another implementation, github.com/aead/skein.
func TestSkeinAtAllLengths(t *testing.T) {
	t.Parallel()
	content := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{2}).Read(content)
	w, all := hashes.NewWriter(), sha256.New()
	for n := 0; n <= len(content); n = next(n) {
		w.Reset()
		w.Write(content[:n])
		digests := w.Sum()
		all.Write(digests.Skein512[:])
	}
	const want = "89c13bf8629c627da99ed8b6a89e797dbd9e117c4f95808c56faf909e00ea29e"
	if got := hex.EncodeToString(all.Sum(nil)); got != want {
		t.Errorf("the Skein digests have the SHA-256 %s, want %s", got, want)
	}
}

// next goes on by one in the beginning, then in strides of no round number.
func next(n int) int {
	if n < 1000 {
		return n + 1
	}
	return n + 4099
}
