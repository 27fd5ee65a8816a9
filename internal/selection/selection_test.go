package selection

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		patterns    string
		takes, lets []string
	}{
		{"", []string{"aeson", "Cabal"}, nil},
		{"aeson", []string{"aeson"}, []string{"Aeson", "aeson-pretty", "x"}},
		{"servant*,aeson", []string{"servant", "servant-auth", "aeson"}, []string{"a-servant"}},
		{"!servant-*", []string{"servant", "aeson"}, []string{"servant-auth"}},
		{"!servant-auth,servant*", []string{"servant", "servant-swagger"}, []string{"servant-auth", "aeson"}},
		{"[a-c]?", []string{"a1", "cx"}, []string{"d1", "a"}},
	} {
		t.Run(test.patterns, func(t *testing.T) {
			t.Parallel()
			var patterns []string
			if test.patterns != "" {
				patterns = strings.Split(test.patterns, ",")
			}
			take, err := Parse(patterns)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range test.takes {
				if !take(name) {
					t.Errorf("leaves out %q", name)
				}
			}
			for _, name := range test.lets {
				if take(name) {
					t.Errorf("takes %q", name)
				}
			}
		})
	}
}
