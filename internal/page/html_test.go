package page_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// maxPage is how large the page may be, in bytes.
const maxPage = 100_000

func TestPageIsBounded(t *testing.T) {
	t.Parallel()
	for name, s := range samples() {
		if size := len(render(t, s)["index.html"]); size > maxPage {
			t.Errorf("%s: the page has %d bytes", name, size)
		} else {
			t.Logf("%s: %d bytes", name, size)
		}
	}
}

// TestNothingShownMeansAnything looks for what a text could do where it stands;
// the test in a browser looks whether it did anything.
func TestNothingShownMeansAnything(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`(?i)(href|src|action)="([^"]*)"`)
	harmless := regexp.MustCompile(`^(https://[\w./%#-]+|[\w./-]+|data:image/svg\+xml,%3Csvg.*)$`)
	handler := regexp.MustCompile(`(?i)<[^>"]*("[^"]*"[^>"]*)*\s(on\w+|style)=`)
	for key, raw := range render(t, hostile()) {
		text := string(raw)
		if !utf8.ValidString(text) {
			t.Errorf("%s is no UTF-8", key)
		}
		for _, r := range text {
			if r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf) {
				t.Errorf("%s has the character %U", key, r)
			}
		}
		for _, mark := range []string{"\nInjected", "\nhackage_mirror_evil", "<script>window", "<img", "<evil", "]]>"} {
			// To what is plain text, only the end of a line means anything.
			if strings.Contains(text, mark) && (mark[0] == '\n' || key != "metrics.txt") {
				t.Errorf("%s has %q", key, mark)
			}
		}
		if key != "index.html" {
			continue
		}
		if n := strings.Count(strings.ToLower(text), "<script"); n != 1 {
			t.Errorf("the page has %d scripts", n)
		}
		if found := handler.FindString(text); found != "" {
			t.Errorf("the page has %q", found)
		}
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if !harmless.MatchString(m[2]) {
				t.Errorf("the page leads to %q", m[2])
			}
		}
	}
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	text := string(render(t, sample())["index.html"])
	for _, want := range []string{
		"repository hackage.haskell.org\n  url: https://hackage.example.org/\n  secure: True\n  root-keys: fe331502606802feac15e514d9b9ea83fee8b6ffef71335479a2e68d84adc6b0\n             1ea9ba32",
		"c7de58fc6a224b92b5b513f26fbb8b370f2d97c7cfe0075a951314a55734be93\n  key-threshold: 3\n",
		"package-index:\n  download-prefix: https://hackage.example.org/\n",
		"NIX_MIRRORS_hackage=&#39;https://hackage.example.org/package/ https://hackage.haskell.org/package/&#39;",
		"https://github.com/example/all-cabal-hashes/archive/1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e.tar.gz",
		`<a href="package/aeson-0.0.0/aeson.cabal">aeson 0.0.0</a>`, `href="package/aeson-0.0.0.tar.gz"`,
		`<a href="package/text-builder-linear-1.1.1/revision/2.cabal">text-builder-linear 1.1.1</a>`,
		`<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; script-src &#39;sha256-`,
		"git clone --depth 1 --branch hackage https://github.com/example/all-cabal-files.git\ncd all-cabal-files\ngit fetch origin display\ngit show FETCH_HEAD:README.md | gpg --import\ngit fetch origin tag current-hackage --force\ngit verify-tag current-hackage\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	// Without keys cabal would believe whatever it finds at first.
	if text = string(render(t, firstFill())["index.html"]); !strings.Contains(text, "root-keys: IDS-OF-THE-ROOT-KEYS") {
		t.Error("without keys the block has no place for them")
	}
}

// An address ends up in links, in quotes of a shell and in files of settings.
func TestAddresses(t *testing.T) {
	t.Parallel()
	const unknown = "https://ADDRESS/"
	for address, want := range map[string]string{
		"https://hackage.example.org":                   "https://hackage.example.org/",
		"https://user:secret@a.example:8443/b/?q#f":     "https://a.example:8443/b/",
		"http://[::1]:8080/hackage":                     "http://[::1]:8080/hackage/",
		"https://a.example/b c":                         "https://a.example/b%20c/",
		"https://a.example/'; rm x":                     unknown,
		"https://a.example/'x":                          unknown,
		"https://a.example/$(x)":                        unknown,
		"javascript://a.example/%0aalert(1)":            unknown,
		"ftp://a.example/":                              unknown,
		"/srv/hackage":                                  unknown,
		"":                                              unknown,
		"https://a.example/" + strings.Repeat("x", 300): unknown,
	} {
		s := sample()
		s.PublicURL = address
		text := string(render(t, s)["index.html"])
		if strings.Contains(text, "secret") || !strings.Contains(text, "url: "+want+"\n") && !strings.Contains(text, `url: <span class="here">`+want+"</span>\n") {
			t.Errorf("for %q the page does not say %q", address, want)
		}
	}
}
