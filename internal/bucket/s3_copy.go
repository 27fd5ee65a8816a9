package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// minCopy is S3's least size of a part that is not the last.
	minCopy = 5 << 20
	// maxCopy keeps a copy short enough to be waited for; S3 takes five times
	// as much.
	maxCopy = 1 << 30
	// baseTail is how much of the end of an object in place may differ from
	// what replaces it: a tar ends with zero blocks, in whose place others come.
	baseTail = 64 << 10
)

// errCopy: the server did not copy a part.
var errCopy = errors.New("no copy of a part")

// A base is an object in place that begins as the one which replaces it.
type base struct {
	etag string
	keep int64 // that many bytes are the same
}

// findBase returns the object in place if it can be built upon, else nil. For
// that it reads the object's end and compares digests: that of the object is
// that of the body's beginning followed by this end.
//
// Another put of what is in place is not built on it, so it repairs it.
func (b *S3) findBase(ctx context.Context, name string, o Object) (*base, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.address.Name, Key: &name, Range: aws.String("bytes=-" + strconv.Itoa(baseTail)),
	})
	if err != nil {
		return nil, ctx.Err() // nothing there, or not for us: the put will tell
	}
	tail, err := io.ReadAll(io.LimitReader(contextReader{ctx, out.Body}, baseTail+1))
	if err = errors.Join(err, out.Body.Close()); err != nil {
		return nil, ctx.Err()
	}
	have, known := infoOf(nil, out.ETag, nil, "", out.Metadata)
	_, total, _ := strings.Cut(aws.ToString(out.ContentRange), "/")
	size, err := strconv.ParseInt(total, 10, 64)
	keep := size - int64(len(tail))
	if !known || err != nil || keep < minCopy || keep > o.Size || have.SHA256 == o.SHA256 {
		return nil, nil
	}
	same, err := o.beginsAs(ctx, keep, tail, have.SHA256)
	if err != nil || !same {
		return nil, err
	}
	return &base{have.ETag, keep}, nil
}

// beginsAs tells whether the first n bytes of the body and then tail have the
// digest sum.
func (o Object) beginsAs(ctx context.Context, n int64, tail []byte, sum [sha256.Size]byte) (bool, error) {
	if _, err := o.Body.Seek(0, io.SeekStart); err != nil {
		return false, fmt.Errorf("rewind body: %w", err)
	}
	digest := sha256.New()
	if _, err := io.CopyN(digest, contextReader{ctx, o.Body}, n); err != nil && err != io.EOF {
		return false, fmt.Errorf("read body: %w", err)
	}
	digest.Write(tail)
	return hex.EncodeToString(digest.Sum(nil)) == hex.EncodeToString(sum[:]), nil
}

// copy lets the server copy the base as the first parts, and returns how many
// they are.
func (u *upload) copy(ctx context.Context, from *base) (int, error) {
	source := copySource(u.address.Name + "/" + u.name)
	count := (from.keep + maxCopy - 1) / maxCopy
	for i := range count {
		first, end := from.keep*i/count, from.keep*(i+1)/count
		number := int32(i + 1)
		out, err := u.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: &u.address.Name, Key: &u.name, UploadId: u.id, PartNumber: &number,
			CopySource: &source, CopySourceIfMatch: &from.etag,
			CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", first, end-1)),
		})
		if err == nil && (out.CopyPartResult == nil || aws.ToString(out.CopyPartResult.ETag) == "") {
			err = errors.New("the server's answer names no part")
		}
		if done := ctx.Err(); done != nil {
			return 0, done
		}
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errCopy, u.explain(ctx, actionGet, err))
		}
		u.parts = append(u.parts, types.CompletedPart{
			PartNumber: &number, ETag: out.CopyPartResult.ETag, ChecksumSHA256: out.CopyPartResult.ChecksumSHA256,
		})
	}
	return int(count), nil
}

// copySource escapes a name for a header that is read as a path by some servers
// and as a form by others, where a plus is a space.
func copySource(name string) string {
	return strings.NewReplacer("%2F", "/", "+", "%2B").Replace(url.PathEscape(name))
}
