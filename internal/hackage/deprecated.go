package hackage

import (
	"bytes"
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
	raw, _, err := u.fetchBytes(ctx, request{key: deprecatedFile, limit: MaxDeprecated, home: true})
	if err != nil {
		return nil, err
	}
	if _, err := ParseDeprecated(raw); err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", u.src.name(deprecatedFile), errNotDeprecated, err)
	}
	return raw, nil
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
	err := r.list(func() error {
		var named, favoured int
		var name string
		var instead []string
		err := r.object(func(key string) error {
			switch key {
			case "deprecated-package":
				named++
				return r.packageName(func(s string) { name = s })
			case "in-favour-of":
				favoured++
				return r.list(func() error { return r.packageName(func(s string) { instead = append(instead, s) }) })
			}
			return errors.New("an unknown key")
		})
		if err == nil && (named != 1 || favoured != 1) {
			err = errors.New("a key is missing or comes twice")
		}
		packages[name] = instead
		return err
	})
	return packages, err
}

// A jsonReader reads valid JSON of a known form.
type jsonReader struct{ *json.Decoder }

// delim reads a bracket.
func (r jsonReader) delim(want json.Delim) error {
	token, err := r.Token()
	if err == nil && token != want {
		err = fmt.Errorf("something else where %q is expected", want.String())
	}
	return err
}

// list reads an array.
func (r jsonReader) list(element func() error) error {
	if err := r.delim('['); err != nil {
		return err
	}
	for r.More() {
		if err := element(); err != nil {
			return err
		}
	}
	return r.delim(']')
}

// object reads an object; value reads the value of a key.
func (r jsonReader) object(value func(key string) error) error {
	if err := r.delim('{'); err != nil {
		return err
	}
	for r.More() {
		key, err := r.Token()
		if err != nil {
			return err
		}
		if err := value(key.(string)); err != nil { // valid JSON has only such keys
			return err
		}
	}
	return r.delim('}')
}

// packageName reads a name and gives it to yield.
func (r jsonReader) packageName(yield func(string)) error {
	token, err := r.Token()
	if err != nil {
		return err
	}
	name, ok := token.(string)
	if !ok {
		return errors.New("something else where a package name is expected")
	}
	yield(name)
	return index.CheckPackage(name)
}
