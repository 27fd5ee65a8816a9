package state

import "time"

// Seen is what a destination remembers of the metadata that it was last made
// from. The zero value remembers nothing.
type Seen struct {
	// Root, Timestamp, Snapshot and Mirrors are versions; upstream's must not
	// be lower.
	Root, Timestamp, Snapshot, Mirrors int64
	// ETag is that of timestamp.json, as upstream sent it; may be empty.
	ETag string
	// Digest is the SHA-256 of timestamp.json in lower-case hexadecimal digits.
	Digest string
	// Index is the SHA-256 of 01-index.tar.gz, written likewise.
	Index string
	// Expires is when the first of the files expires; zero means never.
	Expires time.Time
	// RootExpires and MirrorsExpires are when those two do, which are signed by
	// hand; zero means never, or that an earlier version wrote this.
	RootExpires, MirrorsExpires time.Time
}
