package s3_test

import (
	"os"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3"
)

// TestOptionsFillInWhatTheAddressLacks uses credentials of the environment, so
// it runs alone.
func TestOptionsFillInWhatTheAddressLacks(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": fakeID, "AWS_SECRET_ACCESS_KEY": fakeSecret, "AWS_SESSION_TOKEN": fakeToken,
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	watch := (&fakeS3{}).serve(t)
	b := openAt(t, "s3://fake/pre", open.Options{S3: s3.Options{Endpoint: watch.URL, Region: "eu-north-1", PathStyle: new(true)}})
	put(t, b, "k", "one", bucket.Always())
	r := watch.Requests()[0]
	authorization := r.Header.Get("Authorization")
	if r.Path != "/fake/pre/k" || !strings.Contains(authorization, fakeID) || !strings.Contains(authorization, "/eu-north-1/s3/") {
		t.Errorf("put to %q with %q", r.Path, authorization)
	}
	for _, wrong := range []s3.Options{{Endpoint: "https://" + fakeID + ":x@host"}, {Endpoint: watch.URL, Region: "no region"}} {
		_, err := open.Bucket(t.Context(), "s3://fake", open.Options{S3: wrong})
		explained(t, err, "s3://fake")
	}
	if _, err := open.Bucket(t.Context(), "s3://fake", open.Options{}); err == nil || !strings.Contains(err.Error(), "region") {
		t.Errorf("open without a region: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	b = openAt(t, "s3://fake/pre", open.Options{S3: s3.Options{Endpoint: watch.URL}})
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
		_, err := open.Bucket(t.Context(), address, quick())
		if service == "" && err != nil || service != "" && (err == nil || !strings.HasSuffix(err.Error(), "give that of the service, "+service)) {
			t.Errorf("%s: %v, want to be told of %q", address, err, service)
		}
		if _, checked := open.Address(address, open.Options{S3: s3.Options{PathStyle: new(false)}}); (checked == nil) != (err == nil) {
			t.Errorf("%s: checked as %v", address, checked)
		}
	}
}
