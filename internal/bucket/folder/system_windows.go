package folder

import (
	"io/fs"

	"golang.org/x/sys/windows"
)

// foldersSync: Windows has no flush of a folder; NTFS journals its entries in
// order.
const foldersSync = false

// What Windows says instead of ENOSPC, and of names that it does not accept.
var (
	systemDiskFull = []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL}
	systemRefused  = []error{windows.ERROR_FILENAME_EXCED_RANGE, windows.ERROR_INVALID_NAME}
)

// fileNumber is not told by a look at a file; size and time must do.
func fileNumber(fs.FileInfo) uint64 { return 0 }
