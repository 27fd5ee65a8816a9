package run

import (
	"strings"
	"testing"
)

func TestAcceptMismatchForm(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("0123456789abcdef", 4)
	for text, good := range map[string]bool{
		"random-1.2.1.2@" + digest:                          true,
		"random-1.2.1.2@" + strings.ToUpper(digest):         true,
		"random-1.2.1.2":                                    false,
		"accept-mismatch: random-1.2.1.2@" + digest:         true,
		"--accept-mismatch random-1.2.1.2@" + digest:        true,
		"--accept-mismatch='random-1.2.1.2@" + digest + "'": true,
		"random@" + digest:                                  false,
		"random-1.2.1.2@" + digest[1:]:                      false,
		"random-1.2.1.2@" + digest + "0":                    false,
		"../x-1@" + digest:                                  false,
	} {
		a, err := ParseAccepted(text)
		if (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
		if good && a.String() != "random-1.2.1.2@"+digest {
			t.Errorf("%q became %q", text, a)
		}
	}
}
