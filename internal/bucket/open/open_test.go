package open_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	type said struct {
		Name, Folder, PublicURL string
		PutEvery                time.Duration
	}
	file, path := "file:///srv/a%20b?public-url=http://mirror.example.org", "/srv/a b"
	if runtime.GOOS == "windows" {
		file, path = strings.Replace(file, "/srv", "/C:/srv", 1), `C:\srv\a b`
	}
	for text, want := range map[string]said{
		"out":         {Name: "folder out", Folder: "out"},
		"./a b?c#d":   {Name: "folder ./a b?c#d", Folder: "./a b?c#d"},
		"C:\\mirror":  {Name: "folder C:\\mirror", Folder: "C:\\mirror"},
		file:          {Name: "folder " + path, Folder: path, PublicURL: "http://mirror.example.org"},
		"s3://name/p": {Name: "s3://name/p", PutEvery: time.Second},
		"s3://name?endpoint=s3.example.org&public-url=https://mirror.example.org/": {
			Name: "s3://name at https://s3.example.org", PublicURL: "https://mirror.example.org", PutEvery: time.Second,
		},
	} {
		a, err := open.Address(text, open.Options{})
		if got := (said{a.Name, a.Folder, a.PublicURL, a.PutEvery}); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
}

// TestWrongOptionsLeaveTheAddress: what it says counts, whatever they add.
func TestWrongOptionsLeaveTheAddress(t *testing.T) {
	t.Parallel()
	a, err := open.Address("s3://name?public-url=https://mirror.example.org", open.Options{S3: s3.Options{Region: "no region"}})
	if err == nil || !strings.HasPrefix(err.Error(), "open s3://name: read region") || a.PublicURL != "https://mirror.example.org" {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestRefusedAddresses(t *testing.T) {
	t.Parallel()
	for text, part := range map[string]string{
		"":                                     "empty",
		"http://name":                          "s3://NAME",
		"r2://name":                            "s3://NAME",
		"S3://name":                            "s3://NAME",
		"s3://":                                "name of a bucket",
		"s3:///prefix":                         "name of a bucket",
		"s3://na me":                           "s3://",
		"s3://name:80/":                        "name of a bucket",
		"s3://name/a//b":                       "segment",
		"s3://name/../b":                       "segment",
		"s3://name/a#b":                        "%23",
		"s3://name?region":                     "one value",
		"s3://name?region=a&region=b":          "one value",
		"s3://name?region=a b":                 "not the name of a region",
		"s3://name?endpont=x":                  `unknown parameter "endpont"`,
		"s3://name?endpoint=ftp://x":           "http",
		"s3://name?endpoint=https://":          "http",
		"s3://name?endpoint=https://x?y=z":     "must not have a ?",
		"s3://name?path-style=maybe":           "neither true nor false",
		"s3://name?storage-class=standard":     "not a storage class",
		"s3://name?storage-class=DEEP_ARCHIVE": "must be restored before they can be read",
		"s3://name?acl=everyone":               "public-read",
		"s3://name?public-url=mirror":          "http",
		"s3://name?a=%zz":                      "name=value",
		"file://host/path":                     "three slashes",
		"file://":                              "no path",
		"file:///a?region=b":                   "unknown parameter",
	} {
		got, err := open.Address(text, open.Options{})
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %+v, %v, want %q", text, got, err, part)
		}
	}
}

func TestAddressesNeverHoldCredentials(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"s3://AKIAKEY:hidden@name/prefix",
		"s3://AKIAKEY@name/hidden@x",
		"s3://AKIAKEY:hid/hidden%@name",
		"s3://name?endpoint=https://AKIAKEY:hidden@s3.example.org",
		"s3://name?endpoint=AKIAKEY:hidden@s3.example.org",
		"s3://name?endpoint=https://AKIAKEY:hid%20hidden%25@s3.example.org:x",
		"s3://name?secret-access-key=hidden",
		"s3://name?public-url=https://AKIAKEY:hidden@mirror.example.org",
		"file://AKIAKEY:hidden@host/path",
	} {
		_, err := open.Address(text, open.Options{})
		if err == nil || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "AKIAKEY") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestOpenTakesFolders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out")
	b, err := open.Bucket(t.Context(), path, open.Options{S3: s3.Options{Endpoint: "https://s3.example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "k", bucket.NewObject([]byte("one")), bucket.IfAbsent()); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if raw, err := os.ReadFile(filepath.Join(path, "k")); err != nil || string(raw) != "one" {
		t.Errorf("%q, %v", raw, err)
	}
}
