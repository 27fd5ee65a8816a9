package gitpack

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
)

// maxWaiting is how many changes wait in memory before the folders that they are in
// are written. What is written too early is never pushed.
const maxWaiting = 8192

// A TreeWriter makes trees, one after the other, in the packs of a Writer. It is for
// one goroutine.
type TreeWriter struct {
	ctx     context.Context // of its life
	objects *Writer
	read    ReadTree
	root    *folder
	written ID            // of root as last written
	last    ID            // tree that Tree returned
	waiting int           // changes since root was written
	similar map[uint64]ID // the last file that was written, by similarityKey
	err     error         // the first that happened; nothing is done after it
}

// A ReadTree returns the content of the tree of an id.
type ReadTree func(id ID) ([]byte, error)

var errClosed = errors.New("the tree writer is closed")

// NewTreeWriter starts on top of a tree. It ends with Close or with ctx. Of the
// tree it reads only the folders on the paths that are written.
func NewTreeWriter(ctx context.Context, objects *Writer, tree ID, read ReadTree) (*TreeWriter, error) {
	raw, err := read(tree)
	if err != nil {
		return nil, err
	}
	root, err := openFolder(tree, raw)
	if err != nil {
		return nil, err
	}
	return &TreeWriter{ctx: ctx, objects: objects, read: read, root: root, written: tree, last: tree, similar: map[uint64]ID{}}, nil
}

// Write puts a plain file at path. It takes the place of whatever has its name: a
// folder, a link, a submodule, a file that can be run; and so do the folders
// on its way. content may be changed afterwards.
func (t *TreeWriter) Write(path string, content []byte) error {
	if err := errors.Join(t.failure(), CheckPath(path)); err != nil {
		return err
	}
	in, name, err := t.find(path, true)
	if err != nil {
		return t.fail(err)
	}
	before, err := in.file(name)
	if err != nil {
		return t.fail(err)
	}
	key := similarityKey(path)
	id, err := t.objects.addLater(content, before.id, t.similar[key])
	if err != nil {
		return t.fail(err)
	}
	t.similar[key] = id
	return t.fail(t.set(in, name, file{id, ModeFile}))
}

// Has reports whether a plain file of this content is at path.
func (t *TreeWriter) Has(path string, content []byte) (bool, error) {
	if err := t.failure(); err != nil {
		return false, err
	}
	in, name, err := t.find(path, false)
	if err != nil || in == nil {
		return false, t.fail(err)
	}
	there, err := in.file(name)
	return there == file{BlobID(content), ModeFile}, t.fail(err)
}

// similarityKey is a digest of what files have in common that may be similar:
// the folder of the root and their own name. It is short, since there are many; two
// that are the same by chance cost a search in vain.
func similarityKey(path string) uint64 {
	h := fnv.New64a()
	top := max(0, strings.IndexByte(path, '/'))
	_, _ = io.WriteString(h, path[:top]+"/"+path[strings.LastIndexByte(path, '/')+1:]) // never fails
	return h.Sum64()
}

// WriteEntry puts what another tree holds at its path: any mode but a folder's. The
// remote must have the blob, or it must be here.
func (t *TreeWriter) WriteEntry(f File) error {
	if err := errors.Join(t.failure(), CheckPath(f.Path)); err != nil {
		return err
	}
	id, err := ParseID(f.ID)
	if err == nil && !slices.Contains([]string{ModeFile, ModeExecutable, ModeLink, ModeCommit}, f.Mode) {
		err = fmt.Errorf("put %q with mode %q: %w", f.Path, f.Mode, ErrObject)
	}
	if err != nil {
		return err
	}
	in, name, err := t.find(f.Path, true)
	if err == nil {
		err = t.set(in, name, file{id, f.Mode})
	}
	return t.fail(err)
}

// Remove takes away whatever is at path, a folder with all that is in it; that
// there is nothing is no error. A name that Write refuses can be removed.
func (t *TreeWriter) Remove(path string) error {
	if err := t.failure(); err != nil {
		return err
	}
	if path == "" || slices.Contains(strings.Split(path, "/"), "") {
		return fmt.Errorf("remove %.80q: empty part: %w", path, ErrPath)
	}
	in, name, err := t.find(path, false)
	if err == nil && in != nil {
		err = t.set(in, name, file{})
	}
	return t.fail(err)
}

// find returns the folder and the name of a path. Without make the folder is nil if
// there is none.
func (t *TreeWriter) find(path string, make bool) (in *folder, name string, err error) {
	in = t.root
	for {
		part, rest, more := strings.Cut(path, "/")
		if !more {
			return in, part, nil
		}
		if in, err = in.sub(t, part, make); err != nil || in == nil {
			return nil, "", err
		}
		path = rest
	}
}

// set puts a file into a folder.
func (t *TreeWriter) set(in *folder, name string, to file) error {
	in.set(name, to)
	if t.waiting++; t.waiting < maxWaiting {
		return nil
	}
	return t.writeFolders()
}

// writeFolders writes all folders that changed.
func (t *TreeWriter) writeFolders() (err error) {
	if len(t.root.changed)+len(t.root.files) == 0 {
		return nil
	}
	t.waiting = 0
	if t.written, err = t.root.write(t); err != nil {
		return err
	}
	if t.written == (ID{}) {
		t.written, _ = ParseID(EmptyTree) // which is one
	}
	if t.objects.full() {
		return t.objects.Finish()
	}
	return nil
}

// Tree ends one tree and returns its id, and whether it differs from the one
// before (at first: from the one that it started on). What is written next builds
// on it.
func (t *TreeWriter) Tree() (id string, changed bool, err error) {
	if err := t.failure(); err != nil {
		return "", false, fmt.Errorf("make tree: %w", err)
	}
	if err := t.writeFolders(); err != nil {
		return "", false, fmt.Errorf("make tree: %w", t.fail(err))
	}
	changed = t.written != t.last
	t.last = t.written
	return t.last.String(), changed, nil
}

// fail keeps an error for all later calls.
func (t *TreeWriter) fail(err error) error {
	if t.err == nil {
		t.err = err
	}
	return err
}

// failure returns why nothing more can be done, if that is so.
func (t *TreeWriter) failure() error {
	if t.err == nil && t.ctx.Err() != nil {
		t.err = context.Cause(t.ctx)
	}
	return t.err
}

// Close ends the TreeWriter and returns the error that stopped it, once. What was
// written after the last Tree is in no tree.
func (t *TreeWriter) Close() error {
	err := t.failure()
	if t.err = errClosed; errors.Is(err, errClosed) {
		return nil
	}
	return err
}
