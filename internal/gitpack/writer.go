package gitpack

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// packVersion is the version of the pack form that all of git uses.
const packVersion = 2

// Bounds of one pack. With the second no offset needs the index's long form.
const (
	packObjects = 190_000
	packBytes   = 1 << 30
)

// types are those of objects by the number that a pack has for them.
var types = [...]string{1: "commit", 2: "tree", 3: "blob", 4: "tag"}

const (
	blobType  = 3
	deltaType = 6 // a delta to an earlier object of the same pack (OFS_DELTA)
)

// waitingBytes is the size up to which a blob may wait in memory to be packed.
const waitingBytes = 256 << 10

// A Writer writes objects into packs of a repository, and the index of each. git sees
// the objects of a pack when it is finished. Blobs are packed by several goroutines.
// All its methods may be called concurrently; but one TreeWriter at a time uses it.
type Writer struct {
	folder string // objects/pack

	mu      sync.Mutex // guards what follows
	file    *os.File   // nil before the first object
	out     *bufio.Writer
	offset  int64
	entries entries
	pack    int // serial number of the one under way, from 1
	recent  recentBlobs
	busy    int   // objects that are being written or read, for which its end waits
	err     error // the first of a write, for Finish

	progress sync.Cond // an object was written, or is no longer busy; by mu

	packing errgroup.Group // of blobs; it bounds them
}

// What all Writers have in common, since each of these keeps up to a megabyte.
var (
	deflaters = sync.Pool{New: func() any { return newDeflater() }}
	readers   = sync.Pool{New: func() any { return &packReader{in: bufio.NewReader(nil)} }}
	finders   = sync.Pool{New: func() any { return new(deltaFinder) }}
)

// A packEntry is an object of the pack under way. One that is still to be
// written has offset 0.
type packEntry struct {
	id     ID
	crc    uint32
	offset uint32
	depth  uint8 // how many deltas lead to it
}

// A location is an entry, if pack is the serial number of the one under way; the
// zero one is none.
type location struct{ pack, slot int }

// NewWriter returns one for the repository in a folder.
func NewWriter(dir string) *Writer {
	w := &Writer{folder: filepath.Join(dir, "objects", "pack"), pack: 1}
	w.progress.L = &w.mu
	w.packing.SetLimit(runtime.GOMAXPROCS(0))
	return w
}

// Add writes a whole object, unless the pack under way holds it already.
func (w *Writer) Add(o Object) (ID, error) {
	id, _, err := w.addDelta(o, location{}, nil)
	return id, err
}

// addDelta is Add for content that is also given as a delta to an object that may
// be in the pack under way.
func (w *Writer) addDelta(o Object, base location, delta []byte) (ID, location, error) {
	id := o.ID()
	at, there, err := w.reserve(id)
	if err != nil || there {
		return id, at, err
	}
	defer w.release()
	return id, at, w.put(at, o, base, delta)
}

// addLater is Add for a blob whose location does not matter. It is written as a delta
// to the first of the similar blobs that the pack under way holds,
// if that makes it small. It keeps a copy. An error is returned by Finish. It is
// for one goroutine at a time, so that what a blob waits for is on its way.
func (w *Writer) addLater(content []byte, similar ...ID) (ID, error) {
	o := Object{"blob", content}
	if len(content) > waitingBytes {
		return w.Add(o)
	}
	id := o.ID()
	at, there, err := w.reserve(id)
	if err != nil || there {
		return id, err
	}
	o.Content = bytes.Clone(content)
	base, old := w.deltaBase(at, o.Content, similar)
	w.packing.Go(func() error {
		defer w.release()
		return w.putSimilar(at, o, base, old)
	})
	return id, nil
}

// reserve enters an object, or reports that it was there already. One that was not is
// busy until release.
func (w *Writer) reserve(id ID) (at location, there bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if slot, ok := w.entries.find(id); ok {
		return location{w.pack, slot}, true, nil
	}
	if w.file == nil {
		if err := w.startPack(); err != nil {
			return location{}, false, err
		}
	}
	w.busy++
	return location{w.pack, w.entries.add(id)}, false, nil
}

// release says that an object is no longer busy.
func (w *Writer) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	w.progress.Broadcast()
}

// deltaBase returns the first of the blobs similar to a new one that the pack holds, and
// its content if that is among the recent ones, to which it adds the new one.
func (w *Writer) deltaBase(at location, content []byte, similar []ID) (base location, old []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range similar {
		if slot, ok := w.entries.find(id); ok {
			base, old = location{at.pack, slot}, w.recent.content[slot]
			w.recent.drop(slot)
			break
		}
	}
	w.recent.add(at.slot, content)
	return base, old
}

// putSimilar is put for a blob that may be similar to the one at base, whose content is
// old, or nil if that must be read.
func (w *Writer) putSimilar(at location, o Object, base location, old []byte) error {
	if base == (location{}) || len(o.Content) < deltaMin {
		return w.put(at, o, location{}, nil)
	}
	r := readers.Get().(*packReader)
	defer readers.Put(r)
	if old == nil {
		// Of what is no blob or cannot be read there is no delta.
		if content, kind, err := w.read(r, base); err == nil && kind == blobType {
			old = content
		}
	}
	s := finders.Get().(*deltaFinder)
	defer finders.Put(s)
	return w.put(at, o, base, s.delta(old, o.Content, len(o.Content)/2))
}

// startPack starts a pack.
func (w *Writer) startPack() error {
	if err := os.MkdirAll(w.folder, 0o700); err != nil {
		return fmt.Errorf("start pack: %w", err)
	}
	file, err := os.CreateTemp(w.folder, "tmp_pack_")
	if err != nil {
		return fmt.Errorf("start pack: %w", err)
	}
	w.file, w.out = file, bufio.NewWriterSize(file, 1<<18)
	head, err := w.out.Write(packHead(0)) // the count is put in at the end
	w.offset = int64(head)
	return err
}

// packHead is the start of a pack.
func packHead(objects int) []byte {
	head := []byte("PACK")
	head = binary.BigEndian.AppendUint32(head, packVersion)
	return binary.BigEndian.AppendUint32(head, uint32(objects))
}

// put packs an object into its location: as its delta to base if there is one, and
// not too many lead there, else whole.
func (w *Writer) put(at location, o Object, base location, delta []byte) error {
	depth := 0
	if delta != nil && base.pack == at.pack {
		depth = w.await(base) + 1
	}
	if depth > 0 && depth <= maxDepth {
		o.Content = delta
	} else {
		depth = 0
	}
	err := w.write(at, o, base, depth)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err = err
	}
	return err
}

// await returns how many deltas lead to an object, as soon as it is written; -1 if
// it never will be. What an object waits for was entered before it.
func (w *Writer) await(at location) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.entries.list[at.slot].offset == 0 {
		if w.err != nil {
			return -1
		}
		w.progress.Wait()
	}
	return int(w.entries.list[at.slot].depth)
}

// write packs an object, or with a depth its delta to base.
func (w *Writer) write(at location, o Object, base location, depth int) error {
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	body, err := d.pack(o.Content)
	if err != nil {
		return fmt.Errorf("pack %s: %w", o.Type, err)
	}
	head, err := packHeader(o)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if depth > 0 {
		head[0] = head[0]&^0x70 | deltaType<<4
		head = appendDistance(head, w.offset-int64(w.entries.list[base.slot].offset))
	}
	for _, part := range [][]byte{head, body} {
		if _, err := w.out.Write(part); err != nil {
			return fmt.Errorf("write pack: %w", err)
		}
	}
	e := &w.entries.list[at.slot]
	e.crc = crc32.Update(crc32.ChecksumIEEE(head), crc32.IEEETable, body)
	e.offset, e.depth = uint32(w.offset), uint8(depth)
	w.offset += int64(len(head) + len(body))
	w.progress.Broadcast()
	return nil
}

// full reports whether the pack under way is so large that another is to be started.
func (w *Writer) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.entries.list) >= packObjects || w.offset >= packBytes
}

// idle waits until nothing is busy. It is for who holds mu.
func (w *Writer) idle() {
	for w.busy > 0 {
		w.progress.Wait()
	}
}

// Finish ends the pack under way, so that git sees its objects.
func (w *Writer) Finish() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.idle(); w.file == nil || w.err != nil {
		return w.err
	}
	file := w.file
	w.file = nil
	sum, err := finishFile(file, w.out, len(w.entries.list))
	if err = errors.Join(err, file.Close()); err == nil {
		err = w.rename(file.Name(), sum)
	}
	if err != nil {
		return fmt.Errorf("finish pack of %d objects: %w", len(w.entries.list), errors.Join(err, os.Remove(file.Name())))
	}
	w.pack++
	w.entries.clear()
	w.recent = recentBlobs{}
	return nil
}

// finishFile writes the count of objects and the checksum into a pack's file.
func finishFile(file *os.File, out *bufio.Writer, objects int) (sum [sha1.Size]byte, err error) {
	if err := out.Flush(); err != nil {
		return sum, err
	}
	if _, err := file.WriteAt(packHead(objects), 0); err != nil {
		return sum, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return sum, err
	}
	h := sha1.New()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{file}, make([]byte, 1<<18)); err != nil {
		return sum, err
	}
	sum = [sha1.Size]byte(h.Sum(nil))
	_, err = file.Write(sum[:])
	return sum, err
}

// rename gives the pack its name. The index comes last: by that git knows it.
func (w *Writer) rename(written string, sum [sha1.Size]byte) error {
	index, err := os.OpenFile(written+".idx", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return err
	}
	name := filepath.Join(w.folder, fmt.Sprintf("pack-%x", sum))
	if err = errors.Join(writeIndex(index, w.entries.list, sum), index.Close()); err == nil {
		err = os.Rename(written, name+".pack")
	}
	if err != nil {
		return errors.Join(err, os.Remove(index.Name()))
	}
	return os.Rename(index.Name(), name+".idx")
}

// Close gives up what was not finished.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.idle(); w.file == nil {
		return nil
	}
	file := w.file
	w.file = nil
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// packHeader writes type and size: three bits of type and four of size in the
// first byte, seven of size in each further one, lowest first; the top bit says
// that another byte follows.
func packHeader(o Object) ([]byte, error) {
	kind := slices.Index(types[:], o.Type)
	if kind < 0 || o.Type == "" {
		return nil, fmt.Errorf("pack %q: %w", o.Type, ErrObject)
	}
	size := uint64(len(o.Content))
	current := byte(kind)<<4 | byte(size&0x0f)
	head := make([]byte, 0, 16)
	for size >>= 4; size > 0; size >>= 7 {
		head = append(head, current|0x80)
		current = byte(size & 0x7f)
	}
	return append(head, current), nil
}
