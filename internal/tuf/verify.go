package tuf

import (
	"fmt"
	"net/url"
	"slices"
	"time"
)

// MaxTimestamp is the largest timestamp.json to download, in bytes: nothing says
// how long it is.
const MaxTimestamp = 4 << 10

// A Timestamp is a verified timestamp.json.
type Timestamp struct {
	header
	snapshot FileInfo
}

// Snapshot returns what snapshot.json must be.
func (t *Timestamp) Snapshot() FileInfo { return t.snapshot }

// VerifyTimestamp verifies a timestamp.json that must not be of a version below
// minVersion, nor be expired at the time now. ErrUnknownKey and ErrThreshold can mean
// that there is a newer root.json.
func (r *Root) VerifyTimestamp(raw []byte, minVersion int64, now time.Time) (*Timestamp, error) {
	var from reader
	signed, h := r.verifyRole(&from, roleTimestamp, "Timestamp", raw, minVersion, now)
	t := &Timestamp{header: h, snapshot: from.file(from.meta(signed), "snapshot.json")}
	return verified(t, from, "timestamp.json")
}

// verified returns a file that was read, unless that failed.
func verified[T any](file *T, from reader, name string) (*T, error) {
	if from.err != nil {
		return nil, fmt.Errorf("verify %s: %w", name, from.err)
	}
	return file, nil
}

// A Snapshot is a verified snapshot.json.
type Snapshot struct {
	header
	files                     fileMap
	root, mirrors, indexTarGz FileInfo
}

// Root returns what root.json must be.
func (s *Snapshot) Root() FileInfo { return s.root }

// Mirrors returns what mirrors.json must be.
func (s *Snapshot) Mirrors() FileInfo { return s.mirrors }

// IndexTarGz returns what 01-index.tar.gz must be.
func (s *Snapshot) IndexTarGz() FileInfo { return s.indexTarGz }

// IndexTar returns what 01-index.tar must be, and false if the snapshot does not
// say: a repository need not list it.
func (s *Snapshot) IndexTar() (FileInfo, bool) {
	info, ok := s.files[inRepository+"01-index.tar"]
	return info, ok
}

// VerifySnapshot verifies a snapshot.json that must be the one the timestamp
// names, not of a version below minVersion, nor expired at the time now.
func (r *Root) VerifySnapshot(raw []byte, want FileInfo, minVersion int64, now time.Time) (*Snapshot, error) {
	from := reader{want.Check(raw)}
	signed, h := r.verifyRole(&from, roleSnapshot, "Snapshot", raw, minVersion, now)
	files := from.meta(signed)
	s := &Snapshot{
		header: h, files: files, root: from.file(files, "root.json"),
		mirrors: from.file(files, "mirrors.json"), indexTarGz: from.file(files, "01-index.tar.gz"),
	}
	return verified(s, from, "snapshot.json")
}

// meta returns what a timestamp or a snapshot says of other files.
func (r *reader) meta(signed object) fileMap { return r.files(field[object](r, signed, "meta")) }

// A Mirrors is a verified mirrors.json.
type Mirrors struct {
	header
	urls []string
}

// URLs returns the base addresses of the mirrors, in the order of the file.
func (m *Mirrors) URLs() []string { return slices.Clone(m.urls) }

// VerifyMirrors verifies a mirrors.json that must be the one the snapshot names,
// not of a version below minVersion, nor expired at the time now.
func (r *Root) VerifyMirrors(raw []byte, want FileInfo, minVersion int64, now time.Time) (*Mirrors, error) {
	from := reader{want.Check(raw)}
	signed, h := r.verifyRole(&from, roleMirrors, "Mirrorlist", raw, minVersion, now)
	m := &Mirrors{header: h}
	for i, item := range field[[]Value](&from, signed, "mirrors") {
		from.wrapping(func() { m.urls = append(m.urls, from.mirror(item)) }, "mirror %d", i+1)
	}
	return verified(m, from, "mirrors.json")
}

func (r *reader) mirror(v Value) string {
	address := field[string](r, asType[object](r, v), "urlbase")
	if u, err := url.Parse(address); err != nil || u.Scheme == "" {
		r.refuse("address %.80q is not a URL: "+shape, address)
	}
	return address
}
