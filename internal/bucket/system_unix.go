//go:build !windows

package bucket

// foldersSync: a folder can be opened and flushed like a file.
const foldersSync = true

// systemDiskFull has nothing to add to POSIX's own errors.
func systemDiskFull(error) bool { return false }
