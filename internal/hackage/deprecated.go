package hackage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

const (
	deprecatedFile = "packages/deprecated.json"
	// MaxDeprecated is ten times what Hackage's list has, in bytes.
	MaxDeprecated = 2 << 20
)

// errNotDeprecated says that a file is no list of deprecated packages.
var errNotDeprecated = errors.New("it is not a list of deprecated packages; a cache or a login page may have answered instead of upstream")

// Deprecated returns upstream's list of deprecated packages verbatim:
//
//	[{"deprecated-package":NAME,"in-favour-of":[NAME,...]},...]
//
// Nothing signs it, and it ends up in a signed commit. So it comes from upstream's
// own host, without a redirect to another, and holds names of packages and nothing
// else. The error is fs.ErrNotExist if upstream has none, as most mirrors, and
// ErrTooLarge above 2 MiB.
func (u *Upstream) Deprecated(ctx context.Context) ([]byte, error) {
	raw, err := u.Unsigned(ctx, deprecatedFile, MaxDeprecated)
	if err != nil {
		return nil, err
	}
	if _, err := ParseDeprecated(raw); err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", u.src.name(deprecatedFile), errNotDeprecated, err)
	}
	return raw, nil
}

// Unsigned returns a file of at most limit bytes that nothing signs, such as what a
// mirror says of itself: nobody may build on it. So it comes from the address's own
// host, without a redirect to another. The error is fs.ErrNotExist if there is none,
// and ErrTooLarge beyond the limit.
func (u *Upstream) Unsigned(ctx context.Context, key string, limit int64) ([]byte, error) {
	raw, _, err := u.fetchBytes(ctx, request{key: key, limit: limit, home: true})
	return raw, err
}

// ParseDeprecated returns the deprecated packages of a list, each with those that its
// maintainers name in its place. It takes the list in exactly its form: encoding/json
// by itself would accept other keys, and one key twice.
func ParseDeprecated(raw []byte) (map[string][]string, error) {
	if !json.Valid(raw) {
		return nil, errors.New("it is not JSON")
	}
	r := jsonReader{json.NewDecoder(bytes.NewReader(raw))}
	packages := map[string][]string{}
	err := r.items('[', func() error {
		var name string
		var instead []string
		seen := map[any]int{}
		err := r.items('{', func() error {
			key, err := r.Token()
			switch seen[key]++; key {
			case "deprecated-package":
				name, err = r.packageName()
			case "in-favour-of":
				err = r.items('[', func() error {
					favoured, err := r.packageName()
					instead = append(instead, favoured)
					return err
				})
			default:
				err = cmp.Or(err, errors.New("an unknown key"))
			}
			return err
		})
		if err == nil && (seen["deprecated-package"] != 1 || seen["in-favour-of"] != 1) {
			err = errors.New("a key is missing or comes twice")
		}
		packages[name] = instead
		return err
	})
	return packages, err
}

// A jsonReader reads valid JSON of a known form.
type jsonReader struct{ *json.Decoder }

// items reads an array or an object, and in it one thing after another by item.
func (r jsonReader) items(bracket json.Delim, item func() error) error {
	token, err := r.Token()
	if err == nil && token != bracket {
		err = fmt.Errorf("something else where %q is expected", bracket.String())
	}
	for err == nil && r.More() {
		err = item()
	}
	if err == nil {
		_, err = r.Token() // in valid JSON it is the other bracket
	}
	return err
}

func (r jsonReader) packageName() (string, error) {
	token, err := r.Token()
	if err != nil {
		return "", err
	}
	name, ok := token.(string)
	if !ok {
		return "", errors.New("something else where a package name is expected")
	}
	return name, index.CheckPackage(name)
}
