package health

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// NewestVersions returns the highest version of each package.
func NewestVersions(delta *index.Delta) map[string]string {
	newest := map[string]string{}
	for release, news := range delta.Changes {
		if news.Cabals > 0 && compareVersions(release.Version, newest[release.Package]) > 0 {
			newest[release.Package] = release.Version
		}
	}
	return newest
}

// compareVersions orders versions as Haskell does: number by number.
func compareVersions(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)) // no number begins with a zero
	})
}
