package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// Put implements Bucket. An object of at most the size of a part is put by one
// request; a larger one in parts, after a look if c is a condition.
func (b *Bucket) Put(ctx context.Context, key string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	name, err := b.checkedName(key)
	if err != nil {
		return bucket.Info{}, err
	}
	info, err := b.put(ctx, name, o, c)
	if err != nil {
		return bucket.Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	return info, nil
}

func (b *Bucket) put(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	if err := o.Check(ctx, c); err != nil {
		return bucket.Info{}, err
	}
	if o.Body == nil || o.Size <= 0 {
		// An empty body is never read on its way, so it is checked here.
		if err := o.Copy(ctx, io.Discard); err != nil {
			return bucket.Info{}, err
		}
	}
	if c == bucket.Always() {
		return b.putUntilClear(ctx, name, o, c)
	}
	return b.putIf(ctx, name, o, c)
}

// maxTries bounds how often a put is tried of which the answers are unclear.
const maxTries = 6

// putUntilClear puts o until it is clear what became of it. An answer counts as
// success only if it names the object's version. Else the object in place tells,
// as it does if the server says that c does not hold.
func (b *Bucket) putUntilClear(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	for try := 1; ; try++ {
		info, err := b.write(ctx, name, o, c)
		if err == nil {
			return info, nil
		}
		verdict := judge(err, c)
		if verdict == refused {
			return bucket.Info{}, err
		}
		look := c
		if c == bucket.IfNew() && errors.Is(err, errUnclear) {
			look = bucket.IfAbsent() // the server said that nothing was there
		}
		info, write, lookErr := b.decide(ctx, name, o, look)
		if lookErr == nil && !write && errors.Is(err, errUnclear) {
			b.etags.set(b.notify, fmt.Sprintf("%s: the server answers puts without an ETag; each object is looked up after it is put instead", b))
		}
		if lookErr != nil || !write {
			// Else an earlier try may have put it.
			status, _, _ := answer(err)
			info.Kept = try == 1 && status == http.StatusPreconditionFailed
			return info, lookErr
		}
		if verdict == failed || try == maxTries {
			return bucket.Info{}, err
		}
		select {
		case <-time.After(min(b.pause, 50*time.Millisecond<<try)):
		case <-ctx.Done():
			return bucket.Info{}, ctx.Err()
		}
	}
}

// A verdict is what an error says about a put.
type verdict int

const (
	refused verdict = iota // it was not made, and will not be
	failed                 // it may have been made; it was tried often enough
	unclear                // it may have been made, or can be made now
)

// judge is the one place that reads the answer to a put.
func judge(err error, c bucket.Condition) verdict {
	status, _, _ := answer(err)
	switch {
	case errors.As(err, new(bodyError)), errors.Is(err, bucket.ErrBase), errors.Is(err, bucket.ErrBody),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return refused
	case errors.Is(err, errUnclear), status/100 == 2, status == http.StatusNotFound, status == http.StatusConflict,
		status == http.StatusPreconditionFailed && c != bucket.Always(),
		damaged(err): // behind us, for the body was checked on its way
		return unclear
	case status == 0, status >= 500 && status != http.StatusNotImplemented, status == http.StatusTooManyRequests,
		status == http.StatusRequestTimeout:
		return failed
	}
	return refused
}

// errUnclear is an answer that is none of S3's.
var errUnclear = errors.New("the answer names no version of the object")

// decide looks at what is in place and says what is to be done for o: nothing,
// as it is there (info), write it, or give up, as c does not hold.
func (b *Bucket) decide(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (info bucket.Info, write bool, err error) {
	have, err := b.look(ctx, name, o, c)
	if err != nil {
		return bucket.Info{}, false, err
	}
	write, err = c.Decide(have.is(o), have.Info, have.exists)
	if errors.Is(err, bucket.ErrDiffers) && have.told {
		err = bucket.Differs(have.Info, have.sum, o)
	}
	if err == nil && !write {
		have.Kept = true
		err = o.Copy(ctx, io.Discard) // a body that lies is not what is there
	}
	return have.Info, write, err
}

// write puts o with c's headers, in the way that the server takes.
func (b *Bucket) write(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	if o.Base.Length > 0 {
		return b.putOn(ctx, name, o, c)
	}
	if o.Size <= b.part || b.multipart.found.Load() {
		return b.putObject(ctx, name, o, c)
	}
	info, err := b.putParts(ctx, name, o, c)
	if !simpler(err) {
		return info, err
	}
	info, again := b.putObject(ctx, name, o, c)
	if again != nil {
		return bucket.Info{}, errors.Join(err, again)
	}
	b.multipart.set(b.notify, fmt.Sprintf("%s: the server accepts no uploads in parts (%v); each object is sent in one request", b, err))
	return info, nil
}

// putObject puts o by one request.
func (b *Bucket) putObject(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	in := &s3.PutObjectInput{
		Bucket: &b.address.Name, Key: &name,
		ContentLength: &o.Size,
		ContentType:   optional(o.ContentType), CacheControl: optional(o.CacheControl),
		Metadata:     map[string]string{metadataSHA256: hex.EncodeToString(o.SHA256[:])},
		StorageClass: types.StorageClass(b.address.StorageClass),
		ACL:          types.ObjectCannedACL(b.address.ACL),
	}
	in.IfMatch, in.IfNoneMatch = conditionHeaders(c)
	// A bucket that keeps its objects from being changed wants a checksum in a
	// header of its own; this one is known to every server.
	digest := md5.New()
	if err := o.Copy(ctx, digest); err != nil {
		return bucket.Info{}, bodyError{err}
	}
	in.ContentMD5 = aws.String(base64.StdEncoding.EncodeToString(digest.Sum(nil)))
	body := newCheckedBody(ctx, o.Body, 0, o.Size, o.SHA256, true)
	if o.Size > 0 {
		in.Body = body
	}
	out, err := b.client.PutObject(ctx, in, withPayload(o.SHA256))
	if err := body.blame(err); err != nil {
		return bucket.Info{}, b.explain(ctx, b.putAction(), err)
	}
	return b.info(o, out.ETag)
}

// info is that of an object which was put, if the answer names its version.
func (b *Bucket) info(o bucket.Object, etag *string) (bucket.Info, error) {
	if aws.ToString(etag) == "" {
		return bucket.Info{}, errUnclear
	}
	return bucket.Info{Size: o.Size, ETag: *etag}, nil
}

// putAction is the permission that a put takes.
func (b *Bucket) putAction() string {
	if b.address.ACL != "" {
		return actionPut + " and s3:PutObjectAcl"
	}
	return actionPut
}

// conditionHeaders returns c as If-Match and If-None-Match.
func conditionHeaders(c bucket.Condition) (match, noneMatch *string) {
	if c.Creates() {
		return nil, aws.String("*")
	}
	return optional(c.ETag()), nil
}

// optional returns nil for what is not to be sent.
func optional(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}
