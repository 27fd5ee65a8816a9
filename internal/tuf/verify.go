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

// wrap says of an error what failed.
func wrap(err *error, what string) {
	if *err != nil {
		*err = fmt.Errorf("%s: %w", what, *err)
	}
}

// A Timestamp is a verified timestamp.json.
type Timestamp struct {
	header
	snapshot FileInfo
}

// Snapshot returns what snapshot.json must be.
func (t *Timestamp) Snapshot() FileInfo { return t.snapshot }

// VerifyTimestamp verifies a timestamp.json that must not be of a version below
// minVersion, nor be expired at the time now. The error wraps one of this
// package's sentinels; ErrUnknownKey and ErrThreshold can mean that there is a
// newer root.json.
func (r *Root) VerifyTimestamp(raw []byte, minVersion int64, now time.Time) (_ *Timestamp, err error) {
	defer wrap(&err, "verify timestamp.json")
	signed, h, err := r.open(roleTimestamp, "Timestamp", raw, minVersion, now)
	if err != nil {
		return nil, err
	}
	files, err := meta(signed)
	if err != nil {
		return nil, err
	}
	snapshot, err := files.get("snapshot.json")
	if err != nil {
		return nil, err
	}
	return &Timestamp{header: h, snapshot: snapshot}, nil
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
	info, err := s.files.get("01-index.tar")
	return info, err == nil
}

// VerifySnapshot verifies a snapshot.json that must be the one the timestamp
// names, not of a version below minVersion, nor expired at the time now. The
// error wraps one of this package's sentinels.
func (r *Root) VerifySnapshot(raw []byte, want FileInfo, minVersion int64, now time.Time) (_ *Snapshot, err error) {
	defer wrap(&err, "verify snapshot.json")
	if err := want.Check(raw); err != nil {
		return nil, err
	}
	signed, h, err := r.open(roleSnapshot, "Snapshot", raw, minVersion, now)
	if err != nil {
		return nil, err
	}
	files, err := meta(signed)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{header: h, files: files}
	if s.root, err = files.get("root.json"); err != nil {
		return nil, err
	}
	if s.mirrors, err = files.get("mirrors.json"); err != nil {
		return nil, err
	}
	if s.indexTarGz, err = files.get("01-index.tar.gz"); err != nil {
		return nil, err
	}
	return s, nil
}

// meta returns what a timestamp or a snapshot says of other files.
func meta(signed object) (fileMap, error) {
	o, err := field[object](signed, "meta")
	if err != nil {
		return nil, err
	}
	return parseFiles(o)
}

// A Mirrors is a verified mirrors.json.
type Mirrors struct {
	header
	urls []string
}

// URLs returns the base addresses of the mirrors, in the order of the file.
func (m *Mirrors) URLs() []string { return slices.Clone(m.urls) }

// VerifyMirrors verifies a mirrors.json that must be the one the snapshot names,
// not of a version below minVersion, nor expired at the time now. The error
// wraps one of this package's sentinels.
func (r *Root) VerifyMirrors(raw []byte, want FileInfo, minVersion int64, now time.Time) (_ *Mirrors, err error) {
	defer wrap(&err, "verify mirrors.json")
	if err := want.Check(raw); err != nil {
		return nil, err
	}
	signed, h, err := r.open(roleMirrors, "Mirrorlist", raw, minVersion, now)
	if err != nil {
		return nil, err
	}
	list, err := field[[]Value](signed, "mirrors")
	if err != nil {
		return nil, err
	}
	m := &Mirrors{header: h}
	for i, item := range list {
		address, err := parseMirror(item)
		if err != nil {
			return nil, fmt.Errorf("mirror %d: %w", i+1, err)
		}
		m.urls = append(m.urls, address)
	}
	return m, nil
}

func parseMirror(v Value) (string, error) {
	o, err := as[object](v)
	if err != nil {
		return "", err
	}
	address, err := field[string](o, "urlbase")
	if err != nil {
		return "", err
	}
	if u, err := url.Parse(address); err != nil || u.Scheme == "" {
		return "", fmt.Errorf("address %.80q is not a URL: %w", address, ErrShape)
	}
	return address, nil
}
