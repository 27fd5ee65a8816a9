package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := newRetrier(0, time.Second, nil)
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"connection lost":   {&smithyhttp.RequestSendError{Err: io.ErrUnexpectedEOF}, 6},
		"busy":              {&smithy.GenericAPIError{Code: "SlowDown"}, 24},
		"busy, in HTTP":     {status(http.StatusServiceUnavailable), 24},
		"too many requests": {status(http.StatusTooManyRequests), 24},
		"out of order":      {status(http.StatusInternalServerError), 6},
		"old credentials":   {&smithy.GenericAPIError{Code: "ExpiredToken"}, 3},
		"denied":            {&smithy.GenericAPIError{Code: "AccessDenied"}, 1},
	} {
		if got := attempts(r, fmt.Errorf("put: %w", c.err)); got != c.want {
			t.Errorf("%s: %d attempts, want %d", name, got, c.want)
		}
	}
}

// status is an answer that says no more.
func status(code int) error {
	return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: code}}, Err: errors.New("no code"),
	}}
}

// attempts returns how often a request is made that always fails.
func attempts(r aws.Retryer, err error) int {
	for n := 1; ; n++ {
		if _, last := r.RetryDelay(n, err); last != nil || n == r.MaxAttempts() || !r.IsErrorRetryable(err) {
			return n
		}
	}
}

// TestOldCredentialsAreFetchedAnew: a run may last longer than they do.
func TestOldCredentialsAreFetchedAnew(t *testing.T) {
	t.Parallel()
	fetched := 0
	kept := aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		fetched++
		return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
	}))
	r := newRetrier(0, time.Second, kept)
	for _, code := range []string{"SlowDown", "ExpiredToken", "SlowDown"} {
		if _, err := kept.Retrieve(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.RetryDelay(1, &smithy.GenericAPIError{Code: code}); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
	if fetched != 2 {
		t.Errorf("fetched %d times, want 2", fetched)
	}
}
