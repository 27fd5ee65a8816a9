package folder

import (
	"context"
	"errors"
	"net/url"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// Address is the address of the folder path, which is used as it is.
func Address(path string) bucket.Address {
	return bucket.Address{
		Name: "folder " + path, Folder: path,
		Open: func(context.Context) (bucket.Store, error) { return New(path) },
	}
}

// ParseURL reads file://PATH?public-url=URL.
func ParseURL(u *url.URL) (bucket.Address, error) {
	path, here := addresses.Folder(u)
	switch {
	case !here:
		return bucket.Address{}, errors.New("it names a host; a folder on this machine has three slashes, file:///…")
	case path == "":
		return bucket.Address{}, errors.New("it has no path")
	}
	a := Address(path)
	err := bucket.ParseParameters(u, func(_, value string) (err error) {
		a.PublicURL, err = bucket.ParseWebAddress(value)
		return err
	}, "public-url")
	if err != nil {
		return bucket.Address{}, err
	}
	return a, nil
}
