package bucket

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Put implements Bucket. An object of at most the size of a part is put by one
// request; a larger one in parts, after a look if c is a condition.
func (b *S3) Put(ctx context.Context, key string, o Object, c Condition) (Info, error) {
	name, err := b.checkedName(key)
	if err != nil {
		return Info{}, err
	}
	info, err := b.checkedPut(ctx, name, o, c)
	if err != nil {
		return Info{}, fmt.Errorf("put %q into %s: %w", key, b, err)
	}
	return info, nil
}

func (b *S3) checkedPut(ctx context.Context, name string, o Object, c Condition) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	if err := o.Base.check(o.Size); err != nil {
		return Info{}, err
	}
	if o.Base.Length > 0 && c.creates() {
		return Info{}, fmt.Errorf("nothing may be there: %w", ErrBase)
	}
	if o.Body == nil || o.Size <= 0 {
		// An empty body is never read on its way, so it is checked here.
		if err := o.Copy(ctx, io.Discard); err != nil {
			return Info{}, err
		}
	}
	info, err := b.put(ctx, name, o, c)
	if err == nil && info.ETag == "" {
		return b.head(ctx, name)
	}
	return info, err
}

// write sends o with c's headers, and without the checksum's if the server has
// none. Sent is how often the server may have got all of it.
func (b *S3) write(ctx context.Context, name string, o Object, c Condition) (info Info, sent int, err error) {
	send := b.sender(o)
	checksum := !b.checksums.found.Load()
	info, sent, err = send(ctx, name, o, c, checksum)
	if !checksum || !refused(err) {
		return info, sent, err
	}
	// The condition may be as much to blame, and to do without the checksum is
	// the last resort.
	if _, _, message := answer(err); c.kind != always && !mentions(message, "checksum") {
		return info, sent, err
	}
	again, sent, failed := send(ctx, name, o, c, false)
	if refused(failed) && c.kind == always {
		return Info{}, sent, err
	}
	b.checksums.set(b.notify, fmt.Sprintf("%s: the server has no x-amz-checksum-sha256; "+
		"its check of the signature, which covers the same digest, stands in for it", b))
	return again, sent, failed
}

// sender returns how an object is put.
func (b *S3) sender(o Object) func(context.Context, string, Object, Condition, bool) (Info, int, error) {
	switch {
	case o.Base.Length > 0:
		return b.putOn
	case o.Size > b.part:
		return b.putParts
	}
	return b.putObject
}

// putObject puts o by one request.
func (b *S3) putObject(ctx context.Context, name string, o Object, c Condition, checksum bool) (Info, int, error) {
	if !b.direct.takes(o) {
		return b.putByChain(ctx, name, o, c, checksum)
	}
	etag, sent, err := b.direct.put(ctx, b.credentials, name, b.header(o, c, checksum), o)
	if beyond(err) {
		info, again, err := b.putByChain(ctx, name, o, c, checksum)
		if err == nil {
			b.direct.off.Store(true)
		}
		return info, sent + again, err
	}
	if err != nil {
		return Info{}, sent, b.explain(ctx, b.putAction(), err)
	}
	return Info{Size: o.Size, SHA256: o.SHA256, ETag: etag}, sent, nil
}

// header is what goes with o.
func (b *S3) header(o Object, c Condition, checksum bool) http.Header {
	sum := hex.EncodeToString(o.SHA256[:])
	header := http.Header{
		// Without it the server's answer may come packed.
		"Accept-Encoding":      {"identity"},
		"Content-Type":         {cmp.Or(o.ContentType, "application/octet-stream")},
		"User-Agent":           {"hackage-mirror"},
		"X-Amz-Content-Sha256": {sum},
		"X-Amz-Meta-Sha256":    {sum},
	}
	match, noneMatch := c.headers()
	for name, value := range map[string]string{
		"Cache-Control": o.CacheControl,
		"If-Match":      aws.ToString(match), "If-None-Match": aws.ToString(noneMatch),
		"X-Amz-Acl": b.address.ACL, "X-Amz-Storage-Class": b.address.StorageClass,
	} {
		if value != "" {
			header[name] = []string{value}
		}
	}
	if checksum {
		header["X-Amz-Checksum-Sha256"] = []string{*base64Of(o.SHA256)}
	}
	return header
}

// putByChain is putObject by way of the SDK's whole chain.
func (b *S3) putByChain(ctx context.Context, name string, o Object, c Condition, checksum bool) (Info, int, error) {
	in := &s3.PutObjectInput{
		Bucket: &b.address.Name, Key: &name,
		ContentLength: &o.Size,
		ContentType:   optional(o.ContentType), CacheControl: optional(o.CacheControl),
		Metadata:     metadata(o.SHA256),
		StorageClass: types.StorageClass(b.address.StorageClass),
		ACL:          types.ObjectCannedACL(b.address.ACL),
	}
	in.IfMatch, in.IfNoneMatch = c.headers()
	if checksum {
		in.ChecksumSHA256 = base64Of(o.SHA256)
	}
	body := newCheckedBody(ctx, o.Body, 0, o.Size, o.SHA256, true)
	if o.Size > 0 {
		in.Body = body
	}
	out, err := b.client.PutObject(ctx, in, withPayload(o.SHA256))
	if err := body.blame(err); err != nil {
		return Info{}, body.starts, b.explain(ctx, b.putAction(), err)
	}
	return Info{Size: o.Size, SHA256: o.SHA256, ETag: aws.ToString(out.ETag)}, body.starts, nil
}

// putAction is the permission that a put takes.
func (b *S3) putAction() string {
	if b.address.ACL != "" {
		return actionPut + " and s3:PutObjectAcl"
	}
	return actionPut
}

// headers returns c as If-Match and If-None-Match.
func (c Condition) headers() (match, noneMatch *string) {
	switch {
	case c.creates():
		return nil, aws.String("*")
	case c.kind == ifMatch:
		return aws.String(c.etag), nil
	}
	return nil, nil
}

func metadata(sum [sha256.Size]byte) map[string]string {
	return map[string]string{metadataSHA256: hex.EncodeToString(sum[:])}
}

func base64Of(sum [sha256.Size]byte) *string {
	return aws.String(base64.StdEncoding.EncodeToString(sum[:]))
}

// optional returns nil for what is not to be sent.
func optional(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}
