package setup

import "io/fs"

// looseMode cannot be told from a mode on Windows, which has no such bits.
func looseMode(fs.FileMode) bool { return false }
