package addresses

import (
	"net/url"
	"path/filepath"
	"testing"
)

func TestFolder(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"file:///C:/mirror/x":  "C:/mirror/x",
		"file:///srv/mirror":   "/srv/mirror",
		"file:///srv/my%20dir": "/srv/my dir",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		got, here := folderOn("windows", u)
		if !here || filepath.ToSlash(got) != want {
			t.Errorf("%s is %s, here: %t", address, got, here)
		}
	}
	if u, err := url.Parse("file://other/x"); err != nil {
		t.Fatal(err)
	} else if _, here := Folder(u); here {
		t.Error("the folder of another machine is one of this")
	}
}
