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
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3"
)

// A Server is a running S3 server that ends with its test.
type Server struct {
	// URL is the server's endpoint.
	URL string
	// Credentials may do everything.
	Credentials s3.Credentials
	// Client is for what a bucket.Bucket does not do.
	Client *sdk.Client

	folder string
	mu     sync.Mutex
	made   int
}

// Region is the server's.
const Region = "us-east-1"

// Start starts a server for t.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := Build(t.Context())
	if err != nil {
		unable(t, err)
	}
	s := &Server{Credentials: s3.Credentials{ID: "s3test", Secret: rand.Text()}, folder: t.TempDir()}
	// Between the pick of a port and its use another program may take it.
	for range 5 {
		if err = s.start(t, program); err == nil {
			break
		}
	}
	if err != nil {
		unable(t, err)
	}
	s.Client = sdk.New(sdk.Options{
		Region: Region, BaseEndpoint: &s.URL, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s.Credentials.ID, s.Credentials.Secret, ""),
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

// start starts the server on a port that is free and waits until it answers.
func (s *Server) start(t testing.TB, program string) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	var said bytes.Buffer
	command := guarded(program, "--port", address, "--region", Region, "--health", "/healthz",
		"--keep-alive", "--quiet", "posix", s.folder)
	command.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.Credentials.ID, "ROOT_SECRET_KEY="+s.Credentials.Secret)
	command.Stdout, command.Stderr = &said, &said
	life, err := command.StdinPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { // ends with the process, which stop ends
		_ = command.Wait() // it is killed, or said why it ended
		close(ended)
	}()
	stop := func() {
		_ = life.Close() // closed already if it ended by itself
		if runtime.GOOS == "windows" {
			_ = command.Process.Kill()
		}
		<-ended
	}
	if err := ready(t.Context(), "http://"+address+"/healthz", ended); err != nil {
		stop()
		return fmt.Errorf("start S3 server: %w: %s", err, strings.TrimSpace(said.String()))
	}
	t.Cleanup(stop)
	s.URL = "http://" + address
	return nil
}

// guarded returns a command that ends when its standard input does, so no server
// outlives a test that is killed. Windows has no shell for that.
func guarded(program string, args ...string) *exec.Cmd {
	if runtime.GOOS == "windows" {
		return exec.Command(program, args...)
	}
	const script = `exec 3<&0
"$@" 3<&- &
server=$!
{ read -r _ <&3; kill -9 "$server"; } >/dev/null 2>&1 &
guard=$!
wait "$server"
kill "$guard"`
	return exec.Command("sh", append([]string{"-c", script, "sh", program}, args...)...)
}

// freeAddress returns an address on loopback that nobody listens on just now.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// ready waits until the server is healthy, or ended.
func ready(ctx context.Context, health string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, health, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			if err := response.Body.Close(); err != nil {
				return err
			}
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// NewBucket makes an empty bucket that everyone may read, and returns its name.
func (s *Server) NewBucket(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	s.made++
	name := fmt.Sprintf("bucket-%d", s.made)
	s.mu.Unlock()
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

// Address returns the address of a bucket on this server, as open.Bucket reads
// it. The prefix may be empty.
func (s *Server) Address(name, prefix string) string { return AddressAt(s.URL, name, prefix) }

// AddressAt is Address for another endpoint, such as that of a Watch.
func AddressAt(endpoint, name, prefix string) string {
	query := url.Values{"endpoint": {endpoint}, "region": {Region}, "path-style": {"true"}}
	u := url.URL{Scheme: "s3", Host: name, Path: "/" + prefix, RawQuery: query.Encode()}
	return u.String()
}

// PublicURL is where everyone can read what lies in the bucket.
func (s *Server) PublicURL(name string) string { return s.URL + "/" + name }

// Environment holds the credentials as the usual variables.
func (s *Server) Environment() map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID": s.Credentials.ID, "AWS_SECRET_ACCESS_KEY": s.Credentials.Secret, "AWS_REGION": Region,
	}
}

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
