package s3

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/paste"
)

// putEvery is how often Cloudflare's R2 accepts an object of one name. Others may be
// what R2 is; none is asked.
const putEvery = time.Second

// An address is what the URL of a bucket says, and what options and environment add.
type address struct {
	// name is that of the bucket, prefix what all its keys begin with, as segments
	// joined by slashes, without one at either end.
	name, prefix string
	// endpoint is the URL of a server that speaks S3; empty is AWS.
	endpoint string
	// region is the server's; empty is what the environment or the profile says, or
	// us-east-1 where an endpoint is given, for most servers have but one.
	region string
	// pathStyle puts the bucket's name into the path of URLs, not in front of the
	// host's; nil is not known yet, and then false.
	pathStyle *bool
	// storageClass and acl are given to each object; empty is the bucket's default.
	storageClass, acl string

	publicURL string
}

// ParseURL reads s3://NAME/PREFIX with its parameters. See the room open.
func ParseURL(u *url.URL, o bucket.Options, own Options) (bucket.Address, error) {
	a, err := parseURL(u)
	if err != nil {
		return bucket.Address{}, err
	}
	err = a.complete(o, own)
	return bucket.Address{
		Name: a.String(), PublicURL: a.publicURL, PutEvery: putEvery,
		Open: func(ctx context.Context) (bucket.Store, error) {
			b, err := open(ctx, a, o, own)
			if err != nil {
				return nil, fmt.Errorf("open %s: %w", a, err)
			}
			return b, nil
		},
	}, err
}

// bucketName allows what AWS allowed at any time, and what other servers do.
var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$`)

func parseURL(u *url.URL) (address, error) {
	if err := check(bucketName.MatchString(u.Host), u.Host, "the name of a bucket"); err != nil {
		return address{}, err
	}
	a := address{name: u.Host, prefix: strings.Trim(u.Path, "/")}
	if a.prefix != "" {
		if err := bucket.CheckKey(a.prefix); err != nil {
			return address{}, err
		}
	}
	if err := bucket.ParseParameters(u, a.set, "endpoint", "region", "path-style", "public-url", "storage-class", "acl"); err != nil {
		return address{}, err
	}
	return a, a.checkEndpoint(a.endpoint)
}

func (a *address) set(name, value string) (err error) {
	switch name {
	case "endpoint":
		a.endpoint, err = ParseEndpoint(value)
	case "region":
		a.region, err = value, checkRegion(value)
	case "path-style":
		var style bool
		if style, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		a.pathStyle = &style
	case "public-url":
		a.publicURL, err = bucket.ParseWebAddress(value)
	case "storage-class":
		a.storageClass, err = value, checkStorageClass(value)
	case "acl":
		a.acl, err = value, check(slices.Contains(acls, value), value, "one of "+strings.Join(acls, ", "))
	}
	return err
}

// ParseEndpoint checks the address of a server that speaks S3 and returns it as
// a URL without a slash at its end.
func ParseEndpoint(text string) (string, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	return bucket.ParseWebAddress(text)
}

// AWSRegion returns the region that an address names, and whether its bucket is one on
// AWS itself.
func AWSRegion(text string) (region string, onAWS bool) {
	u, err := bucket.ParseURL(text)
	if err != nil || u.Scheme != "s3" {
		return "", false
	}
	a, err := parseURL(u)
	return a.region, err == nil && a.endpoint == ""
}

// Which regions and classes there are is left to the server; they differ.
var (
	region       = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	storageClass = regexp.MustCompile(`^[A-Z0-9_]{1,64}$`)
)

// acls are those that S3 has a name for.
var acls = []string{
	"private", "public-read", "public-read-write", "authenticated-read",
	"aws-exec-read", "bucket-owner-read", "bucket-owner-full-control",
}

func check(ok bool, value, why string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%q is not %s", value, why)
}

func checkRegion(value string) error {
	return check(region.MatchString(value), value, "the name of a region")
}

func checkStorageClass(value string) error {
	if value == "GLACIER" || value == "DEEP_ARCHIVE" {
		return fmt.Errorf("objects of class %s must be restored before they can be read, so no client could use them", value)
	}
	return check(storageClass.MatchString(value), value, "a storage class, such as STANDARD_IA or INTELLIGENT_TIERING")
}

// String names the bucket in messages.
func (a address) String() string {
	name := "s3://" + path.Join(a.name, a.prefix)
	if a.endpoint != "" {
		name += " at " + a.endpoint
	}
	return name
}

// complete adds what the URL does not say.
func (a *address) complete(o bucket.Options, own Options) (err error) {
	if a.endpoint == "" && own.Endpoint != "" {
		if a.endpoint, err = ParseEndpoint(own.Endpoint); err != nil {
			return fmt.Errorf("read endpoint: %w", err)
		}
	}
	if a.region == "" {
		// The SDK would read the same variables, with what forms add to them.
		a.region = cmp.Or(own.Region, paste.Line(o.Getenv("AWS_REGION")), paste.Line(o.Getenv("AWS_DEFAULT_REGION")))
		if err = checkRegion(a.region); err != nil && a.region != "" {
			return fmt.Errorf("read region: %w", err)
		}
	}
	if a.pathStyle == nil {
		a.pathStyle = own.PathStyle
	}
	return a.checkEndpoint(a.endpoint)
}

// checkEndpoint refuses the address of the bucket, or of something in it, in
// place of that of the service, as dashboards show it: all objects would lie
// below the bucket's name once more, where no reader looks.
func (a address) checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	service := url.URL{Scheme: u.Scheme, Host: u.Host}
	segments := strings.Split(u.Path, "/")
	named := slices.IndexFunc(segments, func(s string) bool { return strings.EqualFold(s, a.name) })
	host := strings.ToLower(a.name) + "."
	switch {
	case named >= 0:
		service.Path = strings.TrimRight(strings.Join(segments[:named], "/"), "/")
	case a.pathStyle != nil && !*a.pathStyle && strings.HasPrefix(strings.ToLower(u.Host), host):
		service.Host = u.Host[len(host):]
	default:
		return nil
	}
	return fmt.Errorf("the endpoint %s is that of the bucket; give that of the service, %s", endpoint, service.String())
}
