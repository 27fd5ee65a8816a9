package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

const (
	// minCopy is S3's least size of a part that is not the last. A shorter base
	// is read and sent.
	minCopy = 5 << 20
	// copiesAtOnce is how many parts of one object are copied at a time.
	copiesAtOnce = 8
	// copyFactor is how much larger a part is that is copied, for it is a request and
	// needs no memory.
	copyFactor = 8
)

// errCopy: the server did not copy a part.
var errCopy = errors.New("no copy of a part")

// sendOnCopies puts an object with a Base on the one in place: the server copies the
// base part by part, and only what follows is sent. What a server refuses of that is
// not asked of it again.
func (b *Bucket) sendOnCopies(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	if b.copies.found.Load() || b.multipart.found.Load() {
		return bucket.Info{}, noBase(errCopy)
	}
	info, err := b.upload(ctx, name, o, c)
	status, _, _ := answer(err)
	switch {
	case damaged(err), status == http.StatusPreconditionFailed && c == bucket.Always():
		return bucket.Info{}, noBase(err)
	case refusesParts(err):
		return bucket.Info{}, b.withoutCopies(err)
	}
	return info, err
}

// withoutCopies tells that objects are sent whole from now on, and returns ErrBase.
func (b *Bucket) withoutCopies(why error) error {
	b.copies.tell(b, fmt.Sprintf("large objects are sent whole, because the server does not build them from parts of the old ones: %v", why))
	return noBase(why)
}

// damaged reports whether a server found another checksum than it was given.
func damaged(err error) bool {
	_, code, _ := answer(err)
	return code == "BadDigest"
}

// noBase is ErrBase with what was in the way, as a text: it is no refusal of the
// put.
func noBase(why error) error { return fmt.Errorf("%v: %w", why, bucket.ErrBase) }

// upload puts o on its base, by an upload in parts.
func (b *Bucket) upload(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	etag := c.ETag()
	if c == bucket.Always() {
		have, err := b.head(ctx, name)
		if err != nil || !have.exists || have.Size < o.Base.Length {
			return bucket.Info{}, noBase(errors.Join(errors.New("nothing so long is there"), err))
		}
		etag = have.ETag
	}
	count, size := inParts(o.Base.Length, max(minCopy, copyFactor*b.part))
	if o.BodySize() > size {
		return bucket.Info{}, noBase(errors.New("more follows than a part holds"))
	}
	u := &upload{Bucket: b, name: name, object: o, size: size, checked: o.Base.CRC64 != 0 && !b.wrongChecksums.Load(), crc: o.Base.CRC64}
	return u.put(ctx, c, func(ctx context.Context) error {
		if !u.proves {
			if err := b.compareSample(ctx, name, o.Base); err != nil {
				return err
			}
		}
		return u.copy(ctx, etag, count)
	})
}

// inParts divides a length into parts of one size, which is at least least and
// less than twice that, unless the length cannot be halved so often.
func inParts(length, least int64) (count, size int64) {
	count, size = 1, length
	for size >= 2*least && size%2 == 0 {
		count, size = 2*count, size/2
	}
	return count, size
}

// compareSample reads a sample of the base back. One that differs is ErrBase.
func (b *Bucket) compareSample(ctx context.Context, name string, base bucket.Base) error {
	if base.Sample == nil {
		return noBase(errors.New("nothing tells what the object there is"))
	}
	at, want, err := base.Sample(ctx)
	if err != nil {
		return noBase(fmt.Errorf("nothing to compare it with: %w", err))
	}
	have, err := b.readRange(ctx, name, at, int64(len(want)))
	if err != nil {
		return err
	}
	if !bytes.Equal(have, want) {
		return noBase(fmt.Errorf("bytes %d to %d of the existing object differ", at, at+int64(len(want))-1))
	}
	return nil
}

// readRange reads some bytes of the object in place; without them it is ErrBase.
func (b *Bucket) readRange(ctx context.Context, name string, at, size int64) ([]byte, error) {
	out, err := b.get(ctx, name, fmt.Sprintf("bytes=%d-%d", at, at+size-1))
	have := make([]byte, size)
	if err == nil {
		defer func() { _ = out.Body.Close() }() // what was read is checked
		_, err = io.ReadFull(out.Body, have)
	}
	if done := ctx.Err(); done != nil {
		return nil, done
	}
	if err != nil {
		return nil, noBase(fmt.Errorf("read %d bytes of the object there: %w", size, err))
	}
	return have, nil
}

// readBase reads the base of an object, if it has one, to send it.
func (b *Bucket) readBase(ctx context.Context, name string, o bucket.Object) ([]byte, error) {
	if o.Base.IsZero() {
		return nil, nil
	}
	base, err := b.readRange(ctx, name, 0, o.Base.Length)
	if err != nil {
		return nil, err
	}
	if same, err := o.Base.IsPrefixOf(bytes.NewReader(base)); err != nil || !same {
		return nil, noBase(errors.Join(errors.New("another object is there"), err))
	}
	return base, nil
}

// copy lets the server copy the base as the first parts.
func (u *upload) copy(ctx context.Context, etag string, count int64) error {
	u.parts = make([]types.CompletedPart, count)
	source := copySource(u.address.name + "/" + u.name)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copiesAtOnce)
	for i := range count {
		group.Go(func() (err error) {
			u.parts[i], err = u.copyPart(ctx, source, etag, int32(i+1), i*u.size, (i+1)*u.size-1)
			return err
		})
	}
	return group.Wait()
}

func (u *upload) copyPart(ctx context.Context, source, etag string, number int32, first, last int64) (types.CompletedPart, error) {
	in := &s3.UploadPartCopyInput{
		Bucket: &u.address.name, Key: &u.name, UploadId: u.id, PartNumber: &number,
		CopySource: &source, CopySourceIfMatch: &etag,
		CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", first, last)),
	}
	if strings.HasPrefix(etag, noETag) || u.sources.found.Load() {
		in.CopySourceIfMatch = nil
	}
	out, err := u.client.UploadPartCopy(ctx, in)
	if in.CopySourceIfMatch != nil && refusesHeader(err) {
		// The condition of the whole holds all the same.
		in.CopySourceIfMatch = nil
		if out, err = u.client.UploadPartCopy(ctx, in); err == nil {
			u.sources.found.Store(true)
		}
	}
	if err == nil && (out.CopyPartResult == nil || aws.ToString(out.CopyPartResult.ETag) == "") {
		err = errNoParts
	}
	if done := ctx.Err(); done != nil {
		return types.CompletedPart{}, done
	}
	if err != nil {
		return types.CompletedPart{}, fmt.Errorf("%w: %w", errCopy, u.requestError(ctx, actionGet, err))
	}
	return types.CompletedPart{
		PartNumber: &number, ETag: out.CopyPartResult.ETag, ChecksumCRC64NVME: out.CopyPartResult.ChecksumCRC64NVME,
	}, nil
}

// copySource escapes a name for a header that is read as a path by some servers
// and as a form by others, where a plus is a space.
func copySource(name string) string {
	return strings.NewReplacer("%2F", "/", "+", "%2B").Replace(url.PathEscape(name))
}
