package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
)

// newClient returns a client for the bucket at a, and the credentials it uses.
//
// Checksums go in plain headers. The SDK's own way, a trailer behind a chunked
// body, is what servers other than AWS refuse or keep as the object's
// Content-Encoding.
func newClient(ctx context.Context, a Address, o Options) (*s3.Client, aws.CredentialsProvider, error) {
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(httpClient(o)),
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
		config.WithLogger(logging.Nop{}),
	}
	if a.Region != "" {
		load = append(load, config.WithRegion(a.Region))
	}
	if k := o.Credentials; k.ID != "" {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(k.ID, k.Secret, k.Token)))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, nil, err
	}
	client := s3.NewFromConfig(cfg, func(s *s3.Options) {
		s.Retryer = retryer(o)
		s.UsePathStyle = *a.PathStyle || local(a.Endpoint)
		s.ContinueHeaderThresholdBytes = -1 // some servers let the client wait for it
		s.DisableLogOutputChecksumValidationSkipped = true
		if a.Endpoint != "" {
			s.BaseEndpoint = aws.String(a.Endpoint)
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

// retryer tries again what may pass, after a pause that doubles. There is no
// quota over all requests: with one, a few refusals by a busy server would fail
// the rest of a long run at once.
func retryer(o Options) aws.Retryer {
	attempts, pause := o.Attempts, o.Pause
	if attempts <= 0 {
		attempts = 6
	}
	if pause <= 0 {
		pause = retry.DefaultMaxBackoff
	}
	return retry.NewStandard(func(s *retry.StandardOptions) {
		s.MaxAttempts, s.MaxBackoff = attempts, pause
		s.Backoff = retry.NewExponentialJitterBackoff(pause)
		s.RateLimiter = ratelimit.None
		s.Retryables = append([]retry.IsErrorRetryable{
			retry.IsErrorRetryableFunc(inVain),
			// The body was checked on its way, so it was damaged behind us.
			retry.RetryableErrorCode{Codes: map[string]struct{}{"BadDigest": {}}},
		}, s.Retryables...)
	})
}

// inVain says of an error that lies with the body that a new attempt is no use.
func inVain(err error) aws.Ternary {
	var body bodyError
	if errors.As(err, &body) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// httpClient keeps a connection for each worker. It speaks HTTP/1.1, so that a
// connection that stalls holds up one object.
func httpClient(o Options) aws.HTTPClient {
	stall := o.Stall
	if stall <= 0 {
		stall = 2 * time.Minute
	}
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
		t.WriteBufferSize = 64 << 10 // most objects with their headers in one write
		t.TLSHandshakeTimeout = 20 * time.Second
	})
}

// A stallConn fails when it stands still for too long. Each read and write puts
// off the deadline of both, for while one goes on the other waits.
type stallConn struct {
	net.Conn
	stall time.Duration
}

func (c *stallConn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *stallConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// withPayload signs a request for a body of which the SHA-256 is known, so the
// body is not read for that, and the server has to compare it.
func withPayload(sum [sha256.Size]byte) func(*s3.Options) {
	return func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("KnownPayload",
				func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
					middleware.InitializeOutput, middleware.Metadata, error,
				) {
					return next.HandleInitialize(v4.SetPayloadHash(ctx, hex.EncodeToString(sum[:])), in)
				}), middleware.After)
		})
	}
}
