package gitrepo

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

	"github.com/klauspost/compress/zlib"
	"golang.org/x/sync/errgroup"
)

// packVersion is the version of the pack form that all of git uses.
const packVersion = 2

// Bounds of one pack. With the second no offset needs the index's long form.
const (
	packObjects = 100_000
	packBytes   = 1 << 30
)

// asyncBytes is the size up to which a blob may wait in memory to be packed.
const asyncBytes = 256 << 10

// A packer writes objects into packs of the local repository, by git's
// gitformat-pack: "PACK", version, count, the objects, and the SHA-1 over all
// that; and beside it an index. git sees the objects of a pack when it is
// finished. Blobs are packed by several goroutines. Its methods may be called
// side by side.
type packer struct {
	folder string // objects/pack

	// gate is held for reading while an object is on its way into the pack,
	// and for writing to end the pack.
	gate sync.RWMutex

	mu      sync.Mutex // guards what follows
	file    *os.File   // nil before the first object
	out     *bufio.Writer
	offset  int64
	entries []packEntry
	known   map[oid]int // into entries
	serial  int         // of the pack under way, from 1
	err     error       // the first of a write, for finish

	blobs   errgroup.Group
	deflate sync.Pool // of *deflater
}

// A packEntry is an object of the pack under way. One that is still to be
// written has offset 0.
type packEntry struct {
	id     oid
	crc    uint32
	offset int64
}

// A place is where an object stands, if serial is that of the pack under way.
type place struct {
	serial int
	offset int64
	depth  int // how many deltas lead to it
}

func newPacker(dir string) *packer {
	p := &packer{folder: filepath.Join(dir, "objects", "pack"), serial: 1, known: map[oid]int{}}
	p.blobs.SetLimit(runtime.GOMAXPROCS(0))
	p.deflate.New = func() any { return newDeflater() }
	return p
}

// add writes a whole object, unless the pack under way holds it already.
func (p *packer) add(o object) (oid, place, error) {
	id := o.oid()
	p.gate.RLock()
	defer p.gate.RUnlock()
	at, slot, err := p.reserve(id)
	if err != nil || slot < 0 {
		return id, at, err
	}
	at, err = p.write(slot, o, nil)
	return id, at, err
}

// addDelta is add for content that is also given as a delta to an object of the
// pack under way.
func (p *packer) addDelta(o object, base place, delta []byte) (oid, place, error) {
	id := o.oid()
	p.gate.RLock()
	defer p.gate.RUnlock()
	at, slot, err := p.reserve(id)
	if err != nil || slot < 0 {
		return id, at, err
	}
	if base.serial != at.serial || base.offset == 0 || base.depth >= maxDepth {
		at, err = p.write(slot, o, nil)
		return id, at, err
	}
	at, err = p.write(slot, object{o.kind, delta}, &base)
	at.depth = base.depth + 1
	return id, at, err
}

// addLater is add for a blob whose place does not matter. It keeps a copy. An
// error is returned by finish.
func (p *packer) addLater(content []byte) (oid, error) {
	o := object{"blob", content}
	if len(content) > asyncBytes {
		id, _, err := p.add(o)
		return id, err
	}
	id := o.oid()
	p.gate.RLock()
	_, slot, err := p.reserve(id)
	if err != nil || slot < 0 {
		p.gate.RUnlock()
		return id, err
	}
	o.content = bytes.Clone(content)
	p.blobs.Go(func() error {
		defer p.gate.RUnlock()
		_, err := p.write(slot, o, nil)
		return err
	})
	return id, nil
}

// reserve enters an object. The slot is negative if it is there already; its
// place has no offset then.
func (p *packer) reserve(id oid) (place, int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.known[id]; ok {
		return place{serial: p.serial}, -1, nil
	}
	if p.file == nil {
		if err := p.begin(); err != nil {
			return place{}, -1, err
		}
	}
	p.known[id] = len(p.entries)
	p.entries = append(p.entries, packEntry{id: id})
	return place{serial: p.serial}, len(p.entries) - 1, nil
}

// begin starts a pack.
func (p *packer) begin() error {
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

// write packs an object, or its delta to base, into its slot.
func (p *packer) write(slot int, o object, base *place) (place, error) {
	d := p.deflate.Get().(*deflater)
	defer p.deflate.Put(d)
	body, err := d.pack(o.content)
	if err != nil {
		return place{}, fmt.Errorf("pack %s: %w", o.kind, err)
	}
	head, err := packHeader(o)
	if err != nil {
		return place{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if base != nil {
		head[0] = head[0]&^0x70 | deltaKind<<4
		head = appendDistance(head, p.offset-base.offset)
	}
	at := place{serial: p.serial, offset: p.offset}
	for _, part := range [][]byte{head, body} {
		if _, err := p.out.Write(part); err != nil {
			p.err = fmt.Errorf("write pack: %w", err)
			return place{}, p.err
		}
	}
	p.offset += int64(len(head) + len(body))
	p.entries[slot].crc = crc32.Update(crc32.ChecksumIEEE(head), crc32.IEEETable, body)
	p.entries[slot].offset = at.offset
	return at, nil
}

// full reports whether the pack under way had better be finished.
func (p *packer) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.entries) >= packObjects || p.offset >= packBytes
}

// empty reports whether nothing waits to be finished.
func (p *packer) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.entries) == 0
}

// finish ends the pack under way, so that git sees its objects.
func (p *packer) finish() error {
	p.gate.Lock() // waits for all that is on its way
	defer p.gate.Unlock()
	_ = p.blobs.Wait() // errors of a write stay in p.err
	if p.file == nil || p.err != nil {
		return p.err
	}
	file := p.file
	p.file = nil
	sum, err := seal(file, p.out, len(p.entries))
	err = errors.Join(err, file.Close())
	if err == nil {
		err = p.place(file.Name(), sum)
	}
	if err != nil {
		return fmt.Errorf("finish pack of %d objects: %w", len(p.entries), errors.Join(err, os.Remove(file.Name())))
	}
	p.serial++
	p.entries = p.entries[:0]
	clear(p.known)
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

// place gives the pack its name. The index comes last: by that git knows it.
func (p *packer) place(written string, sum [sha1.Size]byte) error {
	name := filepath.Join(p.folder, fmt.Sprintf("pack-%x", sum))
	index := written + ".idx"
	if err := os.WriteFile(index, packIndex(p.entries, sum), 0o400); err != nil {
		return err
	}
	if err := os.Rename(written, name+".pack"); err != nil {
		return errors.Join(err, os.Remove(index))
	}
	return os.Rename(index, name+".idx")
}

// close gives up what was not finished.
func (p *packer) close() error {
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

// whole returns an object of the pack under way, and false if it is elsewhere:
// then git sees it, if anybody has it. A delta is not undone here; the pack is
// finished instead.
func (p *packer) whole(id oid) ([]byte, bool, error) {
	content, delta, err := p.look(id)
	if delta && err == nil {
		return nil, false, p.finish()
	}
	return content, content != nil, err
}

func (p *packer) look(id oid) (content []byte, delta bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, ok := p.known[id]
	if !ok || p.entries[i].offset == 0 {
		return nil, ok, nil
	}
	if err := p.out.Flush(); err != nil {
		return nil, false, fmt.Errorf("write pack: %w", err)
	}
	r := bufio.NewReader(io.NewSectionReader(p.file, p.entries[i].offset, p.offset-p.entries[i].offset))
	first, err := r.ReadByte()
	for next := first; err == nil && next&0x80 != 0; {
		next, err = r.ReadByte()
	}
	if err != nil || first>>4&7 == deltaKind {
		return nil, true, err
	}
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil, false, fmt.Errorf("read pack: %w", err)
	}
	content, err = io.ReadAll(z)
	return content, false, err
}

// packHeader writes type and size: three bits of type and four of size in the
// first byte, seven of size in each further one, lowest first; the top bit says
// that another byte follows.
func packHeader(o object) ([]byte, error) {
	var kind byte
	switch o.kind {
	case "commit":
		kind = 1
	case "tree":
		kind = 2
	case "blob":
		kind = 3
	case "tag":
		kind = 4
	default:
		return nil, fmt.Errorf("pack %q: %w", o.kind, ErrObject)
	}
	size := uint64(len(o.content))
	current := kind<<4 | byte(size&0x0f)
	head := make([]byte, 0, 16)
	for size >>= 4; size > 0; size >>= 7 {
		head = append(head, current|0x80)
		current = byte(size & 0x7f)
	}
	return append(head, current), nil
}
