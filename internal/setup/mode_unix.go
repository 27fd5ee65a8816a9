//go:build unix

package setup

import "io/fs"

// looseMode reports whether others than a file's owner can read it.
func looseMode(mode fs.FileMode) bool { return mode&0o077 != 0 }
