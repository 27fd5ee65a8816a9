//go:build unix

package temp

import (
	"io/fs"
	"os"
	"syscall"
)

// modes reports whether files have modes.
const modes = true

// ours reports whether a file belongs to this user.
func ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
