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

// file returns what is said of a file at the top of the repository.
func (r *reader) file(files fileMap, name string) FileInfo {
	info, ok := files[inRepository+name]
	if !ok {
		r.refuse("no length and SHA-256 of %s%s: "+shape, inRepository, name)
	}
	return info
}

// files reads a map of files. Without a SHA-256, or with a length below zero, no file
// could ever match; such an entry is left out. MD5 and hashes not known are skipped.
func (r *reader) files(o object) fileMap {
	files := make(fileMap, len(o))
	for _, m := range o {
		if !strings.HasPrefix(m.name, inRepository) && !strings.HasPrefix(m.name, inIndex) {
			r.refuse("file %.80q is not below %s or %s: "+shape, m.name, inRepository, inIndex)
		}
		r.wrapping(func() {
			if info, ok := r.fileInfo(m.value); ok {
				files[m.name] = info
			}
		}, "file %.80q", m.name)
	}
	return files
}

func (r *reader) fileInfo(v Value) (info FileInfo, ok bool) {
	o := asType[object](r, v)
	info.Length = field[int64](r, o, "length")
	for _, m := range field[object](r, o, "hashes") {
		r.wrapping(func() {
			if text := asType[string](r, m.value); m.name == "sha256" {
				info.SHA256, ok = parseDigest(text)
			}
		}, "hash %.40q", m.name)
	}
	return info, ok && info.Length >= 0
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
