package s3

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]address{
		"s3://name":            {name: "name"},
		"s3://name/":           {name: "name"},
		"s3://my.name/a/b/":    {name: "my.name", prefix: "a/b"},
		"s3://name/a%20b":      {name: "name", prefix: "a b"},
		"s3://name?region=x-1": {name: "name", region: "x-1"},
		"s3://name/p?endpoint=https://s3.example.org/&region=auto&path-style=true": {
			name: "name", prefix: "p", endpoint: "https://s3.example.org", region: "auto", pathStyle: new(true),
		},
		"s3://name?endpoint=s3.example.org:9000&path-style=false": {
			name: "name", endpoint: "https://s3.example.org:9000", pathStyle: new(false),
		},
		"s3://name?public-url=https://mirror.example.org/&storage-class=STANDARD_IA&acl=public-read": {
			name: "name", publicURL: "https://mirror.example.org", storageClass: "STANDARD_IA", acl: "public-read",
		},
	} {
		u, err := bucket.ParseURL(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseURL(u)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(address{})); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
}

func TestRegionOfTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, variables := range []map[string]string{
		{"AWS_REGION": " us-east-1\n"},
		{"AWS_REGION": " ", "AWS_DEFAULT_REGION": "\"us-east-1\"\r\n"},
		{"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "eu-north-1"},
	} {
		a := address{name: "name"}
		err := a.complete(bucket.Options{Getenv: func(name string) string { return variables[name] }}, Options{})
		if err != nil || a.region != "us-east-1" {
			t.Errorf("%q: region %q, %v", variables, a.region, err)
		}
	}
}

// TestAWSRegion: a role of AWS, and what init says of it, are for buckets on AWS alone.
func TestAWSRegion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		region string
		onAWS  bool
	}{
		"s3://name":                           {"", true},
		"s3://name/p?region=eu-central-1":     {"eu-central-1", true},
		"s3://name?endpoint=s3.example.org":   {"", false},
		"./name":                              {"", false},
		"file:///srv/name":                    {"", false},
		"s3://name?endpoint=name/name&region": {"", false},
	} {
		if region, onAWS := AWSRegion(text); onAWS != want.onAWS || onAWS && region != want.region {
			t.Errorf("%q: %q, %t", text, region, onAWS)
		}
	}
}
