// Package hackagetest is a Hackage for tests: a secure package repository that
// lives in memory, signs with keys of its own, grows, changes its mind, lies
// and fails. Tests of every other room run against it.
//
// A [Hackage] is changed by methods (Upload, Revise, Prefer, Replace, Withdraw, Raw,
// RotateKeys, Rewrite, ...). After each the whole repository is a new
// [Generation], an immutable set of files that costs nothing until it is
// looked at. A generation can be written into a folder, served, gone back to,
// or mixed with another one:
//
//	h := hackagetest.Small()
//	before := h.Generation()
//	h.Upload("new", "1.0", nil, nil)
//	torn := before.WithFrom(h.Generation(), "timestamp.json")
//
// Serve serves it over HTTP on loopback with a log of the requests and with
// faults:
//
//	s := h.Serve()
//	defer s.Close()
//	s.Fault("/package/", hackagetest.Status(503).RetryAfter("1").Times(2))
//	s.Fault("/timestamp.json", hackagetest.Stale(before))
//
// # What it keeps to
//
// The metadata are those of hackage-security, Hackage's form of The Update
// Framework: root, timestamp, snapshot and mirrors in canonical JSON, signed
// with Ed25519. The root role has three keys and wants two; the others have one
// each. The keys follow from [Options.Seed], so a repository is the same bytes
// in every run, and another seed is a stranger's repository.
//
// The index is a ustar file that only grows, with the two forms that are met in
// the wild: real Hackage's ([Real]) and that of the reference tool,
// hackage-repo-tool ([Reference]). The gzip of it agrees with that of the
// generation before up to about its last deflate block, as real Hackage's does.
//
// Nothing here is shared with the rooms that read Hackage: JSON comes of
// encoding/json, the signer and the tar writer are its own, so that an error on one
// side is not hidden by the same error on the other.
//
// A wrong call (an upload of a release that exists, a revision of one that does
// not) is a mistake in the test and panics. All methods may be called from
// several goroutines.
package hackagetest
