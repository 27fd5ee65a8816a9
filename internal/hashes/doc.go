// Package hashes computes the five digests of a tarball and keeps the JSON
// record that all-cabal-hashes has for each release.
//
// # The record
//
// One line, no space, no newline at the end, keys in this order, digests in
// lower-case hexadecimal, the size in bytes:
//
//	{"package-hashes":{"MD5":"","SHA1":"","SHA256":"","SHA512":"","Skein512_512":""},"package-locations":["",""],"package-size":0}
//
// Readers depend on these bytes: nixpkgs cuts the text behind "SHA256":" with
// sed, stackage-install takes the last location. The published
// history has three forms: the form shown above, which is written today; until
// about 2024 the digests in the order MD5, Skein512_512, SHA1, SHA512, SHA256;
// and at first the same without package-size. Parse reads all three.
//
// Skein512_512 is Skein 1.3 with 512 bits of state and of output, without a
// key.
package hashes
