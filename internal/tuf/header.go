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

func parseHeader(raw []byte, signed object) (header, error) {
	version, err := field[int64](signed, "version")
	if err != nil {
		return header{}, err
	}
	end, err := expires(signed)
	if err != nil {
		return header{}, err
	}
	return header{raw: string(raw), version: version, expires: end}, nil
}

// fresh refuses an old version and an expired file. A zero now is before every
// date, so that it takes expired files.
func (h header) fresh(minVersion int64, now time.Time) error {
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
func checkType(signed object, want string) error {
	have, err := field[string](signed, "_type")
	if err == nil && have != want {
		err = fmt.Errorf("_type is %.40q instead of %q: %w", have, want, ErrType)
	}
	return err
}
