//go:build !windows

package folder

import (
	"io/fs"
	"syscall"
)

// foldersSync: a folder can be opened and flushed like a file.
const foldersSync = true

// systemDiskFull has nothing to add to POSIX's own errors.
func systemDiskFull(error) bool { return false }

// systemRefused has nothing to add either.
func systemRefused(error) bool { return false }

// fileNumber returns the number that a file has on its file system.
func fileNumber(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Ino)
	}
	return 0
}
