package bucket

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyauth "github.com/aws/smithy-go/auth"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A direct sends puts of small objects without the SDK's chain of some sixty
// steps for each request, which takes more time than all else that is done for
// a small object. The SDK says once where requests go and how they are signed,
// and its parts sign, retry and send them; its chain stands in wherever that is
// not enough.
type direct struct {
	endpoint url.URL // of the bucket
	service  string
	region   string
	client   aws.HTTPClient
	retryer  aws.Retryer
	signer   *v4.Signer
	// off: the SDK's chain succeeded where a direct request was refused.
	off atomic.Bool
}

// newDirect returns nil if requests to the bucket take more than a signature.
func newDirect(ctx context.Context, client *s3.Client, bucket string) *direct {
	o := client.Options()
	endpoint, err := o.EndpointResolverV2.ResolveEndpoint(ctx, s3.EndpointParameters{
		Bucket: &bucket, Region: &o.Region, Endpoint: o.BaseEndpoint,
		ForcePathStyle: aws.Bool(o.UsePathStyle), Accelerate: aws.Bool(o.UseAccelerate),
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
		UseArnRegion: aws.Bool(o.UseARNRegion), DisableMultiRegionAccessPoints: aws.Bool(o.DisableMultiRegionAccessPoints),
		DisableS3ExpressSessionAuth: o.DisableS3ExpressSessionAuth,
	}.WithDefaults())
	if err != nil || len(endpoint.Headers) > 0 {
		return nil
	}
	options, _ := smithyauth.GetAuthOptions(&endpoint.Properties)
	// The resolver has a short name for the usual signature.
	if len(options) == 0 || options[0].SchemeID != "sigv4" && options[0].SchemeID != smithyauth.SchemeIDSigV4 {
		return nil
	}
	service, ok := smithyhttp.GetSigV4SigningName(&options[0].SignerProperties)
	region, ok2 := smithyhttp.GetSigV4SigningRegion(&options[0].SignerProperties)
	if !ok || !ok2 || service != "s3" {
		return nil
	}
	return &direct{
		endpoint: endpoint.URI, service: service, region: region, client: o.HTTPClient, retryer: o.Retryer,
		signer: v4.NewSigner(func(s *v4.SignerOptions) { s.DisableURIPathEscaping = true }),
	}
}

// takes reports whether an object can be sent so.
func (d *direct) takes(o Object) bool {
	if d == nil || d.off.Load() {
		return false
	}
	_, ok := readerAt(o.Body)
	return ok || o.Size == 0
}

// readerAt returns a body as what can be read anew while an earlier try still
// holds it. Of what other types do in ReadAt nothing is known.
func readerAt(body io.ReadSeeker) (io.ReaderAt, bool) {
	switch body := body.(type) {
	case *bytes.Reader:
		return body, true
	case *io.SectionReader:
		return body, true
	case *os.File:
		return body, true
	}
	return nil, false
}

// put sends the body with a header under a name, and tries again what may pass.
// It returns the ETag, and how often the server may have got all of it.
func (d *direct) put(ctx context.Context, credentials aws.CredentialsProvider, name string, header http.Header, o Object) (etag string, sent int, err error) {
	for {
		sent++
		etag, err = d.try(ctx, credentials, name, header, o)
		if err == nil || ctx.Err() != nil || sent >= d.retryer.MaxAttempts() || !d.retryer.IsErrorRetryable(err) {
			return etag, sent, err
		}
		pause, failed := d.retryer.RetryDelay(sent, err)
		if failed != nil {
			return "", sent, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return "", sent, ctx.Err()
		}
	}
}

// try is one try of put.
func (d *direct) try(ctx context.Context, credentials aws.CredentialsProvider, name string, header http.Header, o Object) (string, error) {
	keys, err := credentials.Retrieve(ctx)
	if err != nil {
		return "", err
	}
	to := d.endpoint
	to.Path = joinPath(d.endpoint.Path, name)
	to.RawPath = joinPath(d.endpoint.EscapedPath(), escapePath(name))
	request := (&http.Request{
		Method: http.MethodPut, URL: &to, Host: to.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header.Clone(), Body: http.NoBody, ContentLength: o.Size,
	}).WithContext(ctx)
	var body *sentBody
	if from, ok := readerAt(o.Body); ok && o.Size > 0 {
		// One byte more shows a body that is longer than declared.
		source := io.NewSectionReader(from, 0, o.Size+1)
		body = &sentBody{body: newCheckedBody(ctx, source, 0, o.Size, o.SHA256, true)}
		defer func() { _ = body.Close() }() // never fails
		request.Body = body
	}
	if err := d.signer.SignHTTP(ctx, keys, request, hex.EncodeToString(o.SHA256[:]), d.service, d.region, time.Now()); err != nil {
		return "", err
	}
	response, err := d.client.Do(request)
	if err != nil {
		return "", cmp.Or(body.fault(), error(&smithyhttp.RequestSendError{Err: err}))
	}
	defer func() { _ = response.Body.Close() }() // what it says was read
	said, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case response.StatusCode < 200 || response.StatusCode > 299:
		return "", cmp.Or(body.fault(), refusal(response, said))
	case err != nil:
		return "", &smithyhttp.RequestSendError{Err: err}
	}
	return response.Header.Get("ETag"), nil
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

// A sentBody is a body that nobody reads any more once it is closed. A server may
// answer before it has read all of it, and whoever made the put then goes on to
// use the memory for something else.
type sentBody struct {
	mu     sync.Mutex
	body   *checkedBody
	closed bool
}

// Read implements io.Reader.
func (b *sentBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.body.Read(p)
}

// Close implements io.Closer.
func (b *sentBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// fault returns why the body could not be read, if that is so.
func (b *sentBody) fault() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.body.err
}

// refusal returns what a server said as the SDK does.
func refusal(response *http.Response, said []byte) error {
	var text struct{ Code, Message string }
	if err := xml.Unmarshal(said, &text); err != nil || text.Code == "" {
		text.Code, text.Message = strings.ReplaceAll(http.StatusText(response.StatusCode), " ", ""), ""
	}
	return &awshttp.ResponseError{
		RequestID: response.Header.Get("X-Amz-Request-Id"),
		ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: response},
			Err:      &smithy.GenericAPIError{Code: text.Code, Message: text.Message},
		},
	}
}

// beyond reports whether an error may come of what the SDK's chain does and a
// direct request does not: follow a bucket to its region, or a server to its
// time.
func beyond(err error) bool {
	var response *awshttp.ResponseError
	if !errors.As(err, &response) {
		return false
	}
	status := response.HTTPStatusCode()
	return status >= 300 && status < 400 || status == http.StatusUnauthorized || status == http.StatusForbidden
}

// joinPath puts a name behind a path.
func joinPath(path, name string) string { return strings.TrimSuffix(path, "/") + "/" + name }

// escapePath escapes a name as the signature wants it: all but letters, digits
// and these.
func escapePath(name string) string {
	plain := func(c byte) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~/", c) >= 0
	}
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(name) {
		if c := name[i]; plain(c) {
			out.WriteByte(c)
		} else {
			out.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return out.String()
}
