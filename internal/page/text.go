package page

import (
	"regexp"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

// shown is a text without what would not be seen, cut where nobody would read on.
func shown(text string, limit int) string {
	return strings.TrimSpace(plain.Text(plain.Cut(text, limit, "…")))
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
	u, ok := addresses.Web(address)
	if !ok || len(address) > maxLine {
		return ""
	}
	text := strings.TrimRight(addresses.Public(u), "/") + "/"
	if !webAddress.MatchString(text) {
		return ""
	}
	return text
}
