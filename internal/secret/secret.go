// Package secret keeps the values of options that nobody may read: keys, tokens,
// passphrases and addresses that let anybody in. It reads them, finds them where
// they should not be, hides them from everything that prints, and wipes them.
package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/bounded"
	"github.com/hackage-mirror/hackage-mirror/internal/paste"
)

// A Secret is the value of an option that nobody may read in a log, a process
// list or an error. Whatever way it is printed, it comes out as "[secret]". The
// zero Secret is not set. Copies share the bytes, so that one Wipe is enough.
type Secret struct {
	// reveal is a function because fmt, which cannot call the methods of a
	// value in somebody's unexported field, would print a struct and even
	// follow a pointer to one. Of a function it has only the address.
	reveal func() *content
}

// content is what a Secret hides.
type content struct {
	text []byte
	path string      // "" when the text came by environment
	mode fs.FileMode // of the file
	err  error       // why there is no text, of a secret that is no reason to stop
}

const (
	redacted = "[secret]"
	// MaxFile bounds a secret's file, in bytes; keys have a few thousand.
	MaxFile = 1 << 20
	// minMask is the shortest line of a secret that is masked, and minKeyMask
	// that of a key: a few characters would blank out innocent text.
	minMask, minKeyMask = 3, 8
)

// A Kind says what a secret's text looks like.
type Kind string

// The kinds, as the tag of an option names them.
const (
	Key    Kind = "key"    // a private key in lines of armor
	Line   Kind = "line"   // a token, without blanks
	Phrase Kind = "phrase" // a passphrase, whose blanks may count
	// addresses that are secrets, in lines or between commas; kept in lines.
	// Nothing about them is a reason to stop.
	Addresses Kind = "addresses"
)

func hide(c *content) Secret { return Secret{reveal: func() *content { return c }} }

// content returns what the secret hides, an empty one if it is not set.
func (s Secret) content() *content {
	if s.IsSet() {
		return s.reveal()
	}
	return &content{}
}

// Unusable returns a secret that was given and cannot be had, where that is no reason
// to stop: see Err.
func Unusable(err error) Secret { return hide(&content{err: err}) }

// IsSet reports whether the option was given.
func (s Secret) IsSet() bool { return s.reveal != nil }

// Or returns the secret, or the other one if it is not set.
func (s Secret) Or(other Secret) Secret {
	if s.IsSet() {
		return s
	}
	return other
}

// Bytes returns the secret itself, nil if it is not set. The caller must not
// keep it beyond Wipe.
func (s Secret) Bytes() []byte { return s.content().text }

// Err says why the secret could not be read. It is nil if it could.
func (s Secret) Err() error { return s.content().err }

// Wipe overwrites the bytes that Bytes returned, of all copies of the secret. Strings
// cannot be overwritten: what came by the environment stays in the memory of the process
// until the collector reuses it.
func (s Secret) Wipe() {
	c := s.content()
	clear(c.text)
	c.text = nil
}

// String returns "[secret]".
func (Secret) String() string { return redacted }

// Format prints "[secret]" for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON returns "[secret]" as JSON.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue returns "[secret]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Masks returns what must be masked in a log: the secret's lines, but for those too
// short to give anything away and the first and last line of a key, which everybody knows.
func (s Secret) Masks() []string {
	text := strings.TrimSpace(string(s.Bytes()))
	least := minMask
	if strings.Contains(text, paste.ArmorBegin) {
		least = minKeyMask
	}
	var masks []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if len(line) >= least && !strings.HasPrefix(line, "-----") {
			masks = append(masks, line)
		}
	}
	return masks
}

// File returns the secret's file and its mode, zero if it came by environment.
func (s Secret) File() (path string, mode fs.FileMode) {
	if c := s.content(); c.mode.IsRegular() {
		return c.path, c.mode
	}
	return "", 0
}

// each calls do for each secret in a struct of options, and in the structs in it, with the
// name of its option.
func each(options reflect.Value, do func(option string, s Secret)) {
	for field, value := range options.Fields() {
		if s, ok := value.Interface().(Secret); ok {
			do(field.Tag.Get("name"), s)
		} else if value.Kind() == reflect.Struct {
			each(value, do)
		}
	}
}

// ByOption returns the secrets of a struct of options, of which a pointer is given, by the
// names of their options.
func ByOption(options any) map[string]Secret {
	all := map[string]Secret{}
	each(reflect.ValueOf(options).Elem(), func(option string, s Secret) { all[option] = s })
	return all
}

// Masks returns what must be masked of all secrets in a struct of options.
func Masks(options any) (masks []string) {
	each(reflect.ValueOf(options).Elem(), func(_ string, s Secret) { masks = append(masks, s.Masks()...) })
	return masks
}

// Wipe overwrites all secrets in a struct of options in memory, whoever else has their
// bytes.
func Wipe(options any) {
	each(reflect.ValueOf(options).Elem(), func(_ string, s Secret) { s.Wipe() })
}

// FromFile reads the secret of a flag, which is the path of a file. Errors do
// not repeat the path: it may be the secret itself, given by mistake.
func FromFile(path string, kind Kind) (Secret, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Secret{}, errors.New("there is no such file; a flag and a file of options take the path of a file, only the environment takes the text itself")
	case err != nil:
		return Secret{}, fmt.Errorf("the file cannot be read: %w", errors.Unwrap(err)) // without the path
	case info.IsDir():
		return Secret{}, errors.New("it is a folder; give the path of a file")
	}
	text, err := bounded.ReadFile(path, MaxFile)
	if err != nil {
		return Secret{}, fmt.Errorf("the file cannot be read: %w", err)
	}
	s, err := New(text, kind)
	if err == nil {
		s.content().path, s.content().mode = path, info.Mode()
	}
	return s, err
}

// FromEnvironment reads the secret of an environment variable: the path of a
// file if there is such a file, and the text itself otherwise.
func FromEnvironment(value string, kind Kind) (Secret, error) {
	if path := strings.TrimSpace(value); !strings.Contains(path, "\n") && IsFile(path) {
		return FromFile(path, kind)
	}
	if kind == Key && !looksKey(value) {
		return Secret{}, errors.New("it is neither the path of a file nor the text of a key, which has a line -----BEGIN ...-----")
	}
	return New([]byte(value), kind)
}

// minCoded is the least length of a key in binary form that is coded in base64.
const minCoded = 100

// looksKey reports whether a text has a block of armor, or may be base64 of a key
// in binary form.
func looksKey(text string) bool {
	plain := string(paste.Lines([]byte(text)))
	return strings.Contains(plain, paste.ArmorBegin) || len(plain) >= minCoded && paste.IsBinary(paste.Base64(plain))
}

// New returns a secret whose text has its kind's form, without what editors, shells and
// forms add to it. The text is wiped unless it becomes the secret's own.
func New(text []byte, kind Kind) (Secret, error) {
	var plain []byte
	switch kind {
	case Key:
		plain = paste.Lines(text)
	case Line:
		plain = []byte(paste.Line(string(text)))
	case Phrase:
		plain = []byte(strings.TrimRight(paste.Decode(text), "\r\n"))
	case Addresses:
		plain = []byte(strings.Join(addressList(paste.Decode(text)), "\n"))
	}
	if len(bytes.TrimSpace(plain)) == 0 {
		return Secret{}, errors.New("the secret is empty; leave the option out instead")
	}
	if &plain[0] != &text[0] {
		clear(text)
	}
	return hide(&content{text: plain}), nil
}

// addressList returns the addresses of a list: one a line, or between commas if each begins
// as an address does. Half of one would be somebody else's.
func addressList(text string) (all []string) {
	for line := range strings.SplitSeq(text, "\n") {
		items := paste.Items(line)
		if slices.ContainsFunc(items, func(item string) bool { return !beginsAddress.MatchString(item) }) {
			items = []string{paste.Line(line)}
		}
		all = append(all, items...)
	}
	return all
}

var beginsAddress = regexp.MustCompile(`^(?i)https?://`)

// LooksLike reports whether a text that is meant for all to see contains a private
// key, in any form in which people paste one, or what hosts put in front of their
// tokens so that they can be found where they should not be.
func LooksLike(text string) bool {
	plain := string(paste.Lines([]byte(text)))
	for _, sign := range []string{"PRIVATE KEY", "SECRET KEY", "Private-Lines:"} {
		if strings.Contains(plain, sign) {
			return true
		}
	}
	words := strings.FieldsFunc(plain, func(r rune) bool {
		return r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	return slices.ContainsFunc(words, addresses.IsToken)
}

// IsFile reports whether path names something to read, which a folder is not.
func IsFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}
