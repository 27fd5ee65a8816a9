package s3

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

const (
	// maxParts is S3's limit.
	maxParts = 10_000
	// partsAtOnce is how many parts of one object are sent at a time.
	partsAtOnce = 4
	// abortTime is how long the clean-up after a failure may take.
	abortTime = 30 * time.Second
)

// An upload is an object on its way in parts. All of them have one size, but for
// the last, which may be shorter: some servers want that.
type upload struct {
	*Bucket
	name   string
	object bucket.Object
	pieces []piece // of the body
	// crc is the CRC-64/NVME of the whole, if the server is asked to compare it,
	// else 0; and proves says that it will.
	crc    uint64
	proves bool
	id     *string
	parts  []types.CompletedPart
}

// putParts puts o in parts, read from the body itself and not kept in memory.
func (b *Bucket) putParts(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	u := &upload{Bucket: b, name: name, object: o}
	size := max(b.part, (o.Size+maxParts-2)/(maxParts-1))
	if err := u.divide(ctx, size); err != nil {
		return bucket.Info{}, err
	}
	return u.put(ctx, c, func() error { return nil })
}

// put makes the upload, of which a failure leaves nothing. Begin fills the first
// parts.
func (u *upload) put(ctx context.Context, c bucket.Condition, begin func() error) (bucket.Info, error) {
	if err := u.create(ctx); err != nil {
		return bucket.Info{}, err
	}
	err := begin()
	if err == nil {
		err = u.send(ctx)
	}
	var info bucket.Info
	if err == nil {
		info, err = u.complete(ctx, c)
	}
	if err != nil {
		u.abort(ctx)
	}
	return info, err
}

// simpler reports whether a server does not take what is sent in parts, so that
// a simpler way of putting is left to be tried. That is any refusal but those
// that say something of the moment.
func simpler(err error) bool {
	if errors.Is(err, errNoParts) {
		return true
	}
	if errors.As(err, new(bodyError)) || errors.Is(err, bucket.ErrBase) {
		return false
	}
	status, code, _ := answer(err)
	switch status {
	case http.StatusPreconditionFailed, http.StatusConflict, http.StatusTooManyRequests, http.StatusRequestTimeout:
		return false
	}
	return status/100 == 4 && code != "NoSuchUpload" || status == http.StatusNotImplemented
}

// errNoParts is an answer without what an upload in parts needs.
var errNoParts = errors.New("the server's answer names no upload or no part")

// A piece of the body becomes a part.
type piece struct {
	start, size int64
	sum         [sha256.Size]byte
	md5         string // in base64
	crc         uint64
}

// divide checks the body and divides it into pieces.
func (u *upload) divide(ctx context.Context, size int64) error {
	d := &divider{size: size, digest: sha256.New(), md5: md5.New(), crc: crc64.New(bucket.NVMe)}
	if err := u.object.Copy(ctx, d); err != nil {
		return bodyError{err}
	}
	d.end()
	u.pieces = d.pieces
	return nil
}

// A divider digests what is written to it in pieces of one size.
type divider struct {
	size        int64
	at, filled  int64 // where the piece begins, and what it has
	digest, md5 hash.Hash
	crc         hash.Hash64
	pieces      []piece
}

func (d *divider) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		part := p[:min(int64(len(p)), d.size-d.filled)]
		for _, h := range []hash.Hash{d.digest, d.md5, d.crc} {
			h.Write(part) // never fails
		}
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
	d.pieces = append(d.pieces, piece{
		d.at, d.filled, [sha256.Size]byte(d.digest.Sum(nil)), base64.StdEncoding.EncodeToString(d.md5.Sum(nil)), d.crc.Sum64(),
	})
	d.at, d.filled = d.at+d.filled, 0
	for _, h := range []hash.Hash{d.digest, d.md5, d.crc} {
		h.Reset()
	}
}

// create begins the upload.
func (u *upload) create(ctx context.Context) error {
	o := u.object
	in := &s3.CreateMultipartUploadInput{
		Bucket: &u.address.Name, Key: &u.name,
		ContentType: optional(o.ContentType), CacheControl: optional(o.CacheControl),
		Metadata:     map[string]string{metadataSHA256: hex.EncodeToString(o.SHA256[:])},
		StorageClass: types.StorageClass(u.address.StorageClass),
		ACL:          types.ObjectCannedACL(u.address.ACL),
	}
	if u.crc != 0 {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject
	}
	out, err := u.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return u.explain(ctx, u.putAction(), err)
	}
	if aws.ToString(out.UploadId) == "" {
		return errNoParts
	}
	u.id = out.UploadId
	if out.ChecksumAlgorithm != types.ChecksumAlgorithmCrc64nvme {
		u.crc = 0 // it does not know it
	}
	u.proves = u.crc != 0 && out.ChecksumType == types.ChecksumTypeFullObject
	return nil
}

// send sends the pieces as the parts behind those that are there.
func (u *upload) send(ctx context.Context) error {
	there := len(u.parts)
	u.parts = append(u.parts, make([]types.CompletedPart, len(u.pieces))...)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(1)
	shared, ok := readerAt(u.object.Body)
	if ok {
		group.SetLimit(partsAtOnce)
	}
	for i, p := range u.pieces {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			body := newCheckedBody(ctx, u.object.Body, p.start, p.size, p.sum, false)
			if ok {
				body = newCheckedBody(ctx, io.NewSectionReader(shared, p.start, p.size), 0, p.size, p.sum, false)
			}
			part, err := u.sendPart(ctx, int32(there+i+1), p, body)
			u.parts[there+i] = part
			return err
		})
	}
	return group.Wait()
}

func (u *upload) sendPart(ctx context.Context, number int32, p piece, body *checkedBody) (types.CompletedPart, error) {
	in := &s3.UploadPartInput{
		Bucket: &u.address.Name, Key: &u.name, UploadId: u.id, PartNumber: &number,
		ContentLength: &p.size, Body: body, ContentMD5: &p.md5,
	}
	if u.crc != 0 {
		in.ChecksumCRC64NVME = crcText(p.crc)
	}
	out, err := u.client.UploadPart(ctx, in, withPayload(p.sum))
	if err := body.blame(err); err != nil {
		return types.CompletedPart{}, fmt.Errorf("part %d: %w", number, u.explain(ctx, actionPut, err))
	}
	if aws.ToString(out.ETag) == "" {
		return types.CompletedPart{}, fmt.Errorf("part %d: %w", number, errNoParts)
	}
	return types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC64NVME: in.ChecksumCRC64NVME}, nil
}

// complete makes the parts the object, if c holds.
func (u *upload) complete(ctx context.Context, c bucket.Condition) (bucket.Info, error) {
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &u.address.Name, Key: &u.name, UploadId: u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	}
	if u.proves {
		in.ChecksumCRC64NVME, in.ChecksumType = crcText(u.crc), types.ChecksumTypeFullObject
	}
	in.IfMatch, in.IfNoneMatch = conditionHeaders(c)
	out, err := u.client.CompleteMultipartUpload(ctx, in)
	if refusesHeader(err) && c != bucket.Always() {
		// It may have conditions for other puts, so a look stands in here alone.
		have, lookErr := u.head(ctx, u.name)
		if lookErr == nil {
			_, lookErr = c.Decide(false, have.Info, have.exists)
		}
		if lookErr != nil {
			return bucket.Info{}, lookErr
		}
		in.IfMatch, in.IfNoneMatch = nil, nil
		out, err = u.client.CompleteMultipartUpload(ctx, in)
	}
	if err != nil {
		return bucket.Info{}, u.explain(ctx, actionPut, err)
	}
	return u.info(u.object, out.ETag)
}

// crcText is a CRC-64 as S3 writes it.
func crcText(crc uint64) *string {
	return aws.String(base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc)))
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
