package gitpack

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	// ErrObject says that the bytes of an object are not in git's form, or
	// that the parts given cannot be put in it.
	ErrObject = errors.New("not a well-formed git object")
	// ErrPath is wrapped by every refusal of a path in a tree.
	ErrPath = errors.New("not a path for a git tree")
)

// MaxObject is the size in bytes of the largest object that is read into memory.
const MaxObject = 64 << 20

// EmptyTree is the id of the tree without entries. git knows it without having
// it.
const EmptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// An Object is the type (commit, tree, blob or tag) and the content of a git object.
type Object struct {
	Type    string
	Content []byte
}

// ID is the SHA-1 over "TYPE SIZE<nul>" and the content.
func (o Object) ID() (id ID) {
	h := sha1.New()
	var head [32]byte
	h.Write(append(strconv.AppendInt(append(append(head[:0], o.Type...), ' '), int64(len(o.Content)), 10), 0))
	h.Write(o.Content)
	h.Sum(id[:0])
	return id
}

// BlobID returns the id that git gives to a file of this content.
func BlobID(content []byte) ID { return Object{"blob", content}.ID() }

// An ID is the id of an object in binary form.
type ID [sha1.Size]byte

// String returns the id in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads an id in hexadecimal.
func ParseID(id string) (ID, error) {
	if err := CheckID(id); err != nil {
		return ID{}, err
	}
	raw, err := hex.DecodeString(id)
	return ID(raw), err
}

var (
	objectID = regexp.MustCompile(`^[0-9a-f]{40}$`)
	refName  = regexp.MustCompile(`^refs/[A-Za-z0-9_+@%=,-][A-Za-z0-9_+@%=,./-]*$`)
)

// CheckID refuses what is no id in hexadecimal.
func CheckID(id string) error {
	if !objectID.MatchString(id) {
		return fmt.Errorf("check object id %.80q: not 40 lower-case hexadecimal digits: %w", id, ErrObject)
	}
	return nil
}

// CheckRef takes full names of a plain alphabet, so that none can be read as an
// option, a pattern or a refspec.
func CheckRef(ref string) error {
	if !refName.MatchString(ref) || strings.Contains(ref, "..") || strings.Contains(ref, "//") ||
		strings.Contains(ref, "/.") || strings.HasSuffix(ref, "/") || strings.HasSuffix(ref, ".") || strings.HasSuffix(ref, ".lock") {
		return fmt.Errorf("check ref %q: not a full ref name of letters, digits and - _ . + / =", ref)
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
