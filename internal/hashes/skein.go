package hashes

import (
	"encoding/binary"
	"math/bits"
)

// skeinSize is the size in bytes of a Skein-512-512 digest, and of a block.
const skeinSize = 64

// A skein computes Skein-512-512 as "The Skein Hash Function Family", version
// 1.3, has it. Of the five digests this one takes most of the time, and
// the public library, github.com/aead/skein, takes 1.6 times as long.
type skein struct {
	chain [8]uint64 // of the blocks so far
	size  uint64    // bytes in chain
	block [skeinSize]byte
	count int // bytes in block: a whole one may be the last, which has a flag
}

// What a block is part of, and whether it is the first or the last there, as they
// stand in its tweak.
const (
	skeinConfig  = 4 << 56
	skeinMessage = 48 << 56
	skeinOutput  = 63 << 56
	skeinFirst   = 1 << 62
	skeinLast    = 1 << 63
)

// skeinStart is the chain before the first byte. It has one block in it, which
// says what is computed: the name "SHA3", version 1, a digest of so many bits.
var skeinStart = func() (chain [8]uint64) {
	skeinBlock(&chain, &[8]uint64{0x33414853 | 1<<32, 8 * skeinSize}, 32, skeinConfig|skeinFirst|skeinLast)
	return chain
}()

func newSkein() *skein { return &skein{chain: skeinStart} }

// Reset implements hash.Hash.
func (s *skein) Reset() { *s = skein{chain: skeinStart} }

// Size implements hash.Hash.
func (s *skein) Size() int { return skeinSize }

// BlockSize implements hash.Hash.
func (s *skein) BlockSize() int { return skeinSize }

// Write implements hash.Hash.
func (s *skein) Write(p []byte) (int, error) {
	n := len(p)
	if s.count > 0 {
		m := copy(s.block[s.count:], p)
		s.count += m
		p = p[m:]
	}
	if s.count > 0 && len(p) > 0 {
		s.add(s.block[:], skeinSize, 0)
		s.count = 0
	}
	for ; len(p) > skeinSize; p = p[skeinSize:] {
		s.add(p, skeinSize, 0)
	}
	s.count += copy(s.block[s.count:], p)
	return n, nil
}

// Sum implements hash.Hash.
func (s *skein) Sum(b []byte) []byte {
	end := *s
	clear(end.block[end.count:])
	end.add(end.block[:], end.count, skeinLast)
	skeinBlock(&end.chain, new([8]uint64), 8, skeinOutput|skeinFirst|skeinLast)
	for _, word := range end.chain {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	return b
}

// add adds a block that begins with n bytes of the message.
func (s *skein) add(block []byte, n int, flags uint64) {
	if s.size == 0 {
		flags |= skeinFirst
	}
	s.size += uint64(n)
	var words [8]uint64
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(block[8*i:])
	}
	skeinBlock(&s.chain, &words, s.size, skeinMessage|flags)
}

// skeinBlock makes of the chain, by Threefish-512 in 72 rounds, the block
// encrypted with the chain as key and two words of tweak, xor the block.
func skeinBlock(chain, block *[8]uint64, tweak0, tweak1 uint64) {
	// Each four rounds begin with a subkey, which starts one word further on in
	// the key and in the tweak than the one before. Both lie here in a row, as
	// often as that takes, since to go round in them would take longer.
	var key [26]uint64
	parity := uint64(0x1bd11bdaa9fc1a22)
	for i, word := range chain {
		key[i], key[i+9], key[i+18] = word, word, word
		parity ^= word
	}
	key[8], key[17] = parity, parity
	var tweak [20]uint64
	for i := 0; i < 18; i += 3 {
		tweak[i], tweak[i+1], tweak[i+2] = tweak0, tweak1, tweak0^tweak1
	}
	tweak[18], tweak[19] = tweak0, tweak1

	a, b, c, d, e, f, g, h := block[0], block[1], block[2], block[3], block[4], block[5], block[6], block[7]
	for n := 0; n < 18; n += 2 {
		k, t := (*[9]uint64)(key[n:n+9]), (*[3]uint64)(tweak[n:n+3]) // no checks of bounds below
		a, b, c, d = a+k[0], b+k[1], c+k[2], d+k[3]
		e, f, g, h = e+k[4], f+k[5]+t[0], g+k[6]+t[1], h+k[7]+uint64(n)

		a, b, c, d, e, f, g, h = skeinRound(a, b, c, d, e, f, g, h, 46, 36, 19, 37)
		c, b, e, h, g, f, a, d = skeinRound(c, b, e, h, g, f, a, d, 33, 27, 14, 42)
		e, b, g, d, a, f, c, h = skeinRound(e, b, g, d, a, f, c, h, 17, 49, 36, 39)
		g, b, a, h, c, f, e, d = skeinRound(g, b, a, h, c, f, e, d, 44, 9, 54, 56)

		a, b, c, d = a+k[1], b+k[2], c+k[3], d+k[4]
		e, f, g, h = e+k[5], f+k[6]+t[1], g+k[7]+t[2], h+k[8]+uint64(n+1)

		a, b, c, d, e, f, g, h = skeinRound(a, b, c, d, e, f, g, h, 39, 30, 34, 24)
		c, b, e, h, g, f, a, d = skeinRound(c, b, e, h, g, f, a, d, 13, 50, 10, 17)
		e, b, g, d, a, f, c, h = skeinRound(e, b, g, d, a, f, c, h, 25, 29, 39, 43)
		g, b, a, h, c, f, e, d = skeinRound(g, b, a, h, c, f, e, d, 8, 35, 56, 22)
	}
	*chain = [8]uint64{
		block[0] ^ (a + key[18]), block[1] ^ (b + key[19]), block[2] ^ (c + key[20]), block[3] ^ (d + key[21]),
		block[4] ^ (e + key[22]), block[5] ^ (f + key[23] + tweak[18]),
		block[6] ^ (g + key[24] + tweak[19]), block[7] ^ (h + key[25] + 18),
	}
}

// skeinRound mixes four pairs of words. It is small enough to be inlined.
func skeinRound(a, b, c, d, e, f, g, h uint64, ab, cd, ef, gh int) (_, _, _, _, _, _, _, _ uint64) {
	a += b
	b = bits.RotateLeft64(b, ab) ^ a
	c += d
	d = bits.RotateLeft64(d, cd) ^ c
	e += f
	f = bits.RotateLeft64(f, ef) ^ e
	g += h
	h = bits.RotateLeft64(h, gh) ^ g
	return a, b, c, d, e, f, g, h
}
