package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"
)

const (
	// minCopy is S3's least size of a part that is not the last. A shorter base
	// is read and sent.
	minCopy = 5 << 20
	// copiesAtOnce is how many parts of one object are copied at a time.
	copiesAtOnce = 8
	// maxEnd is how much of the end of an object in place is read to see that it
	// begins with a base. More is there only if somebody else wrote it.
	maxEnd = 64 << 20
)

// errCopy: the server did not copy a part.
var errCopy = errors.New("no copy of a part")

// putOn puts an object with a Base on the one in place: the server copies the
// base part by part, and only what follows is sent. What a server refuses of
// that is not asked of it again.
func (b *S3) putOn(ctx context.Context, name string, o Object, c Condition) (Info, error) {
	if o.Base.Length < minCopy {
		whole, err := b.join(ctx, name, o)
		if err != nil {
			return Info{}, err
		}
		return b.write(ctx, name, whole, c)
	}
	if b.copies.found.Load() || b.multipart.found.Load() {
		return Info{}, noBase(errCopy)
	}
	info, asked, err := b.grow(ctx, name, o, c)
	if asked && simpler(err) && !damaged(err) {
		o.Base.CRC64 = 0 // that checksum may be what it does not take
		info, _, err = b.grow(ctx, name, o, c)
	}
	status, _, _ := answer(err)
	switch {
	case damaged(err), status == http.StatusPreconditionFailed && (errors.Is(err, errCopy) || c.kind == always):
		return Info{}, noBase(err)
	case errors.Is(err, errCopy), simpler(err):
		b.copies.set(b.notify, fmt.Sprintf("%s: large objects are sent whole, for they are not built from parts in place: %v", b, err))
		return Info{}, noBase(err)
	}
	return info, err
}

// damaged reports whether a server found another checksum than it was given.
func damaged(err error) bool {
	_, code, _ := answer(err)
	return code == "BadDigest"
}

// noBase is ErrBase with what was in the way, as a text: it is no refusal of the
// put.
func noBase(why error) error { return fmt.Errorf("%v: %w", why, ErrBase) }

// grow puts o on its base. Asked says whether the server was to compare the
// checksum of the whole.
func (b *S3) grow(ctx context.Context, name string, o Object, c Condition) (info Info, asked bool, err error) {
	// Parts of half to all of a usual one: each copy is soon done.
	copied := max(1, o.Base.Length/max(minCopy, b.part/2))
	size := o.Base.Length / copied
	between, have, err := b.findBase(ctx, name, o.Base, copied*size)
	if err != nil {
		return Info{}, false, err
	}
	u := &upload{S3: b, name: name, object: o, source: &joined{begin: between, rest: o.Body, size: int64(len(between)) + o.rest()}}
	if err := u.divide(ctx, between, size); err != nil {
		return Info{}, false, err
	}
	if copied+int64(len(u.pieces)) > maxParts {
		return Info{}, false, noBase(errors.New("too many parts"))
	}
	if o.Base.CRC64 != 0 && !have.mistaken {
		if u.crc, err = o.wholeCRC64(ctx); err != nil {
			return Info{}, false, err
		}
	}
	if c.kind == always && b.conditions.state.Load() == conditionsKept {
		c = IfMatch(have.ETag) // the one that was looked at, or it is no base
	}
	info, err = u.put(ctx, c, func() error {
		if !u.proves {
			if err := b.compare(ctx, name, o.Base, have); err != nil {
				return err
			}
		}
		return u.copy(ctx, have.ETag, copied, size)
	})
	return info, u.crc != 0, err
}

// wholeCRC64 is the CRC-64/NVME of base and body.
func (o Object) wholeCRC64(ctx context.Context) (uint64, error) {
	crc := &runningCRC{o.Base.CRC64}
	err := o.Copy(ctx, crc)
	return crc.sum, err
}

// A runningCRC goes on with a CRC-64/NVME.
type runningCRC struct{ sum uint64 }

func (r *runningCRC) Write(p []byte) (int, error) {
	r.sum = crc64.Update(r.sum, nvme, p)
	return len(p), nil
}

// findBase returns what is known of the object in place, if that begins with a
// base, else ErrBase; and the last bytes of the base, from some place on. It
// reads only from there on.
func (b *S3) findBase(ctx context.Context, name string, base Base, from int64) (between []byte, have found, err error) {
	out, err := b.getRange(ctx, name, fmt.Sprintf("bytes=%d-", max(0, min(from, base.Length-1))))
	if err != nil {
		return nil, found{}, err
	}
	defer func() { _ = out.Body.Close() }() // its error would be one of reading
	have = foundBy(answerTo(*out))
	have.mistaken = mistaken(out)
	first, size, ranged := rangeOf(out)
	switch {
	case !ranged || first != min(from, base.Length-1):
		return nil, found{}, noBase(errors.New("the server gave another range than asked for"))
	case size-base.Length > maxEnd || size < base.Length:
		return nil, found{}, noBase(fmt.Errorf("the object there has %d bytes", size))
	}
	between = make([]byte, base.Length-first)
	ends := false
	if _, err = io.ReadFull(contextReader{ctx, out.Body}, between); err == nil {
		end := io.LimitReader(out.Body, size-base.Length)
		ends, err = base.ends(ctx, end, have.sum)
	}
	if done := ctx.Err(); done != nil {
		return nil, found{}, done
	}
	// What an honest writer noted of it tells another object apart at once. Of
	// the others a proof is asked later.
	if err != nil || have.told && !ends {
		return nil, found{}, noBase(errors.Join(errors.New("another object is there"), err))
	}
	have.Size = size
	return between[from-first:], have, nil
}

// mistaken tells a server that takes the checksum of a whole object for that of a
// part copied from it, and so finds no upload right that it is to compare.
func mistaken(out *s3.GetObjectOutput) bool {
	answer, ok := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response)
	return ok && answer.Header.Get("Server") == "VERSITYGW"
}

// compare reads a sample of the base back. One that differs is ErrBase.
func (b *S3) compare(ctx context.Context, name string, base Base, have found) error {
	switch {
	case base.Sample == nil && have.told:
		return nil
	case base.Sample == nil:
		return noBase(errors.New("nothing tells what the object there is"))
	}
	at, want, err := base.Sample(ctx)
	if err != nil {
		return noBase(fmt.Errorf("nothing to compare it with: %w", err))
	}
	there, err := b.read(ctx, name, at, int64(len(want)))
	if err != nil {
		return err
	}
	if !bytes.Equal(there, want) {
		return noBase(fmt.Errorf("of the object there, bytes %d to %d are others", at, at+int64(len(want))-1))
	}
	return nil
}

// read reads some bytes of the object in place.
func (b *S3) read(ctx context.Context, name string, at, size int64) ([]byte, error) {
	out, err := b.getRange(ctx, name, fmt.Sprintf("bytes=%d-%d", at, at+size-1))
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Body.Close() }() // what was read is checked
	have := make([]byte, size)
	_, err = io.ReadFull(contextReader{ctx, out.Body}, have)
	if done := ctx.Err(); done != nil {
		return nil, done
	}
	if err != nil {
		return nil, noBase(fmt.Errorf("read %d bytes of the object there: %w", size, err))
	}
	return have, nil
}

// getRange gets a part of the object in place; without one it is ErrBase.
func (b *S3) getRange(ctx context.Context, name, what string) (*s3.GetObjectOutput, error) {
	out, err := b.get(ctx, name, what)
	if done := ctx.Err(); done != nil {
		return nil, done
	}
	if err != nil {
		return nil, noBase(err)
	}
	return out, nil
}

// rangeOf reads a Content-Range: where an answer begins, and the size of the
// object.
func rangeOf(out *s3.GetObjectOutput) (from, size int64, ok bool) {
	text, isBytes := strings.CutPrefix(aws.ToString(out.ContentRange), "bytes ")
	part, total, _ := strings.Cut(text, "/")
	first, _, _ := strings.Cut(part, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	size, err2 := strconv.ParseInt(total, 10, 64)
	return from, size, isBytes && err == nil && err2 == nil
}

// join reads a base that is too short to be copied, and returns the object with
// it in front.
func (b *S3) join(ctx context.Context, name string, o Object) (Object, error) {
	if err := o.Copy(ctx, io.Discard); err != nil {
		return o, err
	}
	begin, err := b.read(ctx, name, 0, o.Base.Length)
	if err != nil {
		return o, err
	}
	begins, err := o.Base.Begins(ctx, bytes.NewReader(begin))
	if err != nil || !begins {
		return o, noBase(errors.Join(errors.New("another object is there"), err))
	}
	o.Body, o.Base = &joined{begin: begin, rest: o.Body, size: o.Size}, Base{}
	return o, nil
}

// copy lets the server copy the base as the first parts.
func (u *upload) copy(ctx context.Context, etag string, count, size int64) error {
	u.parts = make([]types.CompletedPart, count)
	source := copySource(u.address.Name + "/" + u.name)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copiesAtOnce)
	for i := range count {
		group.Go(func() (err error) {
			u.parts[i], err = u.copyPart(ctx, source, etag, int32(i+1), i*size, (i+1)*size-1)
			return err
		})
	}
	return group.Wait()
}

func (u *upload) copyPart(ctx context.Context, source, etag string, number int32, first, last int64) (types.CompletedPart, error) {
	in := &s3.UploadPartCopyInput{
		Bucket: &u.address.Name, Key: &u.name, UploadId: u.id, PartNumber: &number,
		CopySource: &source, CopySourceIfMatch: &etag,
		CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", first, last)),
	}
	if strings.HasPrefix(etag, noETag) {
		in.CopySourceIfMatch = nil
	}
	if u.sources.found.Load() {
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
		return types.CompletedPart{}, fmt.Errorf("%w: %w", errCopy, u.explain(ctx, actionGet, err))
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
