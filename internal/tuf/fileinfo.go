package tuf

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// A FileInfo binds a file to the signed one that names it.
type FileInfo struct {
	// Length is in bytes, never negative.
	Length int64
	// SHA256 is the digest of the file as it is served, not of a canonical form.
	SHA256 [sha256.Size]byte
}

// Check refuses a file of another length or digest. The error wraps ErrLength or
// ErrDigest.
func (f FileInfo) Check(raw []byte) error {
	if have := int64(len(raw)); have != f.Length {
		return fmt.Errorf("%d bytes instead of %d: %w", have, f.Length, ErrLength)
	}
	if have := sha256.Sum256(raw); have != f.SHA256 {
		return fmt.Errorf("SHA-256 %x instead of %x: %w", have, f.SHA256, ErrDigest)
	}
	return nil
}

// The places a file map can speak of.
const (
	inRepository = "<repo>/"
	inIndex      = "<index>/"
)

// A fileMap is what a signed file says of others, by their names.
type fileMap map[string]FileInfo

// get returns what is said of a file at the top of the repository.
func (f fileMap) get(name string) (FileInfo, error) {
	info, ok := f[inRepository+name]
	if !ok {
		return FileInfo{}, fmt.Errorf("no length and SHA-256 of %s%s: %w", inRepository, name, ErrShape)
	}
	return info, nil
}

// parseFiles reads a map of files. Without a SHA-256, or with a length below
// zero, no file could ever fit; such an entry is left out. MD5 and hashes not
// known are skipped.
func parseFiles(o object) (fileMap, error) {
	files := make(fileMap, len(o))
	for _, m := range o {
		if !strings.HasPrefix(m.name, inRepository) && !strings.HasPrefix(m.name, inIndex) {
			return nil, fmt.Errorf("file %.80q is not below %s or %s: %w", m.name, inRepository, inIndex, ErrShape)
		}
		info, ok, err := parseFileInfo(m.value)
		if err != nil {
			return nil, fmt.Errorf("file %.80q: %w", m.name, err)
		}
		if ok {
			files[m.name] = info
		}
	}
	return files, nil
}

func parseFileInfo(v Value) (FileInfo, bool, error) {
	o, err := as[object](v)
	if err != nil {
		return FileInfo{}, false, err
	}
	length, err := field[int64](o, "length")
	if err != nil {
		return FileInfo{}, false, err
	}
	hashes, err := field[object](o, "hashes")
	if err != nil {
		return FileInfo{}, false, err
	}
	info, ok := FileInfo{Length: length}, false
	for _, m := range hashes {
		text, err := as[string](m.value)
		if err != nil {
			return FileInfo{}, false, fmt.Errorf("hash %.40q: %w", m.name, err)
		}
		if m.name == "sha256" {
			info.SHA256, ok = parseDigest(text)
		}
	}
	return info, ok && length >= 0, nil
}

// parseDigest reads 64 lower-case hexadecimal digits: others are compared as
// text by hackage-security, and so never fit.
func parseDigest(text string) (sum [sha256.Size]byte, ok bool) {
	if len(text) != 2*len(sum) || strings.ToLower(text) != text {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(text))
	return sum, err == nil
}
