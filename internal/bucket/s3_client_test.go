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
