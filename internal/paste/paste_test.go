package paste

import (
	"encoding/base64"
	"strings"
	"testing"
	"unicode/utf16"
)

func utf16le(text string) string {
	out := "\xff\xfe"
	for _, unit := range utf16.Encode([]rune(text)) {
		out += string([]byte{byte(unit), byte(unit >> 8)})
	}
	return out
}

func TestLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("Ab3+", 16)
	key := "-----BEGIN PGP KEY-----\n\n" + long + "\n" + long + "\nAb==\n=abcd\n-----END PGP KEY-----\n"
	folded := strings.ReplaceAll(strings.TrimSpace(key), "\n", " ")
	for name, text := range map[string]string{
		"as it is":                 key,
		"byte order mark":          "\ufeff" + key,
		"CRLF":                     strings.ReplaceAll(key, "\n", "\r\n"),
		"CR":                       strings.ReplaceAll(key, "\n", "\r"),
		"no last newline":          strings.TrimSpace(key),
		"indented":                 "   " + strings.ReplaceAll(key, "\n", "\t\n\t  "),
		"blanks that do not break": strings.ReplaceAll(key, "\n", "\u00a0\n"),
		"zero width":               "\u200b" + strings.ReplaceAll(key, "\n", "\u200b\n"),
		"separators":               strings.ReplaceAll(key, "\n", "\u2028"),
		"PowerShell":               utf16le(key),
		"written newlines":         strings.ReplaceAll(key, "\n", `\n`),
		"written CRLF":             strings.ReplaceAll(key, "\n", `\r\n`),
		"on one line":              folded,
		"on one line, header":      strings.Replace(folded, "KEY-----", "KEY----- Version: GnuPG v2", 1),
		"base64":                   base64.StdEncoding.EncodeToString([]byte(key)),
		"PowerShell, no mark":      utf16le(key)[2:],
		"written, and a real one":  strings.ReplaceAll(key, "\n", `\n`) + "\n",
		"data on one line":         strings.ReplaceAll(key, long+"\n", long),
		"data with blanks":         strings.ReplaceAll(key, long+"\n", long+" "),
		"all but the first mark":   strings.Replace(folded, "KEY-----", "KEY-----\n", 1),
		"glued checksum":           strings.Replace(key, "\n=abcd", "=abcd", 1),
		"no filling":               strings.Replace(key, "Ab==", "Ab", 1),
		"header, no empty line":    strings.Replace(key, "\n\n", "\nVersion: 2\nComment: a b\n", 1),
		"in quotes":                `"` + key + `"`,
		"in single quotes":         "'" + key + "'",
		"in JSON":                  "{\n  \"\": \"" + strings.ReplaceAll(key, "\n", `\n`) + "\"\n}",
		"quoted":                   "> " + strings.ReplaceAll(strings.TrimSpace(key), "\n", "\n> "),
		"folded by YAML":           strings.Replace(folded, "  ", "\n", 1),
		"another last mark":        strings.Replace(key, "END PGP KEY-----", "END PGP PUBLIC KEY---", 1),
		"words behind":             strings.Replace(key, "=abcd\n", "=abcd\nhello\n", 1),
	} {
		if got := string(Lines([]byte(text))); got != key {
			t.Errorf("%s: %q", name, got)
		}
	}
	for text, want := range map[string]string{
		`SIGNING_KEY="` + key + `"`:                             `SIGNING_KEY="` + "\n" + key,
		"note\n" + strings.ReplaceAll(key, "\n", `\n`):          "note\n" + key,
		`host ssh-rsa AAAA\nhost2 ssh-rsa BBBB\n`:               "host ssh-rsa AAAA\nhost2 ssh-rsa BBBB\n",
		base64.StdEncoding.EncodeToString([]byte("h x AAAA\n")): "h x AAAA\n",
		`"host ssh-rsa AAAA"`:                                   "host ssh-rsa AAAA\n",
		"-----BEGIN X KEY----- Proc-Type: 4,E DEK-Info: AES-128-CBC,00 " + long + " Ab== -----END X KEY-----": "-----BEGIN X KEY-----\nProc-Type: 4,E\nDEK-Info: AES-128-CBC,00\n\n" + long + "\nAb==\n-----END X KEY-----\n",
		// As in gpg's file of a revocation certificate.
		":" + strings.Replace(key, "\n\n", "\n", 1): ":" + strings.Replace(key, "\n\n", "\n", 1),
	} {
		if got := string(Lines([]byte(text))); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	for _, same := range []string{"\x95\x03\r\n\xff", "\xc5\x00", "host ssh-rsa AAAA\n", "before\n" + key, strings.Repeat("0123456789", 4) + "\n"} {
		if got := string(Lines([]byte(same))); got != same {
			t.Errorf("%q became %q", same, got)
		}
	}
	if got := Lines(nil); len(got) != 0 {
		t.Errorf("nothing became %q", got)
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"tok", " tok\r\n", "\ufefftok", "tok\u200b", "\u00a0tok\u00a0", `"tok"`, "'tok' ", "`tok`", "<tok>", "“tok”", utf16le("tok\r\n"),
	} {
		if got := Line(text); got != "tok" {
			t.Errorf("%q: %q", text, got)
		}
	}
	for text, want := range map[string]string{"": "", `"`: `"`, "a b": "a b", `""`: "", "it's": "it's", `"a`: `"a`} {
		if got := Line(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
