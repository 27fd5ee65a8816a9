package bucket

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
)

// An Address says where a bucket is and how to reach it.
type Address struct {
	// Folder is the path of a folder; empty for S3.
	Folder string

	// Name is that of the S3 bucket, Prefix what all its keys begin with, as
	// segments joined by slashes, without one at either end.
	Name, Prefix string
	// Endpoint is the URL of a server that speaks S3; empty is AWS.
	Endpoint string
	// Region is the server's; empty is what the environment or the profile
	// says, or us-east-1 where an endpoint is given, for most servers have but
	// one.
	Region string
	// PathStyle puts the bucket's name into the path of URLs, not in front of
	// the host's. Where the address says nothing it is nil: see Defaults.
	PathStyle *bool
	// StorageClass and ACL are given to each object; empty is the bucket's
	// default.
	StorageClass, ACL string

	// PublicURL is where readers find the bucket over HTTP, without a slash at
	// its end; empty if the address does not say.
	PublicURL string
}

// ParseAddress reads the address of a bucket in one of three forms:
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
// other names, and an error does not repeat what may be secret.
func ParseAddress(address string) (Address, error) {
	scheme, _, isURL := strings.Cut(address, "://")
	if !isURL {
		if address == "" {
			return Address{}, errors.New("read address of a bucket: it is empty")
		}
		return Address{Folder: address}, nil
	}
	parse := map[string]func(*url.URL) (Address, error){"s3": parseS3, "file": parseFile}[scheme]
	if parse == nil {
		return Address{}, fmt.Errorf("read address of a bucket: %q is not the kind of address that can be written to; "+
			"give s3://NAME/PREFIX (with ?endpoint=URL for a server other than AWS) or a folder", scheme+"://")
	}
	u, err := parseURL(address)
	if err != nil {
		return Address{}, fmt.Errorf("read address of a bucket, %s://…: %w", scheme, err)
	}
	a, err := parse(u)
	if err != nil {
		return Address{}, fmt.Errorf("read address of a bucket, %s://%s%s: %w", scheme, u.Host, u.Path, err)
	}
	return a, nil
}

// parseURL is url.Parse without what the environment provides. Its errors do
// not quote the text, which may hold a password where the parser saw none.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil && strings.Contains(text, "@"), err == nil && u.User != nil:
		return nil, errors.New("it must not contain credentials (the part before an @); " +
			"give them in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	case err != nil:
		if parsing, ok := errors.AsType[*url.Error](err); ok {
			err = parsing.Err
		}
		return nil, err
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, errors.New("it contains a #; write %23")
	}
	return u, nil
}

func parseFile(u *url.URL) (Address, error) {
	folder, here := addresses.Folder(u)
	switch {
	case !here:
		return Address{}, errors.New("it names a host; a folder on this machine has three slashes, file:///…")
	case folder == "":
		return Address{}, errors.New("it has no path")
	}
	a := Address{Folder: folder}
	return a, a.read(u, "public-url")
}

// bucketName allows what AWS allowed at any time, and what other servers do.
var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$`)

func parseS3(u *url.URL) (Address, error) {
	if err := check(bucketName.MatchString(u.Host), u.Host, "the name of a bucket"); err != nil {
		return Address{}, err
	}
	a := Address{Name: u.Host, Prefix: strings.Trim(u.Path, "/")}
	if a.Prefix != "" {
		if err := CheckKey(a.Prefix); err != nil {
			return Address{}, err
		}
	}
	if err := a.read(u, "endpoint", "region", "path-style", "public-url", "storage-class", "acl"); err != nil {
		return Address{}, err
	}
	return a, a.CheckEndpoint(a.Endpoint)
}

// read reads the parameters of u, of which those named are known.
func (a *Address) read(u *url.URL, known ...string) error {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("the part after the ? is not of the form name=value&name=value")
	}
	for name, values := range query {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown parameter %q; known are %s", name, strings.Join(known, ", "))
		}
		if len(values) != 1 || values[0] == "" {
			return fmt.Errorf("the parameter %q must have one value", name)
		}
		if err := a.set(name, values[0]); err != nil {
			return fmt.Errorf("parameter %q: %w", name, err)
		}
	}
	return nil
}

func (a *Address) set(name, value string) (err error) {
	switch name {
	case "endpoint":
		a.Endpoint, err = ParseEndpoint(value)
	case "region":
		a.Region, err = value, checkRegion(value)
	case "path-style":
		var style bool
		if style, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		a.PathStyle = &style
	case "public-url":
		a.PublicURL, err = parseWebAddress(value)
	case "storage-class":
		a.StorageClass, err = value, checkStorageClass(value)
	case "acl":
		a.ACL, err = value, check(slices.Contains(acls, value), value, "one of "+strings.Join(acls, ", "))
	}
	return err
}

// ParseEndpoint checks the address of a server that speaks S3 and returns it as
// a URL without a slash at its end.
func ParseEndpoint(text string) (string, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	return parseWebAddress(text)
}

// parseWebAddress reads the URL of a place below which there are others.
func parseWebAddress(text string) (string, error) {
	u, err := parseURL(text)
	if err != nil {
		return "", err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", errors.New("it is not an http or https URL")
	}
	if u.RawQuery != "" || u.ForceQuery {
		return "", errors.New("it must not have a ?")
	}
	return strings.TrimRight(u.String(), "/"), nil
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
func (a Address) String() string {
	if a.Folder != "" {
		return "folder " + a.Folder
	}
	name := "s3://" + path.Join(a.Name, a.Prefix)
	if a.Endpoint != "" {
		name += " at " + a.Endpoint
	}
	return name
}

// Defaults stand in for parameters that an S3 address lacks: see Address.
type Defaults struct {
	Endpoint, Region string
	PathStyle        bool
}

// Check reads an address as ParseAddress does and fills in what it does not say. An
// error is one that opening the bucket would return, whatever the environment says.
func Check(address string, d Defaults) (Address, error) {
	a, err := ParseAddress(address)
	if err == nil && a.Folder == "" {
		if err = a.complete(d); err != nil {
			err = fmt.Errorf("open %s: %w", a, err)
		}
	}
	return a, err
}

// complete fills in what the address does not say.
func (a *Address) complete(d Defaults) (err error) {
	if a.Endpoint == "" && d.Endpoint != "" {
		if a.Endpoint, err = ParseEndpoint(d.Endpoint); err != nil {
			return fmt.Errorf("read endpoint: %w", err)
		}
	}
	if a.Region == "" && d.Region != "" {
		if a.Region, err = d.Region, checkRegion(d.Region); err != nil {
			return fmt.Errorf("read region: %w", err)
		}
	}
	if a.PathStyle == nil {
		a.PathStyle = &d.PathStyle
	}
	return a.CheckEndpoint(a.Endpoint)
}

// CheckEndpoint refuses the address of the bucket, or of something in it, in
// place of that of the service, as dashboards show it: all objects would lie
// below the bucket's name once more, where no reader looks.
func (a Address) CheckEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	service := url.URL{Scheme: u.Scheme, Host: u.Host}
	segments := strings.Split(u.Path, "/")
	named := slices.IndexFunc(segments, func(s string) bool { return strings.EqualFold(s, a.Name) })
	host := strings.ToLower(a.Name) + "."
	switch {
	case named >= 0:
		service.Path = strings.TrimRight(strings.Join(segments[:named], "/"), "/")
	case a.PathStyle != nil && !*a.PathStyle && strings.HasPrefix(strings.ToLower(u.Host), host):
		service.Host = u.Host[len(host):]
	default:
		return nil
	}
	return fmt.Errorf("the endpoint %s is that of the bucket; give that of the service, %s", endpoint, service.String())
}
