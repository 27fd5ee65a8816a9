package tuf

import (
	"fmt"
	"time"
)

// A header is what all verified files have in common.
type header struct {
	raw     string
	version int64
	expires time.Time
}

// Version returns the file's version, which never goes down.
func (h header) Version() int64 { return h.version }

// Expires returns the time, in UTC, up to which the file may be used; the zero
// time means that it never expires.
func (h header) Expires() time.Time { return h.expires }

// Raw returns a copy of the bytes that were verified, as they came.
func (h header) Raw() []byte { return []byte(h.raw) }

func (r *reader) header(raw []byte, signed object) header {
	return header{raw: string(raw), version: field[int64](r, signed, "version"), expires: r.expires(signed)}
}

// checkFresh refuses an old version and an expired file. A zero now is before every
// date, so that it accepts expired files.
func (h header) checkFresh(minVersion int64, now time.Time) error {
	if h.version < minVersion {
		return fmt.Errorf("version %d after version %d: %w", h.version, minVersion, ErrRollback)
	}
	if !h.expires.IsZero() && now.After(h.expires) {
		return fmt.Errorf("version %d was good until %s, now is %s: %w",
			h.version, h.expires.Format(timeFormat), now.UTC().Format(timeFormat), ErrExpired)
	}
	return nil
}

// checkType refuses a file in the place of another.
func (r *reader) checkType(signed object, want string) {
	if have := field[string](r, signed, "_type"); have != want {
		r.refuse("_type is %.40q instead of %q: another type of file", have, want)
	}
}
