package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// Put implements bucket.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	name, err := b.name(key)
	if err != nil {
		return bucket.Info{}, err
	}
	info, err := b.put(ctx, name, o, c)
	if err != nil {
		return bucket.Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	return info, nil
}

// put is the one way by which an object gets in. The server keeps the condition; of one
// that has none, the object in place is checked before.
func (b *Bucket) put(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	if err := o.Check(ctx, c); err != nil {
		return bucket.Info{}, err
	}
	if c == bucket.Always() {
		return b.write(ctx, name, o, c)
	}
	release, err := b.acquire(ctx, o)
	if err != nil {
		return bucket.Info{}, err
	}
	defer release()
	if b.conditions.state.Load() == conditionsLacking || strings.HasPrefix(c.ETag(), noETag) {
		return b.checkAndPut(ctx, name, o, c)
	}
	if b.full && c == bucket.IfAbsent() || o.BodySize() > b.part {
		// Before much is sent in vain.
		if info, write, err := b.decide(ctx, name, o, c); err != nil || !write {
			return info, err
		}
	}
	info, err := b.write(ctx, name, o, c)
	if refusesHeader(err) {
		if info, err = b.checkAndPut(ctx, name, o, c); err == nil {
			b.lackConditions("has neither If-None-Match nor If-Match")
		}
		return info, err
	}
	return b.learn(ctx, name, o, c, info, err)
}

// maxTries bounds how often a put is tried of which the answers are unclear.
const maxTries = 6

// write puts o until it is clear what became of it. An answer counts as success only
// if it names the object's version. Else the object in place tells, as it does if the
// server says that c does not hold.
func (b *Bucket) write(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	for try := 1; ; try++ {
		info, err := b.send(ctx, name, o, c)
		outcome := outcomeOf(err, c)
		if outcome == final {
			return info, err
		}
		check := c
		if c == bucket.IfNew() && errors.Is(err, errUnclear) {
			check = bucket.IfAbsent() // the server said that nothing was there
		}
		info, write, checkErr := b.decide(ctx, name, o, check)
		status, _, _ := answer(err)
		if checkErr != nil || !write {
			if checkErr == nil && errors.Is(err, errUnclear) {
				b.etags.tell(b, "the server answers puts without an ETag; each object is looked up after it is put instead")
			}
			// Else an earlier try may have put it.
			info.Existed = try == 1 && status == http.StatusPreconditionFailed
			return info, checkErr
		}
		if errors.Is(err, errCopy) && (status == http.StatusPreconditionFailed || status == http.StatusNotFound) {
			return bucket.Info{}, b.withoutCopies(err) // the object that is to be copied is there
		}
		if outcome == failed || try == maxTries {
			return bucket.Info{}, err
		}
		select {
		case <-time.After(min(b.pause, 50*time.Millisecond<<try)):
		case <-ctx.Done():
			return bucket.Info{}, ctx.Err()
		}
	}
}

// An outcome is what an answer says about a put.
type outcome int

const (
	final   outcome = iota // it was made; or it was not, and will not be
	failed                 // it may have been made; it was tried often enough
	unclear                // it may have been made, or can be made now
)

// outcomeOf is the one place that reads the answer to a put.
func outcomeOf(err error, c bucket.Condition) outcome {
	status, _, _ := answer(err)
	switch {
	case errors.Is(err, errUnclear):
		return unclear
	case !errors.As(err, new(*s3Error)): // there is none, or it is not the server's
		return final
	case status/100 == 2, status == http.StatusNotFound, status == http.StatusConflict,
		status == http.StatusPreconditionFailed && c != bucket.Always(),
		damaged(err): // on its way, for the body was checked
		return unclear
	case status == 0, status >= 500 && status != http.StatusNotImplemented, status == http.StatusTooManyRequests,
		status == http.StatusRequestTimeout:
		return failed
	}
	return final
}

// errUnclear is an answer that is none of S3's.
var errUnclear = errors.New("the answer names no version of the object")

// decide looks at what is in place and says what is to be done for o: nothing,
// as it is there (info), write it, or give up, as c does not hold.
func (b *Bucket) decide(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (info bucket.Info, write bool, err error) {
	have, err := b.inspect(ctx, name, o, c)
	if err != nil {
		return bucket.Info{}, false, err
	}
	write, err = c.Decide(have.is(o), have.Info, have.exists)
	if errors.Is(err, bucket.ErrDiffers) && have.known {
		err = bucket.Differs(have.Info, have.Declared, o)
	}
	if err == nil && !write {
		have.Existed = true
		err = o.Copy(ctx, io.Discard) // a body that lies is not what is there
	}
	return have.Info, write, err
}

// send sends o once, with c's headers, in the way that the server accepts: small in
// one request, large in parts, on a Base by copies of it.
func (b *Bucket) send(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	if o.Base.Length >= minCopy {
		return b.sendOnCopies(ctx, name, o, c)
	}
	start, err := b.readBase(ctx, name, o)
	if err != nil {
		return bucket.Info{}, err
	}
	if o.Size <= b.part || b.multipart.found.Load() {
		return b.sendWhole(ctx, name, o, start, c)
	}
	u := &upload{Bucket: b, name: name, object: o, start: start, size: b.part}
	info, err := u.put(ctx, c, nil)
	if !refusesParts(err) {
		return info, err
	}
	info, again := b.sendWhole(ctx, name, o, start, c)
	if again != nil {
		return bucket.Info{}, errors.Join(err, again)
	}
	b.multipart.tell(b, fmt.Sprintf("the server accepts no uploads in parts (%v); each object is sent in one request", err))
	return info, nil
}

// sendWhole sends o in one request, of which the first bytes are start.
func (b *Bucket) sendWhole(ctx context.Context, name string, o bucket.Object, start []byte, c bucket.Condition) (bucket.Info, error) {
	body, sum, err := b.read(ctx, o, start)
	if err != nil {
		return bucket.Info{}, err
	}
	in := &s3.PutObjectInput{
		Bucket: &b.address.name, Key: &name, Body: body, ContentLength: &o.Size,
		// A bucket that keeps its objects from being changed wants a checksum in a
		// header of its own; this one is known to every server.
		ContentMD5:  &sum,
		ContentType: optional(o.ContentType), CacheControl: optional(o.CacheControl),
		Metadata:     map[string]string{metadataSHA256: hex.EncodeToString(o.SHA256[:])},
		StorageClass: types.StorageClass(b.address.storageClass),
		ACL:          types.ObjectCannedACL(b.address.acl),
	}
	in.IfMatch, in.IfNoneMatch = conditionHeaders(c)
	out, err := b.client.PutObject(ctx, in)
	if err != nil {
		return bucket.Info{}, b.requestError(ctx, b.putAction(), err)
	}
	return infoOf(o, out.ETag)
}

// read checks the body of o and returns it, behind start, with its MD5 in base64. One
// that is no larger than a part is held in memory, so that nothing can change it any
// more; a larger one, of which only a server without parts has to be sent the whole,
// is read once more.
func (b *Bucket) read(ctx context.Context, o bucket.Object, start []byte) (io.ReadSeeker, string, error) {
	digest, held := md5.New(), new(bytes.Buffer)
	var w io.Writer = digest
	if o.Size <= b.part {
		held.Grow(int(max(0, o.Size)))
		w = io.MultiWriter(digest, held)
	} else if len(start) > 0 {
		return nil, "", noBase(errors.New("it is too large for one request"))
	}
	_, _ = w.Write(start) // neither fails
	if err := o.Copy(ctx, w); err != nil {
		return nil, "", err
	}
	sum := base64.StdEncoding.EncodeToString(digest.Sum(nil))
	if o.Size <= b.part {
		return bytes.NewReader(held.Bytes()), sum, nil
	}
	_, err := o.Body.Seek(0, io.SeekStart)
	return o.Body, sum, err
}

// infoOf is that of an object which was put, if the answer names its version.
func infoOf(o bucket.Object, etag *string) (bucket.Info, error) {
	if aws.ToString(etag) == "" {
		return bucket.Info{}, errUnclear
	}
	return bucket.Info{Size: o.Size, ETag: *etag, Declared: o.SHA256}, nil
}

// putAction is the permission that a put takes.
func (b *Bucket) putAction() string {
	if b.address.acl != "" {
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
