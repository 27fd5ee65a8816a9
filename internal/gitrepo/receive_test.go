package gitrepo

import (
	"strings"
	"testing"
)

// TestFolderKeepsAPushAsAPack: a push to a folder stays one pack there, in all
// versions of git and with all settings.
func TestFolderKeepsAPushAsAPack(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"gc.auto", "receive.unpackLimit", "transfer.unpackLimit"} {
		remote := bareRemote(t)
		plainGit(t, remote, "config", setting, "1000")
		publish(t, open(t, remote, Auth{}), map[string]string{"a/1/a.cabal": "name: a\n"})
		said := plainGit(t, remote, "count-objects", "-v") + "\n"
		if !strings.Contains(said, "count: 0\n") || !strings.Contains(said, "packs: 1\n") {
			t.Errorf("with %s there is\n%s", setting, said)
		}
	}
}
