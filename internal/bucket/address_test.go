package bucket_test

import (
	"os"
	"path/filepath"
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

func TestOpenTakesFolders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out")
	b := openAt(t, path, bucket.Options{Endpoint: "https://s3.example.org"})
	put(t, b, "k", "one", bucket.IfAbsent())
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if raw, err := os.ReadFile(filepath.Join(path, "k")); err != nil || string(raw) != "one" {
		t.Errorf("%q, %v", raw, err)
	}
}

// TestOptionsFillInWhatTheAddressLacks uses credentials of the environment, so
// it runs alone.
func TestOptionsFillInWhatTheAddressLacks(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": fakeKeys.ID, "AWS_SECRET_ACCESS_KEY": fakeKeys.Secret, "AWS_SESSION_TOKEN": fakeKeys.Token,
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	watch := (&fakeS3{}).serve(t)
	b := openAt(t, "s3://fake/pre", bucket.Options{Endpoint: watch.URL, Region: "eu-north-1", PathStyle: true})
	put(t, b, "k", "one", bucket.Always())
	r := watch.Requests()[0]
	authorization := r.Header.Get("Authorization")
	if r.Path != "/fake/pre/k" || !strings.Contains(authorization, fakeKeys.ID) || !strings.Contains(authorization, "/eu-north-1/s3/") {
		t.Errorf("put to %q with %q", r.Path, authorization)
	}
	for _, wrong := range []bucket.Options{{Endpoint: "https://" + fakeKeys.ID + ":x@host"}, {Endpoint: watch.URL, Region: "no region"}} {
		_, err := bucket.Open(t.Context(), "s3://fake", wrong)
		explained(t, err, "s3://fake")
	}
	if _, err := bucket.Open(t.Context(), "s3://fake", bucket.Options{}); err == nil || !strings.Contains(err.Error(), "region") {
		t.Errorf("open without a region: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	b = openAt(t, "s3://fake/pre", bucket.Options{Endpoint: watch.URL})
	_, err := b.Head(t.Context(), "k")
	explained(t, err, "no credentials were found", "AWS_ACCESS_KEY_ID")
}

// TestEndpointOfTheBucketIsRefused: it is what dashboards show.
func TestEndpointOfTheBucketIsRefused(t *testing.T) {
	t.Parallel()
	for address, service := range map[string]string{
		"s3://name?endpoint=https://account.r2.example.org/name":                         "https://account.r2.example.org",
		"s3://name/prefix?endpoint=https://account.r2.example.org/name/&path-style=true": "https://account.r2.example.org",
		"s3://name?endpoint=https://account.r2.example.org/s3/name":                      "https://account.r2.example.org/s3",
		"s3://name?endpoint=https://name.s3.example.org:9000":                            "https://s3.example.org:9000",
		"s3://name?endpoint=https://Name.s3.example.org&path-style=false":                "https://s3.example.org",
		"s3://name/pre/fix?endpoint=http://127.0.0.1:1/name/pre/fix&path-style=true":     "http://127.0.0.1:1",
		"s3://name/pre?endpoint=https://s3.example.org/name/pre":                         "https://s3.example.org",
		"s3://name?endpoint=https://s3.example.org/s3/name/data/":                        "https://s3.example.org/s3",
		"s3://name?endpoint=https://s3.example.org/name/01-index.tar.gz":                 "https://s3.example.org",
		"s3://name?endpoint=https://s3.example.org/Name":                                 "https://s3.example.org",
		// A server may have the name of its bucket.
		"s3://name?endpoint=https://name.example.org&path-style=true": "",
		"s3://name?endpoint=https://s3.example.org/named":             "",
	} {
		_, err := bucket.Open(t.Context(), address, bucket.Options{Credentials: fakeKeys})
		if service == "" && err != nil || service != "" && (err == nil || !strings.HasSuffix(err.Error(), "give that of the service, "+service)) {
			t.Errorf("%s: %v, want to be told of %q", address, err, service)
		}
		if _, checked := bucket.Check(address, bucket.Options{}); (checked == nil) != (err == nil) {
			t.Errorf("%s: checked as %v", address, checked)
		}
	}
}
