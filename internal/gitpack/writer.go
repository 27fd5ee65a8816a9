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

// asyncBytes is the size up to which a blob may wait in memory to be packed.
const asyncBytes = 256 << 10

// A Writer writes objects into packs of a repository, and the index of each. git
// sees the objects of a pack when it is finished. Blobs are packed by several goroutines. All its methods but
// addLater may be called concurrently.
type Writer struct {
	folder string // objects/pack

	// gate is held for reading while an object is on its way into the pack,
	// and for writing to end the pack.
	gate sync.RWMutex

	mu      sync.Mutex // guards what follows
	file    *os.File   // nil before the first object
	out     *bufio.Writer
	offset  int64
	entries entries
	serial  int    // of the pack under way, from 1
	err     error  // the first of a write, for Finish
	recent  recent // blobs of the pack under way

	written sync.Cond // an entry was; by mu

	blobs   errgroup.Group
	deflate sync.Pool // of *deflater
	undo    sync.Pool // of *inflater
	finders sync.Pool // of *resembler
}

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
	p := &Writer{folder: filepath.Join(dir, "objects", "pack"), serial: 1}
	p.written.L = &p.mu
	p.blobs.SetLimit(runtime.GOMAXPROCS(0))
	p.deflate.New = func() any { return newDeflater() }
	p.undo.New = func() any { return newInflater() }
	p.finders.New = func() any { return new(resembler) }
	return p
}

// Add writes a whole object, unless the pack under way holds it already.
func (p *Writer) Add(o Object) (ID, error) {
	id, _, err := p.addDelta(o, location{}, nil)
	return id, err
}

// addDelta is Add for content that is also given as a delta to an object that may
// be in the pack under way.
func (p *Writer) addDelta(o Object, base location, delta []byte) (ID, location, error) {
	id := o.ID()
	p.gate.RLock()
	defer p.gate.RUnlock()
	at, there, err := p.reserve(id)
	if err == nil && !there {
		err = p.put(at, o, base, delta)
	}
	return id, at, err
}

// addLater is Add for a blob whose place does not matter. It is written as a delta
// to the first of the blobs that it may resemble which the pack under way holds,
// if that makes it small. It keeps a copy. An error is returned by Finish. It is
// for one goroutine at a time, so that what a blob waits for is on its way.
func (p *Writer) addLater(content []byte, like ...ID) (ID, error) {
	o := Object{"blob", content}
	if len(content) > asyncBytes {
		return p.Add(o)
	}
	id := o.ID()
	p.gate.RLock()
	at, there, err := p.reserve(id)
	if err != nil || there {
		p.gate.RUnlock()
		return id, err
	}
	o.Content = bytes.Clone(content)
	base, old := p.resembling(at, o.Content, like)
	p.blobs.Go(func() error {
		defer p.gate.RUnlock()
		return p.put(at, o, base, p.differ(base, old, o.Content))
	})
	return id, nil
}

// resembling returns the first of the blobs like a new one, and its content if that
// is at hand, and keeps the new one's at hand.
func (p *Writer) resembling(at location, content []byte, like []ID) (base location, old []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range like {
		if slot, ok := p.entries.find(id); ok {
			base, old = location{at.pack, slot}, p.recent.content[slot]
			p.recent.drop(slot)
			break
		}
	}
	p.recent.keep(at.slot, content)
	return base, old
}

// differ returns the delta to a blob like it, nil if there is no use in one.
func (p *Writer) differ(base location, old, content []byte) []byte {
	if base == (location{}) || len(content) < deltaMin {
		return nil
	}
	if old == nil {
		old = p.contentOf(base)
	}
	s := p.finders.Get().(*resembler)
	defer p.finders.Put(s)
	return s.delta(old, content, len(content)/2)
}

// reserve enters an object and reports whether it was there already.
func (p *Writer) reserve(id ID) (at location, there bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slot, ok := p.entries.find(id); ok {
		return location{p.serial, slot}, true, nil
	}
	if p.file == nil {
		if err := p.start(); err != nil {
			return location{}, false, err
		}
	}
	return location{p.serial, p.entries.add(id)}, false, nil
}

// start starts a pack.
func (p *Writer) start() error {
	if err := os.MkdirAll(p.folder, 0o700); err != nil {
		return fmt.Errorf("start pack: %w", err)
	}
	file, err := os.CreateTemp(p.folder, "tmp_pack_")
	if err != nil {
		return fmt.Errorf("start pack: %w", err)
	}
	p.file, p.out = file, bufio.NewWriterSize(file, 1<<20)
	head, err := p.out.Write(packHead(0)) // the count is put in at the end
	p.offset = int64(head)
	return err
}

// packHead is the start of a pack.
func packHead(objects int) []byte {
	head := []byte("PACK")
	head = binary.BigEndian.AppendUint32(head, packVersion)
	return binary.BigEndian.AppendUint32(head, uint32(objects))
}

// put packs an object into its place: as its delta to base if there is one, and
// not too many lead there, else whole.
func (p *Writer) put(at location, o Object, base location, delta []byte) error {
	depth := 0
	if delta != nil && base.pack == at.pack {
		depth = p.await(base) + 1
	}
	if depth > 0 && depth <= maxDepth {
		o.Content = delta
	} else {
		depth = 0
	}
	err := p.write(at, o, base, depth)
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.err = err
		p.written.Broadcast()
	}
	return err
}

// await returns how many deltas lead to an object, as soon as it is written; -1 if
// it never will be. What an object waits for was entered before it.
func (p *Writer) await(at location) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.entries.list[at.slot].offset == 0 {
		if p.err != nil {
			return -1
		}
		p.written.Wait()
	}
	return int(p.entries.list[at.slot].depth)
}

// write packs an object, or with a depth its delta to base.
func (p *Writer) write(at location, o Object, base location, depth int) error {
	d := p.deflate.Get().(*deflater)
	defer p.deflate.Put(d)
	body, err := d.pack(o.Content)
	if err != nil {
		return fmt.Errorf("pack %s: %w", o.Type, err)
	}
	head, err := packHeader(o)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if depth > 0 {
		head[0] = head[0]&^0x70 | deltaKind<<4
		head = appendDistance(head, p.offset-int64(p.entries.list[base.slot].offset))
	}
	for _, part := range [][]byte{head, body} {
		if _, err := p.out.Write(part); err != nil {
			return fmt.Errorf("write pack: %w", err)
		}
	}
	e := &p.entries.list[at.slot]
	e.crc = crc32.Update(crc32.ChecksumIEEE(head), crc32.IEEETable, body)
	e.offset, e.depth = uint32(p.offset), uint8(depth)
	p.offset += int64(len(head) + len(body))
	p.written.Broadcast()
	return nil
}

// full reports whether the pack under way had better be finished.
func (p *Writer) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.entries.list) >= packObjects || p.offset >= packBytes
}

// Finish ends the pack under way, so that git sees its objects.
func (p *Writer) Finish() error {
	p.gate.Lock() // waits for all that is on its way
	defer p.gate.Unlock()
	_ = p.blobs.Wait() // errors of a write stay in p.err
	if p.file == nil || p.err != nil {
		return p.err
	}
	file := p.file
	p.file = nil
	sum, err := seal(file, p.out, len(p.entries.list))
	err = errors.Join(err, file.Close())
	if err == nil {
		err = p.rename(file.Name(), sum)
	}
	if err != nil {
		return fmt.Errorf("finish pack of %d objects: %w", len(p.entries.list), errors.Join(err, os.Remove(file.Name())))
	}
	p.serial++
	p.entries.clear()
	p.recent = recent{}
	return nil
}

// seal writes count and checksum.
func seal(file *os.File, out *bufio.Writer, objects int) (sum [sha1.Size]byte, err error) {
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
func (p *Writer) rename(written string, sum [sha1.Size]byte) error {
	name := filepath.Join(p.folder, fmt.Sprintf("pack-%x", sum))
	index := written + ".idx"
	if err := os.WriteFile(index, packIndex(p.entries.list, sum), 0o400); err != nil {
		return err
	}
	if err := os.Rename(written, name+".pack"); err != nil {
		return errors.Join(err, os.Remove(index))
	}
	return os.Rename(index, name+".idx")
}

// Close gives up what was not finished.
func (p *Writer) Close() error {
	p.gate.Lock()
	defer p.gate.Unlock()
	_ = p.blobs.Wait() // nobody will need them
	if p.file == nil {
		return nil
	}
	file := p.file
	p.file = nil
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// packHeader writes type and size: three bits of type and four of size in the
// first byte, seven of size in each further one, lowest first; the top bit says
// that another byte follows.
func packHeader(o Object) ([]byte, error) {
	var kind byte
	switch o.Type {
	case "commit":
		kind = 1
	case "tree":
		kind = 2
	case "blob":
		kind = 3
	case "tag":
		kind = 4
	default:
		return nil, fmt.Errorf("pack %q: %w", o.Type, ErrObject)
	}
	size := uint64(len(o.Content))
	current := kind<<4 | byte(size&0x0f)
	head := make([]byte, 0, 16)
	for size >>= 4; size > 0; size >>= 7 {
		head = append(head, current|0x80)
		current = byte(size & 0x7f)
	}
	return append(head, current), nil
}
