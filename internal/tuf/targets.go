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
// the right form and are then not looked into. The error wraps ErrSyntax,
// ErrShape, ErrType or ErrKeyType.
func ParseTargets(raw []byte) (_ Targets, err error) {
	defer wrap(&err, "read package.json")
	e, err := parseEnvelope(raw)
	if err != nil {
		return Targets{}, err
	}
	if err := checkType(e.signed, "Targets"); err != nil {
		return Targets{}, err
	}
	h, err := parseHeader(nil, e.signed)
	if err != nil {
		return Targets{}, err
	}
	listed, err := field[object](e.signed, "targets")
	if err != nil {
		return Targets{}, err
	}
	files, err := parseFiles(listed)
	return Targets{Version: h.version, Files: files}, err
}
