package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

// An s3Error is a failed request in words for a person. The text is made here
// and holds no credentials, whatever the server or the SDK said.
type s3Error struct {
	text  string
	cause error
}

func (e *s3Error) Error() string { return e.text }

func (e *s3Error) Unwrap() error { return e.cause }

// maxMessage bounds, in bytes, what is repeated of a server's words.
const maxMessage = 300

// requestError puts an error of the SDK into words, but those of a context.
// Action is the permission that the request takes.
func (b *Bucket) requestError(ctx context.Context, action string, err error) error {
	if err == nil {
		return nil
	}
	if done := ctx.Err(); done != nil {
		return done
	}
	text := b.describe(err)
	if advice := b.advice(action, err); advice != "" {
		text += "; " + advice
	}
	switch {
	case missing(err):
		err = errors.Join(err, fs.ErrNotExist)
	case refusedForGood(err) && action != actionGet:
		err = errors.Join(err, bucket.ErrRefused)
	}
	return &s3Error{text: b.redact(ctx, text), cause: err}
}

// describe says what the server said, or why nothing came of it.
func (b *Bucket) describe(err error) string {
	status, code, message := answer(err)
	if status == 0 {
		return plain.Cut(plain.Line(innermost(err).Error()), maxMessage, "…")
	}
	said := []string{fmt.Sprintf("%d %s", status, http.StatusText(status))}
	if code != "" && code != http.StatusText(status) {
		said = append(said, code)
	}
	if message != "" && message != http.StatusText(status) {
		said = append(said, plain.Cut(plain.Line(message), maxMessage, "…"))
	}
	text := "the server says " + strings.Join(said, ", ")
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok && response.RequestID != "" {
		text += fmt.Sprintf(" (request id %.100q)", response.RequestID)
	}
	return text
}

// answer returns the HTTP status of a server's refusal, its code and its words;
// the status is 0 if no answer came.
func answer(err error) (status int, code, message string) {
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code, message = api.ErrorCode(), api.ErrorMessage()
	}
	return status, code, message
}

// innermost returns the part of the SDK's error that says why no answer came.
func innermost(err error) error {
	if sending, ok := errors.AsType[*url.Error](err); ok {
		return sending.Err
	}
	if operation, ok := errors.AsType[*smithy.OperationError](err); ok {
		return operation.Err
	}
	return err
}

// missing tells whether the key has no object.
func missing(err error) bool {
	status, code, _ := answer(err)
	return status == http.StatusNotFound && code != "NoSuchBucket" && code != "NoSuchUpload"
}

// refusedForGood tells whether the server said no to a request, and would say so
// again, for no fault of the credentials.
func refusedForGood(err error) bool {
	status, code, _ := answer(err)
	switch status {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict,
		http.StatusPreconditionFailed, http.StatusTooManyRequests:
		return false
	}
	return status/100 == 4 && credentialAdvice(code) == ""
}

// credentialAdvice says what the user can do about what is wrong with them, or
// with the clock that signs.
func credentialAdvice(code string) string {
	switch code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return "check the credentials, and whether they belong to this endpoint"
	case "RequestTimeTooSkewed":
		return "correct the clock of this machine"
	}
	return ""
}

// advice says what the user can do, if that is known.
func (b *Bucket) advice(action string, err error) string {
	status, code, _ := answer(err)
	elsewhere := "the bucket is in another region than " + b.client.Options().Region + ", or at another endpoint; name the right one"
	if text := credentialAdvice(code); text != "" {
		return text
	}
	switch code {
	case "NoSuchBucket":
		return "make the bucket, or correct its name, region or endpoint"
	case "AccessControlListNotSupported":
		return "the bucket accepts no ACL; leave out acl= and allow reading in the bucket's policy"
	case "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return elsewhere
	}
	switch status {
	case http.StatusForbidden:
		return b.permission(action)
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return elsewhere
	case 0:
		if unknown := new(net.DNSError); errors.As(err, &unknown) && unknown.IsNotFound && !b.client.Options().UsePathStyle {
			return "a server without a host name for each bucket needs path-style=true in the address, or s3-path-style"
		}
		if strings.Contains(err.Error(), "get identity: get credentials") {
			return "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a web identity or a profile"
		}
	}
	return ""
}

// permission names what a policy has to allow.
func (b *Bucket) permission(action string) string {
	objects := "arn:aws:s3:::" + path.Join(b.address.name, b.address.prefix, "*")
	text := fmt.Sprintf("the credentials must be allowed %s on %s", action, objects)
	if action == actionGet {
		text += fmt.Sprintf("; if they are, the object is missing, and S3 hides that "+
			"from users without s3:ListBucket on arn:aws:s3:::%s", b.address.name)
	}
	return text
}

// The permissions that requests take.
const (
	actionGet = "s3:GetObject"
	actionPut = "s3:PutObject"
)

// redact leaves out of a text what it may hold of the credentials.
func (b *Bucket) redact(ctx context.Context, text string) string {
	// After a request they are at hand; this is not the place to ask for them.
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	keys, err := b.credentials.Retrieve(ctx)
	if err != nil {
		return text
	}
	for _, secret := range []string{keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken} {
		if len(secret) > 3 { // a shorter one is a test's, and part of many words
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}
