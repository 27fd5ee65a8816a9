package folder

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/windows"
)

// foldersSync: Windows has no flush of a folder; NTFS journals its entries in
// order.
const foldersSync = false

// systemDiskFull knows the errors that Windows has instead of ENOSPC.
func systemDiskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// systemRefused knows the errors of Windows for names that it does not accept.
func systemRefused(err error) bool {
	return errors.Is(err, windows.ERROR_FILENAME_EXCED_RANGE) || errors.Is(err, windows.ERROR_INVALID_NAME)
}

// fileNumber is not told by a look at a file; size and time must do.
func fileNumber(fs.FileInfo) uint64 { return 0 }
