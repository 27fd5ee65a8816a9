package hackage

import (
	"context"
	"fmt"
	"io"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// MaxTarball is the largest tarball that is fetched, in bytes, whatever the
// index signs.
const MaxTarball = 2 << 30

// Tarball fetches the tarball of a release and writes it to a sink, which is
// made anew for each attempt; the sink of the last attempt holds exactly the
// signed bytes if and only if the error is nil. Errors are ErrMissing,
// ErrWithdrawn, ErrMismatch, or what kept it from arriving.
//
// The path is that of hackage-security, package/NAME-VERSION.tar.gz, which every
// mirror has; hackage-server redirects it to its own.
func (u *Upstream) Tarball(ctx context.Context, r index.Release, want index.Target, sink func() io.Writer) error {
	if want.Length < 0 || want.Length > MaxTarball {
		return fmt.Errorf("fetch tarball of %s: %d bytes are signed, %d are the limit: %w", r, want.Length, int64(MaxTarball), ErrTooLarge)
	}
	info := tuf.FileInfo{Length: want.Length, SHA256: want.SHA256}
	if err := u.fetchSigned(ctx, r.TarballKey(), info, sink); err != nil {
		return fmt.Errorf("tarball of %s: %w", r, err)
	}
	return nil
}
