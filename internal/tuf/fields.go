package tuf

import (
	"encoding/base64"
	"fmt"
	"time"
)

// as returns v as what it has to be: int64, string, []Value or object.
func as[T any](v Value) (T, error) {
	data, ok := v.data.(T)
	if !ok {
		return data, fmt.Errorf("%s instead of %s: %w", kindOf(v.data), kindOf(data), ErrShape)
	}
	return data, nil
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
func field[T any](o object, name string) (T, error) {
	v, ok := o.find(name)
	if !ok {
		var none T
		return none, fmt.Errorf("field %q is missing: %w", name, ErrShape)
	}
	data, err := as[T](v)
	if err != nil {
		return data, fmt.Errorf("field %q: %w", name, err)
	}
	return data, nil
}

// base64Field returns the bytes of a field in base64. There is one way to write
// them: Go's decoder would pass over line ends, so the text is made again.
func base64Field(o object, name string) ([]byte, error) {
	text, err := field[string](o, name)
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(raw) != text {
		return nil, fmt.Errorf("field %q is not base64: %w", name, ErrShape)
	}
	return raw, nil
}

const timeFormat = "2006-01-02T15:04:05Z"

// expires returns the field of that name; the zero time is never.
func expires(signed object) (time.Time, error) {
	v, ok := signed.find("expires")
	if ok && v.data == nil {
		return time.Time{}, nil
	}
	text, err := field[string](signed, "expires")
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(timeFormat, text)
	// Go's parser would also take fractions of a second.
	if err != nil || t.Format(timeFormat) != text {
		return time.Time{}, fmt.Errorf("field \"expires\" is %.40q, not a time like %s: %w", text, timeFormat, ErrShape)
	}
	return t, nil
}
