//go:build unix

package bucket

import (
	"io/fs"
	"syscall"
)

// links returns how many names a file has; 0 if that is not known.
func links(info fs.FileInfo) uint64 {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return uint64(stat.Nlink)
}
