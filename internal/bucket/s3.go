package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// An S3 is a bucket on AWS S3 or on a server that speaks its protocol, such as
// Cloudflare R2, Backblaze B2, MinIO, Ceph.
//
// It asks for no more than the permissions s3:GetObject, s3:PutObject and
// s3:AbortMultipartUpload on its objects (s3:PutObjectAcl with an ACL), never
// lists, and never deletes an object.
//
// A put of a new object is one request. It carries the SHA-256 twice, as the
// checksum and as part of the signature, for the server to compare, and as the
// metadata "sha256" (hex) for those who read the bucket later. It never carries
// a Content-Encoding. Objects larger than a part are put in parts.
//
// Conditions are the server's own If-None-Match and If-Match. A server that has
// none is found out at the first conditional put; from then on a look before
// each such put stands in for it. That keeps the condition against what is in
// place, and among the users of this S3, but not against another writer in the
// moment between.
//
// The SHA-256 of Info is the server's checksum of the whole object; lacking
// that, it is our metadata; of an object that another program put without
// either, it is computed by reading it.
type S3 struct {
	client      *s3.Client
	credentials aws.CredentialsProvider
	direct      *direct // nil if the bucket takes more
	address     Address
	part        int64
	notify      func(string)

	conditions conditions
	checksums  lack
	copies     lack
}

// NewS3 returns the bucket at an S3 address. It makes no request.
func NewS3(ctx context.Context, a Address, o Options) (*S3, error) {
	a, err := a.withDefaults(o)
	if err != nil {
		return nil, err
	}
	client, credentials, err := newClient(ctx, a, o)
	if err != nil {
		return nil, err
	}
	b := &S3{client: client, credentials: credentials, direct: newDirect(ctx, client, a.Name), address: a, part: o.Part, notify: o.Notify}
	if b.part <= 0 {
		b.part = 128 << 20
	}
	if b.notify == nil {
		b.notify = func(string) {}
	}
	b.conditions.turn = make(chan struct{}, 1)
	b.conditions.seed = maphash.MakeSeed()
	// AWS keeps conditions; of other servers that remains to be seen.
	if client.Options().BaseEndpoint == nil {
		b.conditions.state.Store(conditionsKept)
	}
	return b, nil
}

// String names the bucket in messages.
func (b *S3) String() string { return b.address.String() }

// Close implements Store. There is nothing to lose.
func (b *S3) Close() error { return nil }

// name returns the name that the object of a key has in the bucket.
func (b *S3) name(key string) string {
	if b.address.Prefix == "" {
		return key
	}
	return b.address.Prefix + "/" + key
}

// checkedName is name for a key that was not checked yet.
func (b *S3) checkedName(key string) (string, error) {
	if err := CheckKey(key); err != nil {
		return "", err
	}
	name := b.name(key)
	return name, CheckKey(name) // with the prefix it may be too long
}

// Head implements Bucket.
func (b *S3) Head(ctx context.Context, key string) (Info, error) {
	name, err := b.checkedName(key)
	if err != nil {
		return Info{}, err
	}
	info, err := b.head(ctx, name)
	if err != nil {
		return Info{}, fmt.Errorf("look up %q in %s: %w", key, b, err)
	}
	return info, nil
}

func (b *S3) head(ctx context.Context, name string) (Info, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &b.address.Name, Key: &name, ChecksumMode: types.ChecksumModeEnabled,
	})
	if err != nil {
		return Info{}, b.explain(ctx, actionGet, err)
	}
	info, known := infoOf(out.ContentLength, out.ETag, out.ChecksumSHA256, out.ChecksumType, out.Metadata)
	if known {
		return info, nil
	}
	body, info, err := b.get(ctx, name)
	if err != nil {
		return Info{}, err
	}
	return info, body.Close()
}

// Get implements Bucket. A server's checksum of the whole object is compared at
// the end of the reader.
func (b *S3) Get(ctx context.Context, key string) (io.ReadCloser, Info, error) {
	name, err := b.checkedName(key)
	if err != nil {
		return nil, Info{}, err
	}
	body, info, err := b.get(ctx, name)
	if err != nil {
		return nil, Info{}, fmt.Errorf("get %q from %s: %w", key, b, err)
	}
	return body, info, nil
}

func (b *S3) get(ctx context.Context, name string) (io.ReadCloser, Info, error) {
	out, err := b.getVersion(ctx, name, nil)
	if err != nil {
		return nil, Info{}, err
	}
	info, known := infoOf(out.ContentLength, out.ETag, out.ChecksumSHA256, out.ChecksumType, out.Metadata)
	if known {
		return objectReader{contextReader{ctx, out.Body}, out.Body}, info, nil
	}
	return b.getForeign(ctx, name, out, info)
}

// getVersion gets the object, or only the version that an ETag names.
func (b *S3) getVersion(ctx context.Context, name string, etag *string) (*s3.GetObjectOutput, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.address.Name, Key: &name, ChecksumMode: types.ChecksumModeEnabled, IfMatch: etag,
	})
	return out, b.explain(ctx, actionGet, err)
}

// maxKept is the size, in bytes, up to which an object is kept in memory
// rather than got again.
const maxKept = 1 << 20

// getForeign gets an object that carries no SHA-256. A large one is read twice,
// for the digest comes first.
func (b *S3) getForeign(ctx context.Context, name string, out *s3.GetObjectOutput, info Info) (io.ReadCloser, Info, error) {
	digest := sha256.New()
	var kept bytes.Buffer
	var to io.Writer = digest
	if info.Size <= maxKept {
		to = io.MultiWriter(digest, &kept)
	}
	size, err := io.Copy(to, contextReader{ctx, out.Body})
	if err = errors.Join(err, out.Body.Close()); err != nil {
		return nil, Info{}, fmt.Errorf("read for its digest: %w", err)
	}
	info.Size, info.SHA256 = size, [sha256.Size]byte(digest.Sum(nil))
	if int64(kept.Len()) == size {
		return io.NopCloser(contextReader{ctx, &kept}), info, nil
	}
	again, err := b.getVersion(ctx, name, &info.ETag)
	if err != nil {
		return nil, Info{}, fmt.Errorf("read again after its digest: %w", err)
	}
	return objectReader{contextReader{ctx, again.Body}, again.Body}, info, nil
}

// An objectReader reads until a context is done.
type objectReader struct {
	contextReader
	io.Closer
}

// infoOf reads an answer's headers; known is false if none tells the SHA-256.
func infoOf(size *int64, etag, checksum *string, kind types.ChecksumType, metadata map[string]string) (info Info, known bool) {
	info = Info{Size: aws.ToInt64(size), ETag: aws.ToString(etag)}
	// Of an object put in parts it may be a checksum of checksums, which then
	// has the number of parts behind it or is of that type.
	if kind == types.ChecksumTypeFullObject || kind == "" && !strings.Contains(info.ETag, "-") {
		if sum, err := base64.StdEncoding.DecodeString(aws.ToString(checksum)); err == nil && len(sum) == sha256.Size {
			info.SHA256 = [sha256.Size]byte(sum)
			return info, true
		}
	}
	for name, value := range metadata {
		if sum, err := hex.DecodeString(value); strings.EqualFold(name, metadataSHA256) && err == nil && len(sum) == sha256.Size {
			info.SHA256 = [sha256.Size]byte(sum)
			return info, true
		}
	}
	return info, false
}

// metadataSHA256 is the name of the metadata that holds an object's digest.
const metadataSHA256 = "sha256"

// A lack is something that a server was found not to have.
type lack struct{ found atomic.Bool }

// set notes the lack and tells it, the first time.
func (l *lack) set(tell func(string), text string) {
	if !l.found.Swap(true) {
		tell(text)
	}
}
