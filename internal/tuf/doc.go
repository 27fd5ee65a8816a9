// Package tuf verifies the signed files of a Hackage repository: root.json,
// timestamp.json, snapshot.json and mirrors.json. It is pure: bytes and a time
// come in, verified values go out, and only verification can make such a value.
//
// The format is that of the Haskell library hackage-security, which is what
// cabal and stack trust; it is a small dialect of The Update Framework. This
// room accepts what that library accepts.
//
// # Files
//
// Every file is an envelope around the part that is signed:
//
//	{"signatures":[{"keyid":"14ee…","method":"ed25519","sig":"base64…"}],
//	 "signed":{"_type":"Timestamp","version":7,"expires":"2026-11-25T06:00:00Z",…}}
//
// An "expires" of null is never. Each signature is Ed25519 over the canonical
// form of "signed", fields that nobody knows included. All signatures of a file
// have to verify, each by another key that root.json lists: one unknown key or
// one bad signature refuses the file, even if there are enough others.
//
//	root.json       keys by id, and for each role its key ids and how many of them must sign
//	timestamp.json  length and SHA-256 of snapshot.json
//	snapshot.json   lengths and SHA-256 of root.json, mirrors.json, 01-index.tar.gz, 01-index.tar
//	mirrors.json    addresses of mirrors
//	package.json    length and SHA-256 of a tarball; one for each release, unsigned, in the index
//
// A key's id is the SHA-256 of {"keytype":"ed25519","keyval":{"public":"base64…"}},
// in lower-case hexadecimal digits.
//
// # Trust
//
// The first root.json is trusted because enough pinned keys signed it (Pinned),
// each later one because enough root keys of the one before it did
// ([Root.VerifyRoot]). In both cases its signatures are looked up among its own
// keys. Root's roles then say who may sign the other files. Versions must not go
// down; the same version again is fine.
//
// Three things are refused here that hackage-security lets pass: a role that
// needs no signature at all, a field named twice, and bytes other than white
// space behind the value. An expired root is refused also when it is the first
// one; a zero time as now accepts expired files, which the older roots of a chain
// need.
//
// # Canonical JSON
//
// Strings are bytes: only \" and \\ are escapes, every other byte stands for
// itself, in any encoding. Numbers are integers of at most 15 digits, without
// leading zeros, fractions or exponents; 0 has no sign. White space is what
// Haskell's isSpace says of Latin-1: 0x09 to 0x0d, 0x20 and 0xa0. The canonical
// form has no white space between tokens and the fields of each object in the
// order of their names' bytes.
package tuf
