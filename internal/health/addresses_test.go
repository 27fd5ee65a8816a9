package health

import "testing"

func TestKeyPages(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://github.com/o/r.git": "https://github.com/o/r/tree/display", "github.com:o/r.git": "https://github.com/o/r/tree/display",
		"ssh://github.com:22/o/r": "https://github.com/o/r/tree/display", "https://github.example/o/r": "https://github.example/o/r/tree/display",
		"https://codeberg.org/o/r": "", "codeberg.org:o/r": "", "": "",
	} {
		if got := KeyPage(address, "https://github.example"); got != want {
			t.Errorf("the key of %q is looked for at %q, want %q", address, got, want)
		}
	}
}

func TestAddressesForEverybody(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"https://github.com/o/r.git": "https://github.com/o/r.git", "https://joe:pw@h.example/r?x=y#z": "https://h.example/r",
		"github.com:o/r.git": "github.com:o/r.git", "git@h.example:o/r": "h.example:o/r", "ssh://git@h.example:22/o/r": "ssh://h.example:22/o/r",
		"/srv/mirror.git": "", "./x": "", `C:\mirror`: "", "file:///srv/x": "", "": "", "s3://bucket/x": "", "https://": "",
	} {
		if got := RemoteAddress(name); got != want {
			t.Errorf("%q is told as %q, want %q", name, got, want)
		}
	}
}
