package gitpack

import (
	"bufio"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"
)

// recentBytes is how much of blobs is kept at hand, since what comes next may be
// like them. All others are read back from the pack, which costs less than the
// memory would.
const recentBytes = 1 << 20

// A recent holds the contents of some blobs of a pack, by their slots.
type recent struct {
	content map[int][]byte
	order   []int // as they came
	size    int
}

// keep takes in a content.
func (r *recent) keep(slot int, content []byte) {
	if r.content == nil {
		r.content = map[int][]byte{}
	}
	r.content[slot] = content
	r.order = append(r.order, slot)
	for r.size += len(content); r.size > recentBytes; r.order = r.order[1:] {
		r.drop(r.order[0])
	}
}

func (r *recent) drop(slot int) {
	r.size -= len(r.content[slot])
	delete(r.content, slot)
}

// Read returns an object of the pack under way, and false if it is elsewhere:
// then git sees it, if anybody has it.
func (p *Writer) Read(id ID) ([]byte, bool, error) {
	p.gate.RLock()
	defer p.gate.RUnlock()
	p.mu.Lock()
	slot, ok := p.entries.find(id)
	at := location{p.serial, slot}
	p.mu.Unlock()
	if !ok {
		return nil, false, nil
	}
	content, _, err := p.read(at)
	return content, err == nil, err
}

// contentOf returns the content of a blob of the pack under way, nil if it is none
// or cannot be read: then there is no delta to it.
func (p *Writer) contentOf(at location) []byte {
	content, kind, err := p.read(at)
	if err != nil || kind != 3 {
		return nil
	}
	return content
}

// read returns an object of the pack under way, and its kind, from where it is
// written. Deltas that lead there are undone.
func (p *Writer) read(at location) (content []byte, kind byte, err error) {
	offset, end, err := p.flushed(at)
	if err != nil {
		return nil, 0, fmt.Errorf("write pack: %w", err)
	}
	z := p.undo.Get().(*inflater)
	defer p.undo.Put(z)
	var deltas [][]byte
	for {
		var back int64
		kind, back, content, err = z.object(io.NewSectionReader(p.file, offset, end-offset))
		if err != nil {
			return nil, 0, fmt.Errorf("read pack: %w", err)
		}
		if kind != deltaKind {
			break
		}
		deltas, offset = append(deltas, content), offset-back
	}
	for i := len(deltas) - 1; i >= 0; i-- {
		if content, err = undoDelta(content, deltas[i]); err != nil {
			return nil, 0, err
		}
	}
	return content, kind, nil
}

// flushed waits until an object can be read from the file, and returns where it
// begins, and where it ends at the latest.
func (p *Writer) flushed(at location) (offset, end int64, err error) {
	written := p.await(at) >= 0
	p.mu.Lock()
	defer p.mu.Unlock()
	if !written {
		return 0, 0, p.err
	}
	return int64(p.entries.list[at.slot].offset), p.offset, p.out.Flush()
}

// An inflater reads objects of a pack, one after the other.
type inflater struct {
	in *bufio.Reader
	z  io.ReadCloser
}

func newInflater() *inflater { return &inflater{in: bufio.NewReader(nil)} }

// object reads an object that begins where r does, and for a delta how far back
// its base stands.
func (f *inflater) object(r io.Reader) (kind byte, back int64, content []byte, err error) {
	f.in.Reset(r)
	kind, size, err := readHeader(f.in)
	if err == nil && kind == deltaKind {
		back, err = readDistance(f.in)
	}
	if err != nil {
		return 0, 0, nil, err
	}
	if f.z == nil {
		f.z, err = zlib.NewReader(f.in)
	} else {
		err = f.z.(zlib.Resetter).Reset(f.in, nil)
	}
	if err != nil {
		return 0, 0, nil, err
	}
	content = make([]byte, size)
	_, err = io.ReadFull(f.z, content)
	return kind, back, content, err
}

// readHeader reads what packHeader wrote.
func readHeader(r io.ByteReader) (kind byte, size int, err error) {
	b, err := r.ReadByte()
	kind, size = b>>4&7, int(b&0x0f)
	for shift := 4; err == nil && b&0x80 != 0; shift += 7 {
		b, err = r.ReadByte()
		size |= int(b&0x7f) << shift
	}
	return kind, size, err
}

// readDistance reads what appendDistance wrote.
func readDistance(r io.ByteReader) (back int64, err error) {
	b, err := r.ReadByte()
	for back = int64(b & 0x7f); err == nil && b&0x80 != 0; {
		b, err = r.ReadByte()
		back = (back+1)<<7 | int64(b&0x7f)
	}
	return back, err
}
