package gitpack

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Modes of what is in a tree, as six octal digits.
const (
	ModeFile       = "100644" // a plain file
	ModeExecutable = "100755"
	ModeLink       = "120000" // a symbolic link: the blob is where it leads
	ModeCommit     = "160000" // a submodule: the id is that of a commit elsewhere
	ModeFolder     = "040000"
)

// modeText is a mode as git writes it in a tree: without zeros before it.
func modeText(mode string) string { return strings.TrimLeft(mode, "0") }

// An Entry is one of a tree.
type Entry struct {
	raw        []byte // "MODE NAME<nul>ID", a part of the tree
	space, nul int
}

// Name returns the name, which may be any but for a nul.
func (e Entry) Name() string { return string(e.name()) }

// ID returns the id of the file or folder.
func (e Entry) ID() ID { return ID(e.raw[e.nul+1:]) }

func (e Entry) mode() []byte { return e.raw[:e.space] }
func (e Entry) name() []byte { return e.raw[e.space+1 : e.nul] }

// IsFolder reports whether the entry is a folder.
func (e Entry) IsFolder() bool { return e.Mode() == ModeFolder }

// Mode is the entry's mode as git reads it: old writers put zeros before it or
// had other permissions, and what is nothing else is a commit.
func (e Entry) Mode() string {
	switch string(e.mode()) {
	case "40000":
		return ModeFolder
	case ModeFile:
		return ModeFile
	}
	bits, _ := strconv.ParseUint(string(e.mode()), 8, 32) // no number is no mode
	switch bits & 0o170000 {
	case 0o100000:
		if bits&0o100 != 0 {
			return ModeExecutable
		}
		return ModeFile
	case 0o120000:
		return ModeLink
	case 0o040000:
		return ModeFolder
	}
	return ModeCommit
}

// key is what git sorts an entry by.
func (e Entry) key() []byte {
	if e.IsFolder() {
		return append(e.name()[:e.nul-e.space-1:e.nul-e.space-1], '/')
	}
	return e.name()
}

// compare compares an entry with a key of git's order.
func (e Entry) compare(key []byte) int {
	name := e.name()
	if !e.IsFolder() || !bytes.HasPrefix(key, name) {
		return bytes.Compare(name, key)
	}
	return bytes.Compare([]byte("/"), key[len(name):])
}

// firstEntry reads the entry that a tree, or the rest of one, begins with.
func firstEntry(raw []byte) (Entry, error) {
	space, nul := bytes.IndexByte(raw, ' '), bytes.IndexByte(raw, 0)
	end := nul + 1 + len(ID{})
	if space < 0 || nul < space || end > len(raw) {
		return Entry{}, fmt.Errorf("read tree: %d bytes before its end: %w", len(raw), ErrObject)
	}
	return Entry{raw[:end], space, nul}, nil
}

// Entries reads a tree. An error is the last that it yields.
func Entries(raw []byte) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for len(raw) > 0 {
			e, err := firstEntry(raw)
			if !yield(e, err) || err != nil {
				return
			}
			raw = raw[len(e.raw):]
		}
	}
}

// lookUp returns the entry of a name, whatever its mode, and whether there is one.
func lookUp(raw []byte, name string) (Entry, bool, error) {
	if !bytes.Contains(raw, []byte(" "+name+"\x00")) {
		return Entry{}, false, nil // a large folder is soon looked through for that
	}
	for e, err := range Entries(raw) {
		if err != nil || string(e.name()) == name {
			return e, err == nil, err
		}
	}
	return Entry{}, false, nil
}

// normalize returns a tree as git writes it: modes without zeros before them, in
// git's order, each name once (the first counts), and no name to which no path
// leads. It is raw itself if that is so.
func normalize(raw []byte) ([]byte, error) {
	var entries []Entry
	seen, normal := map[string]bool{}, true
	for e, err := range Entries(raw) {
		if err != nil {
			return nil, err
		}
		name := e.Name()
		if seen[name] || name == "" || strings.Contains(name, "/") {
			normal = false
			continue
		}
		seen[name] = true
		normal = normal && string(e.mode()) == modeText(e.Mode()) &&
			(len(entries) == 0 || bytes.Compare(entries[len(entries)-1].key(), e.key()) < 0)
		entries = append(entries, e)
	}
	if normal {
		return raw, nil
	}
	slices.SortFunc(entries, func(a, b Entry) int { return bytes.Compare(a.key(), b.key()) })
	out := make([]byte, 0, len(raw))
	for _, e := range entries {
		out = append(append(out, modeText(e.Mode())...), e.raw[e.space:]...)
	}
	return out, nil
}

// A File is what a tree has at a path.
type File struct {
	// Path has slashes between its parts, on every system.
	Path string
	// Mode is one of ModeFile, ModeExecutable, ModeLink, ModeCommit and, where
	// folders are asked for, ModeFolder; "" if nothing is there.
	Mode string
	// ID is that of the blob, of the folder, or of a submodule's commit,
	// which the remote need not have.
	ID string
}

// Limits of a path, in bytes. git has none for the whole; file systems do.
const (
	maxPath = 4096
	maxPart = 255
)

// CheckPath refuses what git's own check refuses in a tree on any system, what
// would break out of a folder, and control characters.
func CheckPath(path string) error {
	if path == "" || len(path) > maxPath {
		return fmt.Errorf("check path %.80q: empty or too long: %w", path, ErrPath)
	}
	if i := strings.IndexFunc(path, func(r rune) bool { return isControl(r) || r == '\\' }); i >= 0 {
		return fmt.Errorf("check path %.80q: control character or backslash: %w", path, ErrPath)
	}
	for part := range strings.SplitSeq(path, "/") {
		if err := checkPart(part); err != nil {
			return fmt.Errorf("check path %.80q: %w", path, err)
		}
	}
	return nil
}

// checkPart refuses one name. Dots and spaces at the end and what follows a
// colon do not count on Windows, and git~1 is its short form of .git.
func checkPart(part string) error {
	if part == "" || len(part) > maxPart {
		return fmt.Errorf("empty or too long part: %w", ErrPath)
	}
	if part == "." || part == ".." {
		return fmt.Errorf("part %q: %w", part, ErrPath)
	}
	plain, _, _ := strings.Cut(strings.ToLower(part), ":")
	plain = strings.TrimRight(plain, ". ")
	if plain == ".git" || plain == "git~1" {
		return fmt.Errorf("part %q is git's own: %w", part, ErrPath)
	}
	return nil
}
