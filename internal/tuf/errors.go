package tuf

import "errors"

// Every refusal wraps one of these. The text around it names the file, the key
// or date in question; the sentinel says what that means and what helps.
var (
	// ErrSyntax: the bytes are not JSON of the kind that can be signed.
	ErrSyntax = errors.New("not canonical JSON (an answer cut short, or from something else?)")
	// ErrShape: it is JSON, but a field is missing or of another kind.
	ErrShape = errors.New("not in the form of hackage-security")
	// ErrType: the file is of another _type, for example a snapshot in the
	// place of a timestamp.
	ErrType = errors.New("another type of file")
	// ErrKeyType: a key or signature is not ed25519.
	ErrKeyType = errors.New("not ed25519, which is the only known type")
	// ErrKeyID: root.json lists a key under an id that is not its own.
	ErrKeyID = errors.New("the key does not match its id")
	// ErrUnknownKey: a signature or a role names a key that root.json lacks.
	ErrUnknownKey = errors.New("not a key of root.json (after a rotation of keys a newer root.json has it)")
	// ErrTooMany: a file has more keys or signatures than anybody needs.
	ErrTooMany = errors.New("too many (not a file of a Hackage repository)")
	// ErrDuplicateKey: two signatures name the same key.
	ErrDuplicateKey = errors.New("two signatures by one key")
	// ErrSignature: a signature does not fit the content.
	ErrSignature = errors.New("the signature does not match the content")
	// ErrThreshold: too few of the keys that count have signed.
	ErrThreshold = errors.New("not enough signatures by trusted keys")
	// ErrPinned: the configured keys or their threshold make no sense.
	ErrPinned = errors.New("not usable as pinned root keys (options root-keys and key-threshold)")
	// ErrRollback: the version is lower than one seen before.
	ErrRollback = errors.New("older than before (a stale or replayed copy: try again later, or use another upstream)")
	// ErrExpired: everything else is right, but the file's time is over.
	ErrExpired = errors.New("expired (upstream or this copy of it is not renewed, or this machine's clock is wrong)")
	// ErrLength: a file has another length than the one signed.
	ErrLength = errors.New("length differs from the signed one")
	// ErrDigest: a file has another SHA-256 than the one signed.
	ErrDigest = errors.New("SHA-256 differs from the signed one")
)
