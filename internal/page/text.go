package page

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain makes text safe as text: each character that is not to be seen, or that
// would change the order of what is seen, becomes a blank. It cuts what nobody
// would read to its end.
func plain(text string, limit int) string {
	if len(text) > limit {
		for limit > 0 && !utf8.RuneStart(text[limit]) {
			limit--
		}
		text = text[:limit] + "…"
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) || r == utf8.RuneError || r&0xfffe == 0xfffe {
			return ' '
		}
		return r
	}, text))
}

// Limits of texts, in bytes.
const (
	maxWord  = 120
	maxLine  = 300
	maxError = 600
)

var (
	packageName = regexp.MustCompile(`^[0-9A-Za-z]+(-[0-9A-Za-z]+)*$`)
	versionName = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*$`)
)

// isRelease reports whether there can be files of a release by this name.
func isRelease(name, version string) bool {
	return len(name)+len(version) <= 200 && packageName.MatchString(name) && versionName.MatchString(version)
}

// webAddress has nothing in it that would end a quoted word or a line anywhere.
var webAddress = regexp.MustCompile(`^https?://[][0-9A-Za-z_.~:/%+@,=-]+$`)

// web returns an address of the web that ends with a slash, without a password,
// a query or a fragment, and nothing for any other.
func web(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || len(address) > maxLine {
		return ""
	}
	clean := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	text := strings.TrimRight(clean.String(), "/") + "/"
	if !webAddress.MatchString(text) {
		return ""
	}
	return text
}
