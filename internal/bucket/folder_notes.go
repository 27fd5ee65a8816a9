package bucket

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"sync"
)

const (
	// notesFile is where the digests of large objects are noted, in
	// privateFolder.
	notesFile = "digests"
	// minNoted is the size in bytes from which on an object is noted, if it may
	// be replaced. A smaller one is soon read.
	minNoted = 1 << 20
	// maxNotes bounds what is read of the file, in bytes.
	maxNotes = 1 << 20
)

// notes has the digests of the large objects that a Folder put, so that one of
// them can be built on without reading it. A note counts only as long as the
// file has the size and the time of change that it had when it was put. Notes
// that are lost, or that a file's change made void, cost one more reading.
type notes struct {
	mu   sync.Mutex
	read bool
	of   map[string]note
}

// A note is what is known of one file.
type note struct {
	Size    int64  `json:"size"`
	Changed int64  `json:"changed"` // nanoseconds of Unix time
	SHA256  string `json:"sha256"`
}

// find returns the digest noted of a file that is as it was put.
func (n *notes) find(root *os.Root, name string, file os.FileInfo) (sum [sha256.Size]byte, found bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.load(root)
	of, ok := n.of[filepath.ToSlash(name)]
	if !ok || of.Size != file.Size() || of.Changed != file.ModTime().UnixNano() {
		return sum, false
	}
	raw, err := hex.DecodeString(of.SHA256)
	if err != nil || len(raw) != len(sum) {
		return sum, false
	}
	return [sha256.Size]byte(raw), true
}

// add notes the digest of a file that was put. That it cannot is no failure: the
// object is in place.
func (n *notes) add(root *os.Root, name string, sum [sha256.Size]byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	file, err := root.Stat(name)
	if err != nil {
		return
	}
	n.load(root)
	n.of[filepath.ToSlash(name)] = note{file.Size(), file.ModTime().UnixNano(), hex.EncodeToString(sum[:])}
	raw, err := json.Marshal(n.of)
	if err != nil {
		return
	}
	path := filepath.Join(privateFolder, notesFile)
	if root.WriteFile(path+".new", raw, 0o644) == nil {
		_ = root.Rename(path+".new", path) // as above
	}
}

// load reads the notes once; the lock is held. Half a file is none.
func (n *notes) load(root *os.Root) {
	if n.read {
		return
	}
	n.read, n.of = true, map[string]note{}
	file, err := root.Open(filepath.Join(privateFolder, notesFile))
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }() // only read
	raw, err := io.ReadAll(io.LimitReader(file, maxNotes))
	if err != nil || json.Unmarshal(raw, &n.of) != nil || n.of == nil {
		n.of = map[string]note{}
	}
}
