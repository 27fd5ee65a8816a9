package hackage

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
)

// allowed ends each refusal of an address.
const allowed = "give an address such as https://hackage.haskell.org, or a folder in the layout of a Hackage repository"

// parseAddress returns either a URL to fetch from or the absolute path of a
// folder.
func parseAddress(address string) (*url.URL, string, error) {
	if strings.TrimSpace(address) == "" {
		return nil, "", errors.New("open upstream: the address is empty: " + allowed)
	}
	scheme, _, found := strings.Cut(address, ":")
	// A single letter before the colon is a Windows drive.
	if !found || len(scheme) < 2 || strings.ContainsAny(scheme, `/\.`) {
		folder, err := filepath.Abs(address)
		if err != nil {
			return nil, "", fmt.Errorf("open upstream %q: %w", address, err)
		}
		return nil, folder, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		// The parser's error quotes the address, and with it a password.
		return nil, "", errors.New("open upstream: the address is not a URL: " + allowed)
	}
	switch u.Scheme {
	case "http", "https":
		return webAddress(u)
	case "file":
		folder, err := fileFolder(u)
		return nil, folder, err
	}
	return nil, "", fmt.Errorf("open upstream: nothing here speaks %q: %s", u.Scheme, allowed)
}

// webAddress refuses URLs that files cannot be joined to.
func webAddress(u *url.URL) (*url.URL, string, error) {
	if u.Hostname() == "" {
		return nil, "", fmt.Errorf("open upstream %q: no host in it: %s", addresses.Public(u), allowed)
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, "", fmt.Errorf("open upstream %q: a query or fragment cannot be part of it: %s", u.Host, allowed)
	}
	return u, "", nil
}

// fileFolder returns the folder that a file URL names.
func fileFolder(u *url.URL) (string, error) {
	folder, here := addresses.Folder(u)
	switch {
	case !here:
		return "", fmt.Errorf("open upstream %q: a file URL cannot name another host; write file:///path: %s", addresses.Public(u), allowed)
	case folder == "":
		return "", fmt.Errorf("open upstream %q: a file URL needs an absolute path, file:///path: %s", addresses.Public(u), allowed)
	}
	return folder, nil
}
