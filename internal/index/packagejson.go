package index

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A Target is what the signed index says of a tarball: its length in bytes and
// its digest.
type Target struct {
	Length int64
	SHA256 [sha256.Size]byte
}

// ParsePackageJSON reads the package.json of a release, in the form of the
// Hackage server (version 0 or more, with an MD5) and that of the reference
// tool (version 1, without). The file carries no signature of its own; the
// index that it stands in is signed.
func ParsePackageJSON(r Release, raw []byte) (Target, error) {
	t, err := parsePackageJSON(r, raw)
	return t.Target, err
}

// named is what a package.json says of a tarball.
type named struct {
	Target
	md5 [md5.Size]byte // zero without one, or in a form that nobody writes
	// again says that the file itself says that it names another tarball
	// than one before it.
	again bool
}

// parsePackageJSON reads every form. The Hackage server, which alone gives an
// MD5, counts the tarballs of a release from 0 and the reference tool from 1.
func parsePackageJSON(r Release, raw []byte) (named, error) {
	if t, ok := readUsual(r, raw); ok {
		return t, nil
	}
	return parseAny(r, raw)
}

// parseAny is parsePackageJSON for forms that nobody is known to write.
func parseAny(r Release, raw []byte) (named, error) {
	targets, err := tuf.ParseTargets(raw)
	if err != nil {
		return named{}, fmt.Errorf("read package.json of %q: %w", r, err)
	}
	name := "<repo>/" + r.TarballKey()
	info, ok := targets.Files[name]
	if !ok {
		return named{}, fmt.Errorf("read package.json of %q: it does not name %q", r, name)
	}
	first := int64(1)
	if bytes.Contains(raw, []byte(`"md5":`)) {
		first = 0
	}
	return named{Target: Target{Length: info.Length, SHA256: info.SHA256}, again: targets.Version > first}, nil
}
