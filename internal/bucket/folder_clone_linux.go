package bucket

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// cloneFile makes a file share the blocks of another, where the file system can.
func cloneFile(to, from *os.File) error {
	target, err := to.SyscallConn()
	if err != nil {
		return err
	}
	source, err := from.SyscallConn()
	if err != nil {
		return err
	}
	var cloned error
	reached := target.Control(func(t uintptr) {
		inner := source.Control(func(s uintptr) {
			cloned = unix.IoctlFileClone(int(t), int(s))
		})
		cloned = errors.Join(cloned, inner)
	})
	return errors.Join(cloned, reached)
}
