package bucket

import (
	"errors"

	"golang.org/x/sys/windows"
)

// foldersSync: Windows has no flush of a folder; NTFS journals its entries in
// order.
const foldersSync = false

// systemDiskFull knows the errors that Windows has instead of ENOSPC.
func systemDiskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
