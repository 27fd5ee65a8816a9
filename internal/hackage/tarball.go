package hackage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

const (
	deprecatedFile = "packages/deprecated.json"
	maxDeprecated  = 16 << 20
)

// Deprecated returns upstream's list of deprecated packages, a JSON array,
// verbatim. Nothing signs it. The error is fs.ErrNotExist if upstream has none,
// as most mirrors, and ErrTooLarge above 16 MiB.
func (u *Upstream) Deprecated(ctx context.Context) ([]byte, error) {
	raw, _, err := u.fetchBytes(ctx, request{key: deprecatedFile, limit: maxDeprecated})
	if err != nil {
		return nil, err
	}
	if !json.Valid(raw) || !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("[")) {
		return nil, fmt.Errorf("read %s: %w", u.src.name(deprecatedFile), errNotArray)
	}
	return raw, nil
}

var errNotArray = errors.New("it is not a JSON array; a cache or login page may have answered in upstream's place")
