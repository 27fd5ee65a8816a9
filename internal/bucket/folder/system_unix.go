//go:build !windows

package folder

import (
	"io/fs"
	"syscall"
)

// foldersSync: a folder can be opened and flushed like a file.
const foldersSync = true

// POSIX's own errors are all that there are.
var systemDiskFull, systemRefused []error

// fileNumber returns the number that a file has on its file system.
func fileNumber(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Ino)
	}
	return 0
}
