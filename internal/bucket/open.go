package bucket

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Store is a bucket that is open.
type Store interface {
	Bucket
	// Close ends its use. An error means that something put may be lost.
	io.Closer
}

// Options are what an address does not say. All may be left out.
type Options struct {
	// Endpoint, Region and PathStyle stand in for parameters that an S3 address
	// lacks: see Address.
	Endpoint, Region string
	PathStyle        bool
	// Credentials are used if they are set. Otherwise it is the usual chain:
	// AWS_ACCESS_KEY_ID and its kin, a web identity (OIDC), the profile, the
	// machine's role.
	Credentials Credentials
	// Notify is told, in a sentence, of what a server lacks and how that is made
	// up for; each lack once.
	Notify func(text string)

	// Full makes an S3 believe only bytes of what is in place: an object that is
	// to be put IfAbsent and is there is read whole.
	Full bool

	// Attempts is how often a request is tried that fails for a reason that may
	// pass; 0 is 6. A server that is only busy is asked four times as often.
	// Pause bounds the time between two; 0 is 20 s.
	Attempts int
	Pause    time.Duration
	// Stall is how long a connection may stand still; 0 is 2 min.
	Stall time.Duration
	// Part is the size in bytes of the parts that larger objects are put in;
	// 0 is 128 MiB, for each part is a request and none is held in memory.
	// Servers want at least 5 MiB.
	Part int64
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	o.Attempts = cmp.Or(max(o.Attempts, 0), 6)
	o.Pause = cmp.Or(max(o.Pause, 0), 20*time.Second)
	o.Stall = cmp.Or(max(o.Stall, 0), 2*time.Minute)
	o.Part = cmp.Or(max(o.Part, 0), 128<<20)
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	return o
}

// Credentials are an access key.
type Credentials struct {
	ID, Secret string
	// Token belongs to a temporary key.
	Token string
}

// Open returns the bucket at an address of one of ParseAddress's forms. It makes
// no request, and writes nothing. The caller closes the Store.
func Open(ctx context.Context, address string, o Options) (Store, error) {
	a, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	if a.Folder != "" {
		return NewFolder(a.Folder)
	}
	store, err := NewS3(ctx, a, o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", a, err)
	}
	return store, nil
}

// String names the bucket in messages.
func (a Address) String() string {
	if a.Folder != "" {
		return "folder " + a.Folder
	}
	name := "s3://" + a.Name
	if a.Prefix != "" {
		name += "/" + a.Prefix
	}
	if a.Endpoint != "" {
		name += " at " + a.Endpoint
	}
	return name
}

// withDefaults fills in what the address does not say.
func (a Address) withDefaults(o Options) (Address, error) {
	if a.Endpoint == "" && o.Endpoint != "" {
		endpoint, err := ParseEndpoint(o.Endpoint)
		if err != nil {
			return a, fmt.Errorf("read endpoint: %w", err)
		}
		a.Endpoint = endpoint
	}
	if a.Region == "" && o.Region != "" {
		if err := checkRegion(o.Region); err != nil {
			return a, fmt.Errorf("read region: %w", err)
		}
		a.Region = o.Region
	}
	if a.PathStyle == nil {
		a.PathStyle = &o.PathStyle
	}
	return a, a.checkEndpoint(a.Endpoint)
}

// Check reads an address as Open does and opens nothing: an error is one that
// Open would return, whatever the environment says.
func Check(address string, o Options) (Address, error) {
	a, err := ParseAddress(address)
	if err != nil || a.Folder != "" {
		return a, err
	}
	if _, err := a.withDefaults(o); err != nil {
		return a, fmt.Errorf("open %s: %w", a, err)
	}
	return a, nil
}

// checkEndpoint refuses the address of the bucket, or of something in it, in
// place of that of the service, as dashboards show it: all objects would lie
// below the bucket's name once more, where no reader looks.
func (a Address) checkEndpoint(endpoint string) error {
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
