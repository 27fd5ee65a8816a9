package secret

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A key that no scanner takes for one, in the form of one.
const armor = "-----BEGIN TEST KEY-----\nbm90IGEga2V5IGF0IGFsbA==\nshort\n-----END TEST KEY-----\n"

func written(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestForms(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		kind Kind
		text string
		want string
	}{
		{"passphrase", Phrase, "a b\n", "a b"},
		{"passphrase of another system", Phrase, " a\r\n", " a"},
		{"token", Line, "\ufeff \"abc\"\r\n", "abc"},
		{"key of another system", Key, "\ufeff" + strings.ReplaceAll(armor, "\n", "\r\n"), armor},
		{"key with written newlines", Key, strings.ReplaceAll(armor, "\n", `\n`), armor},
		{"key in base64", Key, base64.StdEncoding.EncodeToString([]byte(armor)), armor},
		{"key", Key, armor, armor},
		{"key without its last newline", Key, strings.TrimSpace(armor), armor},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			byText, err := FromEnvironment(test.text, test.kind)
			if err != nil || string(byText.Bytes()) != test.want {
				t.Errorf("by text: %q, %v; want %q", byText.Bytes(), err, test.want)
			}
			file := written(t, test.text)
			byFile, err := FromFile(file, test.kind)
			if err != nil || string(byFile.Bytes()) != test.want {
				t.Errorf("by file: %q, %v; want %q", byFile.Bytes(), err, test.want)
			}
			byPath, err := FromEnvironment(file+"\n", test.kind)
			if err != nil || string(byPath.Bytes()) != test.want {
				t.Errorf("by path in the environment: %q, %v; want %q", byPath.Bytes(), err, test.want)
			}
		})
	}
	binary := "\x95\x00no armor"
	if got, err := FromFile(written(t, binary), Key); err != nil || string(got.Bytes()) != binary {
		t.Errorf("binary key: %q, %v; want it unchanged", got.Bytes(), err)
	}
}
