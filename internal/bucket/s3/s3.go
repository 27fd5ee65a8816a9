// Package s3 keeps a bucket on AWS S3, or on a server that speaks its protocol. It is
// the only room that knows the AWS SDK.
package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// A Bucket is a bucket on AWS S3 or on a server that speaks its protocol, such as
// Cloudflare R2, Backblaze B2, MinIO, Ceph.
//
// It asks for no more than the permissions s3:GetObject, s3:PutObject and
// s3:AbortMultipartUpload on its objects (s3:PutObjectAcl with an ACL), never
// lists, and never deletes an object.
//
// A put of a new object is one request. Its signature covers the SHA-256 of the
// body, which the server has to compare, and its metadata "sha256" (hex) tells
// that to those who read the bucket later. It never carries a Content-Encoding.
// Objects larger than a part are put in parts.
//
// Conditions are the server's own If-None-Match and If-Match. Where the first
// conditional put finds none, the object in place is checked before each such put,
// which does not keep the condition against another writer in the moment between.
//
// Whether an object in place is the one to be put is told by its size and the digest in
// its metadata; a small one that may change, one without a digest and, if the Bucket is
// a full one (see bucket.Options), each is read instead.
type Bucket struct {
	bucket.Reads

	client      *s3.Client
	credentials aws.CredentialsProvider
	address     address
	part        int64
	pause       time.Duration
	full        bool
	notify      func(string)

	conditions conditions
	etags      lack // no ETag in answers to puts
	multipart  lack // no objects in parts
	copies     lack // no parts copied from objects
	sources    lack // no condition on what is copied
	// wrongChecksums: the server finds no upload right of which it is to compare the
	// checksum.
	wrongChecksums atomic.Bool
}

// open returns the bucket at a complete address. It makes no request.
func open(ctx context.Context, a address, o bucket.Options, own Options) (*Bucket, error) {
	own = own.withDefaults()
	if a.pathStyle == nil {
		a.pathStyle = new(false)
	}
	b := &Bucket{address: a, part: own.Part, pause: own.Pause, full: o.Full, notify: o.Notify}
	client, credentials, err := newClient(ctx, a, o, own, b.identify)
	if err != nil {
		return nil, err
	}
	b.client, b.credentials = client, credentials
	b.conditions.probing = make(chan struct{}, 1)
	endpoint := client.Options().BaseEndpoint // the environment may name one too
	if endpoint == nil {
		// AWS keeps conditions; of other servers that remains to be seen.
		b.conditions.state.Store(conditionsKept)
		return b, nil
	}
	return b, a.checkEndpoint(*endpoint)
}

// identify reads the name that a server gives itself. Versitygw is known to keep
// conditions, and to confuse the checksum of a whole object with that of a part copied
// from it.
func (b *Bucket) identify(server string) {
	if server == "VERSITYGW" {
		b.wrongChecksums.Store(true)
		b.conditions.state.CompareAndSwap(conditionsUnknown, conditionsKept)
	}
}

// String names the bucket in messages.
func (b *Bucket) String() string { return b.address.String() }

// Close implements Store. There is nothing to lose.
func (b *Bucket) Close() error { return nil }

// name returns the name that the object of a key has in the bucket.
func (b *Bucket) name(key string) (string, error) {
	if err := bucket.CheckKey(key); err != nil {
		return "", err
	}
	name := path.Join(b.address.prefix, key)
	return name, bucket.CheckKey(name) // with the prefix it may be too long
}

// Head implements Bucket.
func (b *Bucket) Head(ctx context.Context, key string) (bucket.Info, error) {
	name, err := b.name(key)
	if err != nil {
		return bucket.Info{}, err
	}
	have, err := b.head(ctx, name)
	if err == nil && !have.exists {
		err = fs.ErrNotExist
	}
	if err != nil {
		return bucket.Info{}, fmt.Errorf("look up %q: %w", key, err)
	}
	return have.Info, nil
}

// Get implements Bucket.
func (b *Bucket) Get(ctx context.Context, key string) (io.ReadCloser, bucket.Info, error) {
	name, err := b.name(key)
	if err != nil {
		return nil, bucket.Info{}, err
	}
	out, err := b.get(ctx, name, "")
	if err != nil {
		return nil, bucket.Info{}, fmt.Errorf("get %q: %w", key, err)
	}
	return out.Body, foundBy(out).Info, nil
}

// get gets the object, or the bytes of it that a range names. What a server has
// for the object's checksum is not asked for: the SDK would fail the read of an
// object that was damaged in place, and that is one with other bytes, as whoever
// reads it finds out by comparing them.
func (b *Bucket) get(ctx context.Context, name, bytes string) (*s3.GetObjectOutput, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.address.name, Key: &name, Range: optional(bytes),
	})
	if err != nil {
		return nil, b.requestError(ctx, actionGet, err)
	}
	out.Body = b.Count(ctx, out.Body)
	return out, nil
}

// A found is what was found in place. If the digest is known, it is Declared, be
// it what was said or what was read.
type found struct {
	bucket.Info
	exists, known bool
}

// is reports whether it has the size and the digest of an object.
func (f found) is(o bucket.Object) bool {
	return f.exists && f.known && f.Size == o.Size && f.Declared == o.SHA256
}

// head looks up an object. Its digest is what whoever put it said.
func (b *Bucket) head(ctx context.Context, name string) (found, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.address.name, Key: &name})
	if missing(err) {
		return found{}, nil
	}
	if err != nil {
		return found{}, b.requestError(ctx, actionGet, err)
	}
	return foundBy(&s3.GetObjectOutput{
		ContentLength: out.ContentLength, ETag: out.ETag, LastModified: out.LastModified, Metadata: out.Metadata,
	}), nil
}

// noETag begins the ETags that are made up for a server without any. Such a
// server has no condition for them, so they are compared before the put.
const noETag = "none:"

// foundBy reads the headers of an answer.
func foundBy(h *s3.GetObjectOutput) found {
	f := found{exists: true, Info: bucket.Info{Size: -1, ETag: aws.ToString(h.ETag)}}
	if h.ContentLength != nil {
		f.Size = *h.ContentLength
	}
	for name, value := range h.Metadata {
		if raw, err := hex.DecodeString(value); strings.EqualFold(name, metadataSHA256) && err == nil && len(raw) == sha256.Size {
			f.Declared, f.known = [sha256.Size]byte(raw), true
		}
	}
	if f.ETag == "" {
		f.ETag = fmt.Sprintf("%s%d-%d-%x", noETag, f.Size, aws.ToTime(h.LastModified).Unix(), f.Declared)
	}
	return f
}

// soonRead is the size in bytes up to which an object is read rather than looked up.
const soonRead = 1 << 20

// metadataSHA256 is the name of the metadata that holds an object's digest.
const metadataSHA256 = "sha256"

// inspect compares what is in place with an object, by its bytes where they matter
// or are soon read.
func (b *Bucket) inspect(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (found, error) {
	if !b.full && !o.CompareBytes && (c == bucket.IfAbsent() || o.Size > soonRead) {
		have, err := b.head(ctx, name)
		if err != nil || !have.exists || have.known || have.Size != o.Size && have.Size >= 0 {
			return have, err
		}
	}
	out, err := b.get(ctx, name, "")
	if errors.Is(err, fs.ErrNotExist) {
		return found{}, nil
	}
	if err != nil {
		return found{}, err
	}
	defer func() { _ = out.Body.Close() }() // what was read is compared
	have := foundBy(out)
	if have.known = have.Size < 0 || have.Size == o.Size; !have.known {
		return have, nil // another size is other content
	}
	have.Size, have.Declared, err = bucket.Digest(ctx, io.LimitReader(out.Body, o.Size+1))
	return have, b.requestError(ctx, actionGet, err)
}

// A lack is something that a server was found not to have.
type lack struct{ found atomic.Bool }

// tell tells of the lack, the first time.
func (l *lack) tell(b *Bucket, text string) {
	if !l.found.Swap(true) {
		b.notify(b.String() + ": " + text)
	}
}
