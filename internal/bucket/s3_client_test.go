package bucket

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := retryer(Options{})
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"connection lost":    {&smithyhttp.RequestSendError{Err: io.ErrUnexpectedEOF}, true},
		"damaged on its way": {&smithy.GenericAPIError{Code: "BadDigest"}, true},
		"busy":               {&smithy.GenericAPIError{Code: "SlowDown"}, true},
		"denied":             {&smithy.GenericAPIError{Code: "AccessDenied"}, false},
		"body broken":        {&smithyhttp.RequestSendError{Err: bodyError{errors.New("broken")}}, false},
	} {
		if got := r.IsErrorRetryable(fmt.Errorf("put: %w", c.err)); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
	if n := r.MaxAttempts(); n != 6 {
		t.Errorf("%d attempts", n)
	}
}

// TestDirectPutsGoWhereTheChainSendsThem: the SDK's own rules say where.
func TestDirectPutsGoWhereTheChainSendsThem(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"s3://name?region=eu-north-1":                                                     "https://name.s3.eu-north-1.amazonaws.com eu-north-1",
		"s3://my.name?region=eu-north-1":                                                  "https://s3.eu-north-1.amazonaws.com/my.name eu-north-1",
		"s3://name?region=eu-north-1&path-style=true":                                     "https://s3.eu-north-1.amazonaws.com/name eu-north-1",
		"s3://name?region=auto&endpoint=https://acc.r2.example.org":                       "https://name.acc.r2.example.org auto",
		"s3://name/prefix?endpoint=http://127.0.0.1:9000":                                 "http://127.0.0.1:9000/name us-east-1",
		"s3://name?region=x-1&path-style=true&endpoint=https://storage.example.org/s3/v1": "https://storage.example.org/s3/v1/name x-1",
		// Such a bucket wants a session to be opened first.
		"s3://name--use1-az4--x-s3?region=us-east-1": "",
	} {
		a, err := ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewS3(t.Context(), a, Options{Credentials: Credentials{ID: "id", Secret: "secret"}})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if b.direct != nil {
			got = b.direct.endpoint.String() + " " + b.direct.region
		}
		if got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}
