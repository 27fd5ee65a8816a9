// Package paste reads what people paste into forms, secret stores and files as
// what they meant. Editors and forms add byte order marks, blanks, other line
// ends and signs that nobody sees, or remove line ends; Windows PowerShell
// writes UTF-16. None of that is ever part of a key, a token or an address.
package paste

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf16"
)

// lineEnds makes line ends of all kinds one, also those written as signs.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", `\r`, "", `\n`, "\n")

// Lines returns a text of several lines, such as a key or known_hosts: no byte order
// mark, no signs that nobody sees, no blanks around a line, a newline
// after each. Line ends written as \n, quotes around the text and a coding in
// base64 to survive a form are undone, and blocks get the form that all readers
// know. Bytes that are no text stay as they are.
func Lines(text []byte) []byte {
	plain := Decode(text)
	if !isText(plain) {
		return text
	}
	plain = unquote(trim(strings.Map(visible, lineEnds.Replace(plain))))
	if inner := Base64(plain); isPlain(inner) {
		return Lines(inner)
	}
	plain = blocks(plain)
	var lines bytes.Buffer
	for line := range strings.SplitSeq(strings.TrimSpace(plain), "\n") {
		lines.WriteString(strings.TrimSpace(line) + "\n")
	}
	return lines.Bytes()
}

// Line returns a text of one line, such as a token or an address, without what
// is around it: blanks, line ends, signs that nobody sees, and one pair of
// quotes or angle brackets.
func Line(text string) string {
	return unquote(trim(Decode([]byte(text))))
}

// unquote removes one pair of quotes or angle brackets.
func unquote(text string) string {
	for _, pair := range [][2]string{{`"`, `"`}, {"'", "'"}, {"`", "`"}, {"<", ">"}, {"“", "”"}, {"‘", "’"}} {
		inner, opened := strings.CutPrefix(text, pair[0])
		if inner, closed := strings.CutSuffix(inner, pair[1]); opened && closed {
			return trim(inner)
		}
	}
	return text
}

func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || visible(r) < 0 })
}

// visible drops signs that nobody sees and makes blanks of all kinds one.
func visible(r rune) rune {
	switch {
	case r == '\u00ad' || '\u200b' <= r && r <= '\u200f' || r == '\u2060' || r == '\ufeff':
		return -1
	case r != '\n' && unicode.IsSpace(r):
		return ' '
	}
	return r
}

// Decode removes the byte order mark and reads UTF-16, which is known by it, or
// by each second byte being zero.
func Decode(text []byte) string {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe")), everySecond(text, 1):
		order = binary.LittleEndian
	case bytes.HasPrefix(text, []byte("\xfe\xff")), everySecond(text, 0):
		order = binary.BigEndian
	default:
		return strings.TrimPrefix(string(text), "\ufeff")
	}
	units := make([]uint16, 0, len(text)/2)
	for rest := text; len(rest) > 1; rest = rest[2:] {
		units = append(units, order.Uint16(rest))
	}
	return strings.TrimPrefix(string(utf16.Decode(units)), "\ufeff")
}

// everySecond reports whether a text is pairs of bytes, of which the first (0) or the
// second (1) is always zero, and the other never.
func everySecond(text []byte, zero int) bool {
	for i, b := range text {
		if (b == 0) != (i%2 == zero) {
			return false
		}
	}
	return len(text) > 0 && len(text)%2 == 0
}

// isText tells text from the bytes of a key in binary form.
func isText(text string) bool {
	return strings.Contains(text, ArmorBegin) || text != "" && !IsBinary([]byte(text)) && !strings.Contains(text, "\x00")
}

// IsBinary reports whether bytes can be a key in binary form, which begins with a byte
// that no line of ASCII has.
func IsBinary(raw []byte) bool { return len(raw) > 0 && raw[0] >= 0x80 }

// isPlain tells the text of keys or hosts from bytes that happen to be the base64
// form of something, such as a fingerprint or a key in binary form.
func isPlain(text []byte) bool {
	return bytes.ContainsRune(text, ' ') && !bytes.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || r < ' ' && !unicode.IsSpace(r) })
}

// Base64 returns what a text is the base64 form of, nil for nothing.
func Base64(text string) []byte {
	inner, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil
	}
	return inner
}

// Items returns the lines of a list: those between newlines or commas, each as Line
// has it, without empty ones.
func Items(text string) (items []string) {
	for item := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == ',' }) {
		if item = Line(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
