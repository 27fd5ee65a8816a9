package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// An Address says where a bucket is. Each kind of bucket reads its own, for the room
// open. None holds credentials.
type Address struct {
	// Name is what the bucket is called in messages. Two addresses of one bucket have
	// the same.
	Name string
	// Folder is the path of a bucket that is on this machine; empty for one elsewhere.
	Folder string
	// PublicURL is where readers find the bucket over HTTP, without a slash at its
	// end; empty if the address does not say.
	PublicURL string
	// PutEvery is how long a writer waits between two puts of one key, for a server
	// that refuses more of them.
	PutEvery time.Duration
	// Open opens the bucket. It makes no request, and writes nothing. The caller closes
	// the Store.
	Open func(ctx context.Context) (Store, error)
}

// Options are what opens a bucket of any kind, beside its address. All may be left out.
type Options struct {
	// Getenv reads the environment, in which credentials are.
	Getenv func(name string) string
	// Notify is told, in a sentence, what a server lacks and how that is made up for;
	// each lack once.
	Notify func(text string)
	// Full makes a store believe only bytes of what is in place: an object that is to
	// be put IfAbsent and is there is read whole.
	Full bool
	// Attempts is how often a request is made that fails for a reason that may pass;
	// 0 leaves it to the store.
	Attempts int
}

// ParseURL is url.Parse for an address that must not hold credentials. Its errors do
// not quote the text, which may hold a password where the parser saw none.
func ParseURL(text string) (*url.URL, error) {
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

// ParseParameters calls set for each parameter of u, all of which must be known.
func ParseParameters(u *url.URL, set func(name, value string) error, known ...string) error {
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
		if err := set(name, values[0]); err != nil {
			return fmt.Errorf("parameter %q: %w", name, err)
		}
	}
	return nil
}

// ParseWebAddress reads the URL of a place on the web below which there are others, and
// returns it without a slash at its end.
func ParseWebAddress(text string) (string, error) {
	u, err := ParseURL(text)
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
