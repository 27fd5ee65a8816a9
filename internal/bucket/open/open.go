// Package open reads the address of a bucket, of whatever kind, and opens it. Its table
// of kinds is the only place that knows which kinds there are.
package open

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/folder"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3"
)

// Options are what an address does not say: for all kinds of buckets, and for each that
// has some of its own.
type Options struct {
	bucket.Options
	S3 s3.Options
}

// kinds has, by the scheme of its URL, what reads the address of a bucket. With an
// error it returns the Address only where that can be read, and what the options add
// to it is wrong.
var kinds = map[string]func(*url.URL, Options) (bucket.Address, error){
	"file": func(u *url.URL, _ Options) (bucket.Address, error) { return folder.ParseURL(u) },
	"s3":   func(u *url.URL, o Options) (bucket.Address, error) { return s3.ParseURL(u, o.Options, o.S3) },
}

// Address reads the address of a bucket in one of these forms:
//
//	PATH
//	file://PATH?public-url=URL
//	s3://NAME/PREFIX?endpoint=URL&region=REGION&path-style=true
//	    &public-url=URL&storage-class=CLASS&acl=ACL
//
// All parameters and the prefix may be left out. A path is used as it is; the
// two other forms are URLs, so "%20" is a space and a "?" in a folder's name is
// "%3F". The endpoint is that of the service and not of the bucket; without a
// scheme it is https.
//
// An address never holds credentials: they are refused, as are parameters of
// other names, and an error does not repeat what may be secret. Without a Getenv it
// is an error that opening the bucket would return, whatever the environment says.
func Address(text string, o Options) (bucket.Address, error) {
	scheme, _, isURL := strings.Cut(text, "://")
	if !isURL {
		if text == "" {
			return bucket.Address{}, errors.New("read address of a bucket: it is empty")
		}
		return folder.Address(text), nil
	}
	parse := kinds[scheme]
	if parse == nil {
		return bucket.Address{}, fmt.Errorf("read address of a bucket: %q is not the kind of address that can be written to; "+
			"give s3://NAME/PREFIX (with ?endpoint=URL for a server other than AWS) or a folder", scheme+"://")
	}
	u, err := bucket.ParseURL(text)
	if err != nil {
		return bucket.Address{}, fmt.Errorf("read address of a bucket, %s://…: %w", scheme, err)
	}
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	a, err := parse(u, o)
	switch {
	case err != nil && a.Name != "":
		err = fmt.Errorf("open %s: %w", a.Name, err)
	case err != nil:
		err = fmt.Errorf("read address of a bucket, %s://%s%s: %w", scheme, u.Host, u.Path, err)
	}
	return a, err
}

// Bucket opens the bucket at an address, see bucket.Address.
func Bucket(ctx context.Context, address string, o Options) (bucket.Store, error) {
	a, err := Address(address, o)
	if err != nil {
		return nil, err
	}
	return a.Open(ctx)
}
