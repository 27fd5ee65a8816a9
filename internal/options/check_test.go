package options

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFoldersThatAreMeant(t *testing.T) {
	t.Parallel()
	there, err := os.MkdirTemp(".", "there-") // relative
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(there) })
	for _, path := range []string{there, "./new", "../new", ".", "/new", "./a#b", "./a:b", filepath.Join(there, "..", there)} {
		c := &checker{}
		if c.folder("bucket", path, ""); len(c.problems) > 0 {
			t.Errorf("%q: %v", path, c.problems)
		}
	}
}

func TestRefs(t *testing.T) {
	t.Parallel()
	good := []string{"hackage", "current-hackage", "a/b", "v1.0", "@"}
	bad := []string{"", "a b", "a..b", "-a", "/a", "a/", "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "a~1", "a^", "a:b", "a?", "a*", "a[", `a\b`, "a@{b", "a\nb", "HEAD", "a\x7f"}
	for _, names := range [][]string{good, bad} {
		for _, name := range names {
			c := &checker{}
			if c.ref("branch", name); (len(c.problems) > 0) != slices.Contains(bad, name) {
				t.Errorf("%q: %v", name, c.problems)
			}
		}
	}
}
