package bucket

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

const (
	// maxParts is S3's limit.
	maxParts = 10_000
	// partsAtOnce is how many parts of one object are sent at a time.
	partsAtOnce = 4
	// abortTime is how long the clean-up after a failure may take.
	abortTime = 30 * time.Second
)

// A piece of an object's body becomes a part of the upload.
type piece struct {
	start, size int64
	sum         [sha256.Size]byte
}

// An upload is an object on its way in parts.
type upload struct {
	*S3
	name     string
	object   Object
	id       *string
	checksum bool
	parts    []types.CompletedPart
}

// putParts puts o in parts, read from the body itself and not kept in memory.
func (b *S3) putParts(ctx context.Context, name string, o Object, c Condition, checksum bool) (Info, int, error) {
	pieces, err := b.pieces(ctx, o)
	if err != nil {
		return Info{}, 0, err
	}
	u := &upload{S3: b, name: name, object: o, checksum: checksum}
	info, err := u.put(ctx, c, nil, pieces)
	// Whether the last request took effect is not known after an error.
	return info, 2, err
}

// put makes the upload, of which a failure leaves nothing.
func (u *upload) put(ctx context.Context, c Condition, base *Info, pieces []piece) (Info, error) {
	if err := u.create(ctx); err != nil {
		return Info{}, err
	}
	info, err := u.fill(ctx, c, base, pieces)
	if err != nil {
		u.abort(ctx)
	}
	return info, err
}

// fill sends all parts and makes them the object.
func (u *upload) fill(ctx context.Context, c Condition, base *Info, pieces []piece) (Info, error) {
	if err := u.copy(ctx, base); err != nil {
		return Info{}, err
	}
	if err := u.send(ctx, pieces); err != nil {
		return Info{}, err
	}
	return u.complete(ctx, c)
}

// pieces checks the body and divides it.
func (b *S3) pieces(ctx context.Context, o Object) ([]piece, error) {
	d := &divider{size: max(b.part, (o.Size+maxParts-2)/(maxParts-1)), digest: sha256.New()}
	if err := o.Copy(ctx, d); err != nil {
		return nil, err
	}
	d.end()
	return d.pieces, nil
}

// A divider digests what is written to it in pieces of one size.
type divider struct {
	size       int64
	at, filled int64 // where the piece begins, and what it has
	digest     hash.Hash
	pieces     []piece
}

func (d *divider) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		part := p[:min(int64(len(p)), d.size-d.filled)]
		d.digest.Write(part)
		d.filled += int64(len(part))
		p = p[len(part):]
		if d.filled == d.size {
			d.end()
		}
	}
	return n, nil
}

// end ends a piece, if one was begun.
func (d *divider) end() {
	if d.filled == 0 {
		return
	}
	d.pieces = append(d.pieces, piece{d.at, d.filled, [sha256.Size]byte(d.digest.Sum(nil))})
	d.at, d.filled = d.at+d.filled, 0
	d.digest.Reset()
}

func (u *upload) create(ctx context.Context) error {
	o := u.object
	in := &s3.CreateMultipartUploadInput{
		Bucket: &u.address.Name, Key: &u.name,
		ContentType: optional(o.ContentType), CacheControl: optional(o.CacheControl),
		Metadata:     metadata(o.SHA256),
		StorageClass: types.StorageClass(u.address.StorageClass),
		ACL:          types.ObjectCannedACL(u.address.ACL),
	}
	if u.checksum {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmSha256
	}
	out, err := u.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return u.explain(ctx, u.putAction(), err)
	}
	u.id = out.UploadId
	return nil
}

// send sends the pieces as the parts behind those that were copied.
func (u *upload) send(ctx context.Context, pieces []piece) error {
	copied := len(u.parts)
	u.parts = append(u.parts, make([]types.CompletedPart, len(pieces))...)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(1)
	shared, ok := u.object.Body.(io.ReaderAt)
	if ok {
		group.SetLimit(partsAtOnce)
	}
	for i, p := range pieces {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			body := newCheckedBody(ctx, u.object.Body, p.start, p.size, p.sum, false)
			if shared != nil {
				body = newCheckedBody(ctx, io.NewSectionReader(shared, p.start, p.size), 0, p.size, p.sum, false)
			}
			part, err := u.sendPart(ctx, int32(copied+i+1), body)
			u.parts[copied+i] = part
			return err
		})
	}
	return group.Wait()
}

func (u *upload) sendPart(ctx context.Context, number int32, body *checkedBody) (types.CompletedPart, error) {
	in := &s3.UploadPartInput{
		Bucket: &u.address.Name, Key: &u.name, UploadId: u.id, PartNumber: &number,
		ContentLength: &body.size, Body: body,
	}
	if u.checksum {
		in.ChecksumSHA256 = base64Of(body.want)
	}
	out, err := u.client.UploadPart(ctx, in, withPayload(body.want))
	if err := body.blame(err); err != nil {
		return types.CompletedPart{}, fmt.Errorf("part %d: %w", number, u.explain(ctx, actionPut, err))
	}
	return types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumSHA256: in.ChecksumSHA256}, nil
}

// complete makes the parts the object, if c holds.
func (u *upload) complete(ctx context.Context, c Condition) (Info, error) {
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &u.address.Name, Key: &u.name, UploadId: u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	}
	in.IfMatch, in.IfNoneMatch = c.headers()
	out, err := u.client.CompleteMultipartUpload(ctx, in)
	if err == nil {
		return Info{Size: u.object.Size, SHA256: u.object.SHA256, ETag: aws.ToString(out.ETag)}, nil
	}
	if _, code, _ := answer(err); code == "NoSuchUpload" {
		// It is complete already, if the answer to the first try was lost.
		if have, err := u.head(ctx, u.name); err == nil && have.SHA256 == u.object.SHA256 {
			return have, nil
		}
	}
	return Info{}, u.explain(ctx, actionPut, err)
}

// abort frees what the parts take up. If that fails too, it is left to the
// bucket's rule for unfinished uploads: the first failure is what counts.
func (u *upload) abort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	_, _ = u.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &u.address.Name, Key: &u.name, UploadId: u.id,
	})
}
