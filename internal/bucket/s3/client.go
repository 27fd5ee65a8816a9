package s3

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/paste"
)

// newClient returns a client for the bucket at a, and the credentials it uses: the
// access key of the environment, or else what the SDK finds by its usual chain (a web
// identity, the profile, the machine's role). Identify is told of each answer's Server
// header.
//
// No checksums are sent but those that are asked for. The SDK's own way, a
// trailer behind a chunked body, is what servers other than AWS refuse or keep
// as the object's Content-Encoding.
func newClient(ctx context.Context, a address, o bucket.Options, own Options, identify func(server string)) (*s3.Client, aws.CredentialsProvider, error) {
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(httpClient(own.Stall)),
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
		config.WithLogger(logging.Nop{}),
		config.WithRegion(a.region), // "" is what the environment or the profile says
	}
	variable := func(name string) string { return paste.Line(o.Getenv(name)) }
	if id, key := variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"); id != "" && key != "" {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(id, key, variable("AWS_SESSION_TOKEN"))))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, nil, err
	}
	client := s3.NewFromConfig(cfg, func(s *s3.Options) {
		s.Retryer = newRetrier(o.Attempts, own.Pause, cfg.Credentials)
		if plain, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
			s.HTTPClient = guardedClient(plain, identify)
		}
		s.APIOptions = append(s.APIOptions, leaveAcceptEncodingUnsigned)
		s.UsePathStyle = *a.pathStyle || local(a.endpoint)
		s.ContinueHeaderThresholdBytes = -1 // some servers let the client wait for it
		s.DisableLogOutputChecksumValidationSkipped = true
		if a.endpoint != "" {
			s.BaseEndpoint = aws.String(a.endpoint)
		}
		if s.Region == "" && s.BaseEndpoint != nil {
			s.Region = "us-east-1"
		}
	})
	if client.Options().Region == "" {
		return nil, nil, errors.New("the region is not known; give s3-region, AWS_REGION, or region= in the address")
	}
	return client, cfg.Credentials, nil
}

// local tells whether an endpoint is a name below which there are no others.
func local(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()) != nil)
}

// A retrier tries again what may pass, after a pause that doubles. There is no
// quota over all requests: with one, a few refusals by a busy server would fail
// the rest of a long run at once.
type retrier struct {
	*retry.Standard
	attempts    int
	credentials aws.CredentialsProvider
}

// A server that fails is asked usualAttempts times, unless the options say how often;
// one that is only busy, busyFactor times as often; one that finds the credentials too
// old, maxExpired times with new ones.
const (
	usualAttempts = 6
	busyFactor    = 4
	maxExpired    = 3
)

// newRetrier returns what decides on each attempt. Pause bounds the time between two.
func newRetrier(attempts int, pause time.Duration, credentials aws.CredentialsProvider) aws.Retryer {
	attempts = cmp.Or(attempts, usualAttempts)
	standard := retry.NewStandard(func(s *retry.StandardOptions) {
		s.MaxAttempts, s.MaxBackoff = busyFactor*attempts, pause
		s.Backoff = retry.NewExponentialJitterBackoff(pause)
		s.RateLimiter = ratelimit.None
		s.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(mayPass)}, s.Retryables...)
	})
	return retrier{standard, attempts, credentials}
}

// RetryDelay returns how long to wait after an attempt, or its error if that was
// the last.
func (r retrier) RetryDelay(attempt int, err error) (time.Duration, error) {
	last := r.attempts
	switch {
	case busy(err):
		last *= busyFactor
	case expired(err):
		last = min(last, maxExpired)
		if kept, ok := r.credentials.(*aws.CredentialsCache); ok {
			kept.Invalidate()
		}
	}
	if attempt >= last {
		return 0, err
	}
	return r.Standard.RetryDelay(attempt, err)
}

// busy reports whether a server asks to be asked less often. Not all say so by
// the code that AWS has for it, and an answer to HEAD has none.
func busy(err error) bool {
	status, code, _ := answer(err)
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable || code == "SlowDown"
}

// expired reports whether the credentials are too old.
func expired(err error) bool {
	_, code, _ := answer(err)
	return code == "ExpiredToken" || code == "ExpiredTokenException" || code == "TokenRefreshRequired" || code == "RequestExpired"
}

// mayPass adds to the errors of which the SDK knows that they may pass.
func mayPass(err error) aws.Ternary {
	if busy(err) || expired(err) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// httpClient keeps a connection for each worker. It speaks HTTP/1.1, so that a
// connection that stalls holds up one object.
func httpClient(stall time.Duration) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		dialer := &net.Dialer{Timeout: 20 * time.Second}
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &stallConn{conn, stall}, nil
		}
		t.ForceAttemptHTTP2 = false
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 256, 256
		t.TLSHandshakeTimeout = 20 * time.Second
	})
}

// guardedClient is client for a server that may be anybody's. It goes
// nowhere else, whatever the server says: a request is signed for one host, and
// what another one answers would pass for the bucket's.
func guardedClient(client *awshttp.BuildableClient, identify func(server string)) aws.HTTPClient {
	return &http.Client{
		Transport:     boundedTransport{client.GetTransport(), identify},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// maxAnswer bounds, in bytes, what is read of an answer that holds no object.
const maxAnswer = 64 << 10

// A boundedTransport bounds answers, which the SDK reads whole.
type boundedTransport struct {
	http.RoundTripper
	identify func(server string)
}

func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	t.identify(response.Header.Get("Server"))
	body := boundedBody{response.Body, response.Body}
	if r.Method != http.MethodGet || response.StatusCode/100 != 2 {
		body.Reader = io.LimitReader(body.rest, maxAnswer)
	}
	response.Body = body
	// The answer to a put is empty. One that is not comes from somebody else,
	// and its ETag is not the object's.
	if r.Method == http.MethodPut && response.StatusCode/100 == 2 && r.Header.Get("X-Amz-Copy-Source") == "" {
		if n, _ := body.Read(make([]byte, 1)); n > 0 {
			response.Header.Del("ETag")
		}
	}
	return response, nil
}

type boundedBody struct {
	io.Reader
	rest io.ReadCloser
}

// Close reads what little may be left, for a connection whose answer was not read to
// its end is not used again.
func (b boundedBody) Close() error {
	_, _ = io.CopyN(io.Discard, b.rest, maxAnswer)
	return b.rest.Close()
}

// A stallConn fails when it stands still for too long. Each read and write puts
// off the deadline of both, for while one goes on the other waits.
type stallConn struct {
	net.Conn
	stall time.Duration
}

func (c *stallConn) Read(p []byte) (int, error)  { return c.before(c.Conn.Read, p) }
func (c *stallConn) Write(p []byte) (int, error) { return c.before(c.Conn.Write, p) }

func (c *stallConn) before(do func([]byte) (int, error), p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return do(p)
}

// leaveAcceptEncodingUnsigned sends that header without signing it, for there are
// front ends that change it before the signature is checked (Google's, and some
// proxies). It has to be sent, or an answer may come packed.
func leaveAcceptEncodingUnsigned(stack *middleware.Stack) error {
	if _, err := stack.Finalize.Remove("DisableAcceptEncodingGzip"); err != nil {
		return err
	}
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("PlainAnswers",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
			middleware.FinalizeOutput, middleware.Metadata, error,
		) {
			if request, ok := in.Request.(*smithyhttp.Request); ok {
				request.Header.Set("Accept-Encoding", "identity")
			}
			return next.HandleFinalize(ctx, in)
		}), "Signing", middleware.After)
}
