package hackage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// MaxTarball is the largest tarball that is fetched, in bytes, whatever the
// index signs.
const MaxTarball = 2 << 30

// A MismatchError is ErrMismatch of a tarball: upstream serves other bytes than
// those that its index signs.
type MismatchError struct {
	Release index.Release
	Signed  tuf.FileInfo
	// Served describes what upstream serves instead. It is zero if that could not
	// be read, or is far longer than what is signed.
	Served tuf.FileInfo
}

// Error names the release, and what differs.
func (e *MismatchError) Error() string {
	switch {
	case e.Served == tuf.FileInfo{}:
		return fmt.Sprintf("%s: upstream has other bytes than the %s that are signed", e.Release, plain.Count(e.Signed.Length))
	case e.Served.Length != e.Signed.Length:
		return fmt.Sprintf("%s: upstream has %s bytes where %s are signed", e.Release, plain.Count(e.Served.Length), plain.Count(e.Signed.Length))
	}
	return fmt.Sprintf("%s: upstream has bytes with SHA-256 %x where %x is signed", e.Release, e.Served.SHA256, e.Signed.SHA256)
}

// Unwrap returns ErrMismatch.
func (e *MismatchError) Unwrap() error { return state.ErrMismatch }

// Tarball fetches the tarball of a release and writes it to a sink, which is
// made anew for each attempt; the sink of the last attempt holds exactly the
// signed bytes if and only if the error is nil. Errors name the release. They are
// ErrMissing, ErrWithdrawn, a MismatchError, or what kept it from arriving.
//
// The path is that of hackage-security, package/NAME-VERSION.tar.gz, which every
// mirror has; hackage-server redirects it to its own.
func (u *Upstream) Tarball(ctx context.Context, r index.Release, want index.Target, sink func() io.Writer) error {
	if want.Length < 0 || want.Length > MaxTarball {
		return fmt.Errorf("%s: %d bytes are signed, %d are the limit: %w", r, want.Length, int64(MaxTarball), ErrTooLarge)
	}
	info := tuf.FileInfo{Length: want.Length, SHA256: want.SHA256}
	err := u.fetchSigned(ctx, r.TarballKey(), info, &digester{}, sink)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, state.ErrMismatch):
		return &MismatchError{Release: r, Signed: info, Served: u.served(ctx, r.TarballKey(), info)}
	}
	return fmt.Errorf("%s: %w", r, err)
}

// mismatchRoom is how many bytes more than the signed ones are read to tell what
// upstream serves instead of them.
const mismatchRoom = 4 << 20

// served describes what upstream serves in the place of a signed file, as far as
// that can be found out.
func (u *Upstream) served(ctx context.Context, key string, signed tuf.FileInfo) (info tuf.FileInfo) {
	d := &digester{}
	r := request{key: key, limit: signed.Length + mismatchRoom, fresh: true}
	if _, err := u.fetch(ctx, r, d.before(func() io.Writer { return io.Discard })); err != nil {
		return tuf.FileInfo{}
	}
	info = tuf.FileInfo{Length: d.pos, SHA256: [32]byte(d.Sum(nil))}
	if info == signed {
		return tuf.FileInfo{} // mended by now: the next run downloads it
	}
	return info
}
