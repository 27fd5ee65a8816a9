// Package s3test starts a real S3 server for tests: versitygw, as the tools module
// pins it, on a loopback port, over a folder that the test owns; and stands before
// any S3 server to count what it is asked.
//
// Go's cache holds the program; to build it takes one to two minutes. Where it cannot
// be built or started the test is skipped, and under CI=true it fails.
package s3test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hackage-mirror/hackage-mirror/internal/servertest"
)

// A Server is a running S3 server that ends with its test.
type Server struct {
	// URL is the server's endpoint.
	URL string
	// ID and Secret are an access key that may do everything.
	ID, Secret string
	// Client is for what a bucket.Bucket does not do.
	Client *sdk.Client

	made atomic.Int32
}

// region is the server's.
const region = "us-east-1"

// Start starts a server for t.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := Build(t.Context())
	if err != nil {
		unable(t, err)
	}
	s := &Server{ID: "s3test", Secret: rand.Text()}
	folder := t.TempDir()
	address, stop, err := servertest.Start(func(address string) *exec.Cmd {
		c := exec.Command(program, "--port", address, "--region", region, "--keep-alive", "--quiet", "posix", folder)
		c.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.ID, "ROOT_SECRET_KEY="+s.Secret)
		return c
	})
	if err != nil {
		unable(t, err)
	}
	t.Cleanup(stop)
	s.URL = "http://" + address
	s.Client = sdk.New(sdk.Options{
		Region: region, BaseEndpoint: &s.URL, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s.ID, s.Secret, ""),
	})
	return s
}

// Build returns the path of the server's program, and builds it if Go's cache lacks it.
func Build(ctx context.Context) (string, error) {
	module, err := output(exec.CommandContext(ctx, "go", "env", "GOMOD"))
	if err != nil {
		return "", err
	}
	tools := filepath.Join(filepath.Dir(module), "script", "tools", "go.mod")
	build := exec.CommandContext(ctx, "go", "tool", "-modfile="+tools, "-n", "versitygw")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath")
	return output(build)
}

// output returns what a command says.
func output(c *exec.Cmd) (string, error) {
	raw, err := c.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(failed.Stderr))
	}
	if err != nil {
		return "", fmt.Errorf("run %q: %w", c.Args, err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// unable ends a test that has no server.
func unable(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip("no S3 server to test with: ", err)
}

// NewBucket makes an empty bucket that everyone may read, and returns its name.
func (s *Server) NewBucket(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("bucket-%d", s.made.Add(1))
	if _, err := s.Client.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",`+
		`"Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*"}]}`, name)
	if _, err := s.Client.PutBucketPolicy(t.Context(), &sdk.PutBucketPolicyInput{Bucket: &name, Policy: aws.String(policy)}); err != nil {
		t.Fatal(err)
	}
	return name
}

// Address returns the address of a bucket at an endpoint, a server's or a Watch's, as
// open.Bucket reads it. The prefix may be empty.
func Address(endpoint, name, prefix string) string {
	query := url.Values{"endpoint": {endpoint}, "region": {region}, "path-style": {"true"}}
	u := url.URL{Scheme: "s3", Host: name, Path: "/" + prefix, RawQuery: query.Encode()}
	return u.String()
}

// PublicURL is where everyone can read what lies in the bucket.
func (s *Server) PublicURL(name string) string { return s.URL + "/" + name }

// Environment holds the credentials as the usual variables.
func (s *Server) Environment() map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID": s.ID, "AWS_SECRET_ACCESS_KEY": s.Secret, "AWS_REGION": region,
	}
}

// Getenv looks up a variable of Environment, see bucket.Options.
func (s *Server) Getenv(name string) string { return s.Environment()[name] }

// Keys returns the keys of all objects in the bucket, sorted.
func (s *Server) Keys(t testing.TB, name string) []string {
	t.Helper()
	var keys []string
	pages := sdk.NewListObjectsV2Paginator(s.Client, &sdk.ListObjectsV2Input{Bucket: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range page.Contents {
			keys = append(keys, aws.ToString(object.Key))
		}
	}
	return keys
}
