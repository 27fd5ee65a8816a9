package tuf_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"white space goes", " \t\n\v\f\r\xa0{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \xa0", `{"a":[1,2],"b":{}}`},
		{"fields are sorted by bytes", `{"b":1,"a":2,"B":3,"":4,"é":5,"aa":6}`, `{"":4,"B":3,"a":2,"aa":6,"b":1,"é":5}`},
		{"fields are sorted before escaping", `{"]":1,"\\":2,"[":3}`, `{"[":3,"\\":2,"]":1}`},
		{"arrays are not sorted", `[3,1,2]`, `[3,1,2]`},
		{"words", `[null,true,false]`, `[null,true,false]`},
		{"two escapes", `"\"\\"`, `"\"\\"`},
		{"other bytes stay", "\"a\x00\n\x7f\xff/é\"", "\"a\x00\n\x7f\xff/é\""},
		{"fifteen digits", `[999999999999999,-999999999999999,0]`, `[999999999999999,-999999999999999,0]`},
		{"empty", `[{},[],""]`, `[{},[],""]`},
		{"deep enough", strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 64) + strings.Repeat("]", 64)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, err := tuf.ParseJSON([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(v.Canonical()); got != c.want {
				t.Errorf("canonical form of %q is %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestSyntax(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		``, ` `, `nul`, `True`, `nulll`, "\xef\xbb\xbf{}",
		`01`, `-0`, `-01`, `-`, `+1`, `1.0`, `1e3`, `1000000000000000`, `-1000000000000000`,
		`"`, `"a`, `"\n"`, `"\u0041"`, `"\/"`, `"\`, `'a'`,
		`[`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `]`, `[1}`,
		`{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{a:1}`, `{1:1}`, `{"a" 1}`, `{"a":1]`, `{"a"}`,
		`{"a":1,"a":1}`, `{"a":1,"b":2,"a":3}`, `[{"\"":1,"\"":2}]`,
		`{}{}`, `{} x`, `{},`, `null null`, "{}\x00",
		strings.Repeat("[", 66) + strings.Repeat("]", 66),
		strings.Repeat(`{"a":`, 1<<16),
	} {
		v, err := tuf.ParseJSON([]byte(in))
		if err == nil || !strings.Contains(err.Error(), notJSON) {
			t.Errorf("ParseJSON(%.80q) = %s, %v, want a refusal", in, v.Canonical(), err)
		}
	}
}

// FuzzCanonical: what can be parsed has one canonical form, which is never
// longer, is its own canonical form, and is JSON to others as far as the
// dialects agree.
func FuzzCanonical(f *testing.F) {
	for _, generation := range committed(f).generations() {
		for _, name := range []string{"root", "timestamp", "snapshot", "mirrors"} {
			f.Add(generation.read(f, name))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := tuf.ParseJSON(raw)
		if err != nil {
			if !strings.Contains(err.Error(), notJSON) {
				t.Errorf("%v does not say %q", err, notJSON)
			}
			return
		}
		once := v.Canonical()
		again, err := tuf.ParseJSON(once)
		if err != nil {
			t.Fatalf("canonical form %q: %v", once, err)
		}
		if twice := again.Canonical(); !bytes.Equal(once, twice) {
			t.Errorf("canonical form of %q is %q", once, twice)
		}
		if len(once) > len(raw) {
			t.Errorf("canonical form %q is longer than %q", once, raw)
		}
		control := bytes.ContainsFunc(once, func(r rune) bool { return r < ' ' })
		if utf8.Valid(once) && !control && !json.Valid(once) {
			t.Errorf("canonical form %q is not JSON", once)
		}
	})
}
