package tuf

// Targets is what a package.json of the index says of a release's tarball. It
// has no signature of its own: the index that holds it is vouched for by the
// snapshot.
type Targets struct {
	// Version counts the tarballs there were for the release. Hackage starts
	// at 0, its reference tool at 1; a higher one in a later package.json of
	// the same release means that the tarball was replaced.
	Version int64
	// Files has one entry as a rule, "<repo>/package/NAME-VERSION.tar.gz",
	// its name as it stands in the file.
	Files map[string]FileInfo
}

// ParseTargets reads a package.json. Fields it does not know are skipped. A
// date of expiry and signatures, which no package.json of Hackage has, must have
// the right form and are then not looked into.
func ParseTargets(raw []byte) (Targets, error) {
	var r reader
	e := r.envelope(raw)
	r.checkType(e.signed, "Targets")
	h := r.header(nil, e.signed)
	t := Targets{Version: h.version, Files: r.files(field[object](&r, e.signed, "targets"))}
	wrap(&r.err, "read package.json")
	return t, r.err
}
