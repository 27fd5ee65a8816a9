package bucket

import "os"

// GrowFrom changes how long a base must be for its object to be grown in place,
// and whether copies share their blocks, whatever the file system does.
func (f *Folder) GrowFrom(length int64, clone error) {
	f.growFrom = length
	f.disk.clone = func(_, _ *os.File) error { return clone }
}
