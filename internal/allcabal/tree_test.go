package allcabal

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

func TestTreeHasWhatWasPutIn(t *testing.T) {
	t.Parallel()
	var paths []string
	for i := range 300 {
		paths = append(paths, fmt.Sprintf("p%d/1.%d/p.cabal", i%17, i), fmt.Sprintf("p%d-x/%d", i, i))
	}
	slices.Sort(paths)
	tr := newTree()
	add := func(path string, id gitpack.ID, mode string) {
		if err := tr.add(gitpack.File{Path: path, ID: id.String(), Mode: mode}); err != nil {
			t.Fatal(err)
		}
	}
	for i, path := range paths {
		add(path, gitpack.ID{byte(i), byte(i >> 8)}, gitpack.ModeFile)
	}
	add("out of order", gitpack.ID{5}, gitpack.ModeFile)
	add("link", gitpack.ID{6}, "120000")
	if err := tr.add(gitpack.File{Path: "odd", ID: "abc", Mode: gitpack.ModeFile}); err == nil {
		t.Error("an id that is none is taken")
	}
	tr.sort()
	tr.written[paths[7]] = gitpack.ID{1, 2, 3}
	tr.written["new"] = gitpack.ID{4}
	for i, path := range paths {
		want := gitpack.ID{byte(i), byte(i >> 8)}
		if i == 7 {
			want = gitpack.ID{1, 2, 3}
		}
		if id, ok := tr.id(path); !ok || id != want {
			t.Errorf("%q has %x, %v", path, id, ok)
		}
	}
	for path, want := range map[string]bool{"new": true, "out of order": true, "link": false, "odd": false, "": false, "p1": false, "zzz": false, paths[3] + "x": false} {
		if _, ok := tr.id(path); ok != want {
			t.Errorf("%q is there: %v", path, ok)
		}
	}
}
