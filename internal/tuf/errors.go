package tuf

import "errors"

// The refusals on which somebody branches. The text around each names the file, the key
// or date in question; it says what that means and what helps.
var (
	// ErrUnknownKey: a signature or a role names a key that root.json lacks.
	ErrUnknownKey = errors.New("not a key of root.json (after a rotation of keys a newer root.json has it)")
	// ErrSignature: a signature does not fit the content.
	ErrSignature = errors.New("the signature does not match the content")
	// ErrThreshold: too few of the keys that count have signed.
	ErrThreshold = errors.New("not enough signatures by trusted keys")
	// ErrRollback: the version is lower than one seen before.
	ErrRollback = errors.New("older than before (a stale or replayed copy: try again later, or use another upstream)")
	// ErrExpired: everything else is right, but the file's time is over.
	ErrExpired = errors.New("expired (upstream or this copy of it is not renewed, or this machine's clock is wrong)")
	// ErrLength: a file has another length than the one signed.
	ErrLength = errors.New("length differs from the signed one")
	// ErrDigest: a file has another SHA-256 than the one signed.
	ErrDigest = errors.New("SHA-256 differs from the signed one")
)
