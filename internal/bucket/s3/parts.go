package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

const (
	// partsAtOnce is how many parts of one object are sent at a time, from memory.
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
	start  []byte // goes before the body
	size   int64  // of a part
	// checked says that the server is asked for a CRC-64/NVME of the whole, and proves
	// that it will compare it. Behind all parts crc is that.
	checked, proves bool
	crc             uint64
	id              *string
	parts           []types.CompletedPart
}

// put makes the upload, of which a failure leaves nothing. The first parts are those
// that first makes, if it is given.
func (u *upload) put(ctx context.Context, c bucket.Condition, first func(context.Context) error) (info bucket.Info, err error) {
	if err := u.create(ctx); err != nil {
		return bucket.Info{}, err
	}
	if first != nil {
		err = first(ctx)
	}
	if err == nil {
		err = u.send(ctx)
	}
	if err == nil {
		info, err = u.complete(ctx, c)
	}
	if err != nil {
		u.abort(ctx)
	}
	return info, err
}

// refusesParts reports whether a server does not accept what is sent in parts, so that
// another way is left to be tried. That is any refusal but those that say something of
// the moment.
func refusesParts(err error) bool {
	status, code, _ := answer(err)
	switch status {
	case http.StatusPreconditionFailed, http.StatusConflict, http.StatusTooManyRequests, http.StatusRequestTimeout:
		return false
	}
	return errors.Is(err, errNoParts) || status/100 == 4 && code != noSuchUpload || status == http.StatusNotImplemented
}

// errNoParts: a server that lacks what an upload in parts needs.
var errNoParts = errors.New("the server keeps no upload or names no part")

// noSuchUpload is what a server says of an upload that was completed, perhaps by a try
// whose answer was lost. If it says so of a part, its nodes do not share uploads.
const noSuchUpload = "NoSuchUpload"

// create begins the upload.
func (u *upload) create(ctx context.Context) error {
	o := u.object
	in := &s3.CreateMultipartUploadInput{
		Bucket: &u.address.name, Key: &u.name,
		ContentType: optional(o.ContentType), CacheControl: optional(o.CacheControl),
		Metadata:     map[string]string{metadataSHA256: hex.EncodeToString(o.SHA256[:])},
		StorageClass: types.StorageClass(u.address.storageClass),
		ACL:          types.ObjectCannedACL(u.address.acl),
	}
	if u.checked {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject
	}
	out, err := u.client.CreateMultipartUpload(ctx, in)
	if u.checked && refusesParts(err) { // that checksum may be what it does not know
		u.checked, in.ChecksumAlgorithm, in.ChecksumType = false, "", ""
		out, err = u.client.CreateMultipartUpload(ctx, in)
	}
	if err != nil {
		return u.requestError(ctx, u.putAction(), err)
	}
	if aws.ToString(out.UploadId) == "" {
		return errNoParts
	}
	u.id = out.UploadId
	// Not every server knows it.
	u.checked = u.checked && out.ChecksumAlgorithm == types.ChecksumAlgorithmCrc64nvme
	u.proves = u.checked && out.ChecksumType == types.ChecksumTypeFullObject
	return nil
}

// send reads the body once and sends it as the parts behind those that are there. If
// it is not what the object declares, the last part has not been sent, or the upload
// is not completed.
func (u *upload) send(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(1 + partsAtOnce)
	there := len(u.parts)
	u.parts = append(u.parts, make([]types.CompletedPart, (u.rest()+u.size-1)/u.size)...)
	group.Go(func() error {
		w := &partWriter{upload: u, left: u.rest(), full: func(content []byte) {
			number := there
			there++
			group.Go(func() (err error) {
				u.parts[number], err = u.sendPart(ctx, int32(number+1), content)
				return err
			})
		}}
		_, _ = w.Write(u.start) // never fails
		return u.object.Copy(ctx, w)
	})
	return group.Wait()
}

// rest is how many bytes are to be sent.
func (u *upload) rest() int64 { return int64(len(u.start)) + u.object.BodySize() }

// A partWriter gathers what is written to it in parts and gives each that is full
// away. More than was declared is dropped; who writes compares the length.
type partWriter struct {
	*upload
	left int64 // bytes to be written
	part []byte
	full func(part []byte)
}

func (w *partWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && w.left > 0 {
		if w.part == nil {
			w.part = make([]byte, 0, min(w.size, w.left))
		}
		more := p[:min(len(p), cap(w.part)-len(w.part))]
		w.part, p, w.left = append(w.part, more...), p[len(more):], w.left-int64(len(more))
		if len(w.part) == cap(w.part) {
			w.crc = bucket.CRC64(w.crc, w.part)
			w.full(w.part)
			w.part = nil
		}
	}
	return n, nil
}

func (u *upload) sendPart(ctx context.Context, number int32, content []byte) (types.CompletedPart, error) {
	sum := md5.Sum(content)
	in := &s3.UploadPartInput{
		Bucket: &u.address.name, Key: &u.name, UploadId: u.id, PartNumber: &number,
		Body: bytes.NewReader(content), ContentMD5: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	}
	if u.checked {
		in.ChecksumCRC64NVME = crcText(bucket.CRC64(0, content))
	}
	out, err := u.client.UploadPart(ctx, in)
	if _, code, _ := answer(err); code == noSuchUpload {
		err = fmt.Errorf("%w: %w", errNoParts, err)
	}
	if err != nil {
		return types.CompletedPart{}, fmt.Errorf("part %d: %w", number, u.requestError(ctx, actionPut, err))
	}
	if aws.ToString(out.ETag) == "" {
		return types.CompletedPart{}, fmt.Errorf("part %d: %w", number, errNoParts)
	}
	return types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC64NVME: in.ChecksumCRC64NVME}, nil
}

// complete makes the parts the object, if c holds.
func (u *upload) complete(ctx context.Context, c bucket.Condition) (bucket.Info, error) {
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &u.address.name, Key: &u.name, UploadId: u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	}
	if u.proves {
		in.ChecksumCRC64NVME, in.ChecksumType = crcText(u.crc), types.ChecksumTypeFullObject
	}
	in.IfMatch, in.IfNoneMatch = conditionHeaders(c)
	out, err := u.client.CompleteMultipartUpload(ctx, in)
	if refusesHeader(err) && c != bucket.Always() {
		// It may have conditions for other puts, so it is checked before the put here alone.
		have, checkErr := u.head(ctx, u.name)
		if checkErr == nil {
			_, checkErr = c.Decide(false, have.Info, have.exists)
		}
		if checkErr != nil {
			return bucket.Info{}, checkErr
		}
		in.IfMatch, in.IfNoneMatch = nil, nil
		out, err = u.client.CompleteMultipartUpload(ctx, in)
	}
	if err != nil {
		return bucket.Info{}, u.requestError(ctx, actionPut, err)
	}
	return infoOf(u.object, out.ETag)
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
		Bucket: &u.address.name, Key: &u.name, UploadId: u.id,
	})
}
