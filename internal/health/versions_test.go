package health

import (
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

func TestHighestVersions(t *testing.T) {
	t.Parallel()
	tail := &index.Delta{Changes: map[index.Release]*index.ReleaseChanges{}}
	for _, v := range []string{"1.9", "1.10", "1.10.0", "0", "1.9.99"} {
		tail.Changes[index.Release{Package: "a", Version: v}] = &index.ReleaseChanges{Cabals: 1}
	}
	tail.Changes[index.Release{Package: "a", Version: "2"}] = &index.ReleaseChanges{} // without a .cabal file
	if got := NewestVersions(tail)["a"]; got != "1.10.0" {
		t.Errorf("the highest version is %q", got)
	}
}
