//go:build !linux

package bucket

import (
	"errors"
	"os"
)

// cloneFile is known on Linux only.
func cloneFile(_, _ *os.File) error { return errors.ErrUnsupported }
