package index

import (
	"bytes"
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
	target, _, err := parsePackageJSON(r, raw)
	return target, err
}

// parsePackageJSON reports too whether the file says of itself that it names
// another tarball than one before it. The Hackage server, which alone gives an
// MD5, counts them from 0 and the reference tool from 1.
func parsePackageJSON(r Release, raw []byte) (_ Target, again bool, _ error) {
	if target, again, ok := readUsual(r, raw); ok {
		return target, again, nil
	}
	return parseAny(r, raw)
}

// parseAny is parsePackageJSON for every form.
func parseAny(r Release, raw []byte) (_ Target, again bool, _ error) {
	targets, err := tuf.ParseTargets(raw)
	if err != nil {
		return Target{}, false, fmt.Errorf("read package.json of %q: %w", r, err)
	}
	name := "<repo>/" + r.TarballKey()
	info, ok := targets.Files[name]
	if !ok {
		return Target{}, false, fmt.Errorf("read package.json of %q: it does not name %q", r, name)
	}
	first := int64(1)
	if bytes.Contains(raw, []byte(`"md5":`)) {
		first = 0
	}
	return Target{Length: info.Length, SHA256: info.SHA256}, targets.Version > first, nil
}
