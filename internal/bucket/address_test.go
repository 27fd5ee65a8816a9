package bucket_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for text, want := range map[string]bucket.Address{
		"out":                  {Folder: "out"},
		"./a b?c#d":            {Folder: "./a b?c#d"},
		"C:\\mirror":           {Folder: "C:\\mirror"},
		"s3://name":            {Name: "name"},
		"s3://name/":           {Name: "name"},
		"s3://my.name/a/b/":    {Name: "my.name", Prefix: "a/b"},
		"s3://name/a%20b":      {Name: "name", Prefix: "a b"},
		"s3://name?region=x-1": {Name: "name", Region: "x-1"},
		"s3://name/p?endpoint=https://s3.example.org/&region=auto&path-style=true": {
			Name: "name", Prefix: "p", Endpoint: "https://s3.example.org", Region: "auto", PathStyle: &yes,
		},
		"s3://name?endpoint=s3.example.org:9000&path-style=false": {
			Name: "name", Endpoint: "https://s3.example.org:9000", PathStyle: &no,
		},
		"s3://name?public-url=https://mirror.example.org/&storage-class=STANDARD_IA&acl=public-read": {
			Name: "name", PublicURL: "https://mirror.example.org", StorageClass: "STANDARD_IA", ACL: "public-read",
		},
	} {
		got, err := bucket.ParseAddress(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
}

func TestFileAddresses(t *testing.T) {
	t.Parallel()
	path := "/srv/a b"
	text := "file:///srv/a%20b?public-url=http://mirror.example.org"
	if runtime.GOOS == "windows" {
		path = `C:\srv\a b`
		text = strings.Replace(text, "/srv", "/C:/srv", 1)
	}
	got, err := bucket.ParseAddress(text)
	want := bucket.Address{Folder: path, PublicURL: "http://mirror.example.org"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%q: %v %s", text, err, diff)
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
		got, err := bucket.ParseAddress(text)
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
		_, err := bucket.ParseAddress(text)
		if err == nil || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "AKIAKEY") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCheckKeyAllowsMax(t *testing.T) {
	t.Parallel()
	if err := bucket.CheckKey(strings.Repeat("a", 1024)); err != nil {
		t.Error(err)
	}
	if err := bucket.CheckKey(strings.Repeat("a", 1024+1)); !errors.Is(err, bucket.ErrKey) {
		t.Errorf("one more: %v, want ErrKey", err)
	}
}
