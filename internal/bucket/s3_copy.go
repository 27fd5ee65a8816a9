package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// minCopy is S3's least size of a part that is not the last. A shorter base
	// is read and sent.
	minCopy = 5 << 20
	// maxCopy keeps a copy short enough to be waited for; S3 takes five times
	// as much. Some servers want all parts but the last to be of one size, so
	// one copy and one part behind it is what works everywhere.
	maxCopy = 1 << 30
	// maxEnd is how much of the end of an object in place is read to prove that
	// it begins with a base. More is there only if somebody else wrote it.
	maxEnd = 64 << 20
)

// errCopy: the server did not copy a part.
var errCopy = errors.New("no copy of a part")

// putOn puts an object with a Base on the one in place.
func (b *S3) putOn(ctx context.Context, name string, o Object, c Condition, checksum bool) (Info, int, error) {
	if o.Base.Length < minCopy {
		whole, err := b.join(ctx, name, o)
		if err != nil {
			return Info{}, 0, err
		}
		return b.sender(whole)(ctx, name, whole, c, checksum)
	}
	pieces, err := b.pieces(ctx, o)
	if err != nil {
		return Info{}, 0, err
	}
	have, err := b.findBase(ctx, name, o.Base)
	if err != nil {
		return Info{}, 0, err
	}
	if have.SHA256 == o.SHA256 && (c.kind == always || c.etag == have.ETag) {
		return have, 0, nil
	}
	// Not all servers make the SHA-256 of a part that they copy, and an upload
	// has it for all parts or for none; each part is checked by its signature.
	u := &upload{S3: b, name: name, object: o}
	info, err := u.put(ctx, c, &have, pieces)
	if errors.Is(err, errCopy) {
		if status, _, _ := answer(err); status != http.StatusPreconditionFailed {
			b.copies.set(b.notify, fmt.Sprintf("%s: large objects are sent whole, for the server makes %v", b, err))
		}
		return Info{}, 0, noBase(err)
	}
	return info, 2, err // whether the last request took effect is not known after an error
}

// noBase is ErrBase with what was in the way, as a text: it is no refusal of the
// put.
func noBase(why error) error { return fmt.Errorf("%v: %w", why, ErrBase) }

// findBase returns what is known of the object in place, if that begins with a
// base, else ErrBase. It reads only what follows the base.
func (b *S3) findBase(ctx context.Context, name string, base Base) (Info, error) {
	if b.copies.found.Load() {
		return Info{}, noBase(errCopy)
	}
	out, err := b.getRange(ctx, name, fmt.Sprintf("bytes=%d-", base.Length))
	if err != nil {
		return Info{}, err
	}
	defer func() { _ = out.Body.Close() }() // its error would be one of reading
	have, known := infoOf(nil, out.ETag, nil, "", out.Metadata)
	from, size, ranged := rangeOf(out)
	switch {
	case !known:
		return Info{}, noBase(errors.New("the object there has no recorded digest"))
	case !ranged || from != base.Length:
		return Info{}, noBase(errors.New("the server gave another range than asked for"))
	case size-from > maxEnd:
		return Info{}, noBase(fmt.Errorf("the object there has %d bytes more", size-from))
	}
	ends, err := base.ends(ctx, out.Body, have.SHA256)
	if done := ctx.Err(); done != nil {
		return Info{}, done
	}
	if err != nil || !ends {
		return Info{}, noBase(errors.Join(errors.New("another object is there"), err))
	}
	have.Size = size
	return have, nil
}

// getRange gets a part of the object in place; without one it is ErrBase.
func (b *S3) getRange(ctx context.Context, name, what string) (*s3.GetObjectOutput, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.address.Name, Key: &name, Range: &what})
	if done := ctx.Err(); done != nil {
		return nil, done
	}
	if err != nil {
		return nil, noBase(b.explain(ctx, actionGet, err))
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
	out, err := b.getRange(ctx, name, fmt.Sprintf("bytes=0-%d", o.Base.Length-1))
	if err != nil {
		return o, err
	}
	begin := make([]byte, o.Base.Length)
	_, err = io.ReadFull(contextReader{ctx, out.Body}, begin)
	_ = out.Body.Close() // what was read is checked
	if done := ctx.Err(); done != nil {
		return o, done
	}
	if err != nil {
		return o, noBase(fmt.Errorf("read its first %d bytes: %w", o.Base.Length, err))
	}
	begins, err := o.Base.Begins(ctx, bytes.NewReader(begin))
	if err != nil || !begins {
		return o, noBase(errors.Join(errors.New("another object is there"), err))
	}
	o.Body, o.Base = &joined{begin: begin, rest: o.Body, size: o.Size}, Base{}
	return o, nil
}

// joined reads two things as one.
type joined struct {
	begin []byte
	rest  io.ReadSeeker
	size  int64 // of both
	at    int64
}

// Read implements io.Reader.
func (j *joined) Read(p []byte) (int, error) {
	if j.at < int64(len(j.begin)) {
		n := copy(p, j.begin[j.at:])
		j.at += int64(n)
		return n, nil
	}
	n, err := j.rest.Read(p)
	j.at += int64(n)
	return n, err
}

// Seek implements io.Seeker.
func (j *joined) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += j.at
	case io.SeekEnd:
		offset += j.size
	}
	if offset < 0 {
		return j.at, fmt.Errorf("seek to %d of %d bytes", offset, j.size)
	}
	if _, err := j.rest.Seek(max(0, offset-int64(len(j.begin))), io.SeekStart); err != nil {
		return j.at, err
	}
	j.at = offset
	return offset, nil
}

// copy lets the server copy the base as the first parts, of one size.
func (u *upload) copy(ctx context.Context, from *Info) error {
	if from == nil {
		return nil
	}
	source := copySource(u.address.Name + "/" + u.name)
	length := u.object.Base.Length
	count := (length + maxCopy - 1) / maxCopy
	for i := range count {
		first, end := length*i/count, length*(i+1)/count
		number := int32(i + 1)
		out, err := u.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: &u.address.Name, Key: &u.name, UploadId: u.id, PartNumber: &number,
			CopySource: &source, CopySourceIfMatch: &from.ETag,
			CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", first, end-1)),
		})
		if err == nil && (out.CopyPartResult == nil || aws.ToString(out.CopyPartResult.ETag) == "") {
			err = errors.New("the server's answer names no part")
		}
		if done := ctx.Err(); done != nil {
			return done
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errCopy, u.explain(ctx, actionGet, err))
		}
		u.parts = append(u.parts, types.CompletedPart{
			PartNumber: &number, ETag: out.CopyPartResult.ETag, ChecksumSHA256: out.CopyPartResult.ChecksumSHA256,
		})
	}
	return nil
}

// copySource escapes a name for a header that is read as a path by some servers
// and as a form by others, where a plus is a space.
func copySource(name string) string {
	return strings.NewReplacer("%2F", "/", "+", "%2B").Replace(url.PathEscape(name))
}
