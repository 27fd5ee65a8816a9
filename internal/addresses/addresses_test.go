package addresses_test

import (
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
)

func TestShown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://me:secret@host/x": "…@host/x", "https://host/x?y=secret": "https://host/x…", "./a b": "./a b", "": "",
	} {
		if got := addresses.Shown(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func TestAddressesWithinPaths(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/https://me@h/": true, "/https:/me:secret@h": true, "/a/me:secret@h": true, "/a@b/c:d": false, "/a:b/c": false, "": false,
	} {
		if got := addresses.Within(path); got != want {
			t.Errorf("%q: %t, want %t", path, got, want)
		}
	}
}
