package bucket

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxKey is S3's limit, in bytes.
const maxKey = 1024

// CheckKey refuses, with ErrKey, what is not a key: segments joined by single
// slashes, none of them empty, "." or "..", at most 1024 bytes of UTF-8 without
// control characters and backslashes. Such a key is the same path in a URL, in
// S3 and below a folder.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("check key %q: empty: %w", key, ErrKey)
	case len(key) > maxKey:
		return fmt.Errorf("check key %.60q…: longer than %d bytes: %w", key, maxKey, ErrKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("check key %q: not UTF-8: %w", key, ErrKey)
	case strings.ContainsFunc(key, func(r rune) bool { return r == '\\' || unicode.IsControl(r) }):
		return fmt.Errorf("check key %q: a backslash or control character: %w", key, ErrKey)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("check key %q: a segment %q: %w", key, segment, ErrKey)
		}
	}
	return nil
}
