package index

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// A Release is one version of one package, such as aeson 2.2.1.0. Both fields
// have passed the grammar of ParseRelease when the value came from this room,
// so they are safe in paths, URLs and git trees.
type Release struct {
	Package string
	Version string
}

// String returns the release's identifier, NAME-VERSION.
func (r Release) String() string { return r.Package + "-" + r.Version }

// Compare orders releases by package name, then by the text of the version. It
// is a stable order for listings, not Haskell's order of versions.
func (r Release) Compare(other Release) int {
	return cmp.Or(
		strings.Compare(r.Package, other.Package),
		strings.Compare(r.Version, other.Version),
	)
}

// CabalPath returns the path of the release's .cabal file in the index and in
// the git repositories, NAME/VERSION/NAME.cabal.
func (r Release) CabalPath() string {
	return r.Package + "/" + r.Version + "/" + r.Package + ".cabal"
}

// JSONPath returns the path of the release's hashes in the hashes repository,
// NAME/VERSION/NAME.json.
func (r Release) JSONPath() string {
	return r.Package + "/" + r.Version + "/" + r.Package + ".json"
}

// TarballKey returns the tarball's path below the root of a repository in
// Hackage's layout, package/NAME-VERSION.tar.gz.
func (r Release) TarballKey() string { return "package/" + r.String() + ".tar.gz" }

// ErrName is wrapped by every refusal of a package name or version.
var ErrName = errors.New("not a name that Hackage allows")

// Limits of the grammar. Cabal itself has none for names; these keep one odd
// upload from making paths that file systems or git refuse.
const (
	maxNameLength    = 200
	maxVersionLength = 200
)

// ParseRelease reads NAME-VERSION.
func ParseRelease(id string) (Release, error) {
	dash := strings.LastIndexByte(id, '-')
	if dash < 0 {
		return Release{}, fmt.Errorf("read release %q: no dash before a version: %w", id, ErrName)
	}
	r := Release{Package: id[:dash], Version: id[dash+1:]}
	if err := cmp.Or(CheckPackage(r.Package), CheckVersion(r.Version)); err != nil {
		return Release{}, err
	}
	return r, nil
}

// CheckPackage refuses what Cabal does not take as a package name: words of
// ASCII letters and digits joined by single dashes, a letter in each word.
func CheckPackage(name string) error {
	if name == "" || len(name) > maxNameLength {
		return fmt.Errorf("check package name %.60q: %w", name, ErrName)
	}
	for word := range strings.SplitSeq(name, "-") {
		letters := 0
		for i := range len(word) {
			switch c := word[i]; {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
				letters++
			case '0' <= c && c <= '9':
			default:
				return fmt.Errorf("check package name %.60q: %w", name, ErrName)
			}
		}
		if letters == 0 {
			return fmt.Errorf("check package name %.60q: %w", name, ErrName)
		}
	}
	return nil
}

// CheckVersion refuses what Cabal does not take as a version: numbers joined by
// dots, without leading zeros, at most nine digits each.
func CheckVersion(version string) error {
	for number := range strings.SplitSeq(version, ".") {
		if number == "" || len(number) > 9 || len(number) > 1 && number[0] == '0' ||
			strings.Trim(number, "0123456789") != "" || len(version) > maxVersionLength {
			return fmt.Errorf("check version %.60q: %w", version, ErrName)
		}
	}
	return nil
}
