package tuf

import (
	"encoding/base64"
	"fmt"
	"time"
)

// A reader reads what stands in the files. Its first error stays, and says what failed:
// whatever is read behind it counts for nothing.
type reader struct{ err error }

// refuse is the error, unless there is one.
func (r *reader) refuse(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// check is refuse for an error that may be nil.
func (r *reader) check(err error) {
	if r.err == nil {
		r.err = err
	}
}

// wrapping says of an error of read where it is.
func (r *reader) wrapping(read func(), format string, args ...any) {
	if r.err == nil {
		read()
		wrap(&r.err, format, args...)
	}
}

// wrap says of an error what failed.
func wrap(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), *err)
	}
}

// shape ends the refusals of what is JSON, but lacks a field or has another kind of it.
const shape = "not in the form of hackage-security"

// asType returns v as what it has to be: int64, string, []Value or object.
func asType[T any](r *reader, v Value) T {
	data, ok := v.data.(T)
	if !ok {
		r.refuse("%s instead of %s: "+shape, kindOf(v.data), kindOf(data))
	}
	return data
}

func kindOf(data any) string {
	switch data.(type) {
	case nil:
		return "null"
	case bool:
		return "a truth value"
	case int64:
		return "a number"
	case string:
		return "a string"
	case []Value:
		return "an array"
	}
	return "an object"
}

// field returns the field of that name, which must be there.
func field[T any](r *reader, o object, name string) T {
	v, ok := o.find(name)
	data, right := v.data.(T)
	switch {
	case !ok:
		r.refuse("field %q is missing: "+shape, name)
	case !right:
		r.refuse("field %q: %s instead of %s: "+shape, name, kindOf(v.data), kindOf(data))
	}
	return data
}

// base64 returns the bytes of a field in base64. There is one way to write them: Go's
// decoder would pass over line ends, so the text is made again.
func (r *reader) base64(o object, name string) []byte {
	text := field[string](r, o, name)
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(raw) != text {
		r.refuse("field %q is not base64: "+shape, name)
	}
	return raw
}

const timeFormat = "2006-01-02T15:04:05Z"

// expires returns the field of that name; the zero time is never.
func (r *reader) expires(signed object) time.Time {
	if v, ok := signed.find("expires"); ok && v.data == nil {
		return time.Time{}
	}
	text := field[string](r, signed, "expires")
	t, err := time.Parse(timeFormat, text)
	// Go's parser would also take fractions of a second.
	if err != nil || t.Format(timeFormat) != text {
		r.refuse("field \"expires\" is %.40q, not a time like %s: "+shape, text, timeFormat)
	}
	return t
}
