package bucket

// GrowFrom changes how long a base must be for its object to be grown in place.
func (f *Folder) GrowFrom(length int64) { f.growFrom = length }

// Clones reports whether copies of an object share its blocks, so that none is
// grown in place.
func (f *Folder) Clones(name string) bool {
	root, err := f.open()
	return err == nil && f.clones(root, name)
}
