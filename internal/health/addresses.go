package health

import (
	"net/url"
	"slices"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
)

// WebAddress returns an address of the web without what may be secret; "" for any
// other, such as a folder of this machine.
func WebAddress(text string) string {
	u, ok := addresses.Web(text)
	if !ok {
		return ""
	}
	return addresses.Public(u)
}

// RemoteAddress is WebAddress for a repository, which may be one over ssh. A
// user's name is left out.
func RemoteAddress(name string) string {
	_, ok := addresses.ParseGit(name)
	if u, err := url.Parse(name); ok && err == nil && u.Host != "" {
		return addresses.Public(u)
	} else if !ok {
		return ""
	}
	return name[strings.LastIndex(name, "@")+1:]
}

// KeyPage returns where a repository's host shows the branch that has the public key,
// if it is GitHub or a host of its kind; "" for any other.
func KeyPage(address, github string) string {
	g, ok := addresses.ParseGit(address)
	if !ok || !slices.Contains([]string{"https://github.com", github}, "https://"+g.Host) {
		return ""
	}
	return g.Web() + "/tree/" + allcabal.DisplayBranch
}
