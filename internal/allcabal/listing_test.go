package allcabal

import (
	"fmt"
	"slices"
	"testing"
)

func TestListingHasWhatWasPutIn(t *testing.T) {
	t.Parallel()
	var paths []string
	for i := range 300 {
		paths = append(paths, fmt.Sprintf("p%d/1.%d/p.cabal", i%17, i), fmt.Sprintf("p%d-x/%d", i, i))
	}
	slices.Sort(paths)
	l := &listing{}
	for i, path := range paths {
		l.add(path, blobID{byte(i), byte(i >> 8)})
	}
	l.add("out of order", blobID{5})
	l.set(paths[7], blobID{1, 2, 3})
	l.set("new", blobID{4})
	for i, path := range paths {
		want := blobID{byte(i), byte(i >> 8)}
		if i == 7 {
			want = blobID{1, 2, 3}
		}
		if id, ok := l.get(path); !ok || id != want {
			t.Errorf("%q has %x, %v", path, id, ok)
		}
	}
	for path, want := range map[string]bool{"new": true, "out of order": true, "": false, "p1": false, "zzz": false, paths[3] + "x": false} {
		if _, ok := l.get(path); ok != want {
			t.Errorf("%q is there: %v", path, ok)
		}
	}
	var none *listing
	if _, ok := none.get("p"); ok {
		t.Error("nothing holds something")
	}
}
