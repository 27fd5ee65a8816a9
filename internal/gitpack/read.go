package gitpack

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zlib"
)

// recentBytes is how many bytes of blobs are kept in memory, since what comes next may
// be similar to them. All others are read back from the pack, which costs less than the
// memory would.
const recentBytes = 1 << 20

// The recentBlobs are the contents of some blobs of a pack, by their slots.
type recentBlobs struct {
	content map[int][]byte
	order   []int // as they came
	size    int
}

// add adds a content, and drops the oldest where there is no room.
func (r *recentBlobs) add(slot int, content []byte) {
	if r.content == nil {
		r.content = map[int][]byte{}
	}
	r.content[slot] = content
	r.order = append(r.order, slot)
	for r.size += len(content); r.size > recentBytes; r.order = r.order[1:] {
		r.drop(r.order[0])
	}
}

func (r *recentBlobs) drop(slot int) {
	r.size -= len(r.content[slot])
	delete(r.content, slot)
}

// Read returns an object of the pack under way, and false if it is not there: then git
// can read it, if the repository has it.
func (w *Writer) Read(id ID) ([]byte, bool, error) {
	w.mu.Lock()
	slot, ok := w.entries.find(id)
	if !ok {
		w.mu.Unlock()
		return nil, false, nil
	}
	at := location{w.pack, slot}
	w.busy++
	w.mu.Unlock()
	defer w.release()
	r := readers.Get().(*packReader)
	defer readers.Put(r)
	content, _, err := w.read(r, at)
	return bytes.Clone(content), err == nil, err
}

// read returns an object of the pack under way, and its type, from where it is
// written. They hold until the next read of r.
func (w *Writer) read(r *packReader, at location) (content []byte, kind byte, err error) {
	written := w.await(at) >= 0
	w.mu.Lock()
	if err = w.err; written {
		err = w.out.Flush()
	}
	file, offset, end := w.file, int64(w.entries.list[at.slot].offset), w.offset
	w.mu.Unlock()
	if err != nil {
		return nil, 0, fmt.Errorf("write pack: %w", err)
	}
	content, kind, err = r.read(file, offset, end)
	if err != nil {
		return nil, 0, fmt.Errorf("read pack: %w", err)
	}
	return content, kind, nil
}

// A packReader reads objects of a pack, one after the other. It keeps its memory.
type packReader struct {
	in    *bufio.Reader
	z     io.ReadCloser
	parts [][]byte // an object as it is stored: deltas, and the content that the last is to
	whole [2][]byte
}

// read returns the object at an offset, with the deltas that lead there undone, and its
// type.
func (r *packReader) read(file io.ReaderAt, offset, end int64) (content []byte, kind byte, err error) {
	for n := 0; ; n++ {
		if n == len(r.parts) {
			r.parts = append(r.parts, nil)
		}
		var back int64
		kind, back, r.parts[n], err = r.object(io.NewSectionReader(file, offset, end-offset), r.parts[n])
		if err != nil {
			return nil, 0, err
		}
		if kind == deltaType {
			offset -= back
			continue
		}
		content = r.parts[n]
		for i, delta := range slices.Backward(r.parts[:n]) {
			to := &r.whole[i%2]
			if *to, err = undoDelta(*to, content, delta); err != nil {
				return nil, 0, err
			}
			content = *to
		}
		return content, kind, nil
	}
}

// object reads what is stored of an object that begins where from does, in to's memory
// if that is large enough, and for a delta how far back its base stands.
func (r *packReader) object(from io.Reader, to []byte) (kind byte, back int64, content []byte, err error) {
	r.in.Reset(from)
	kind, size, err := readHeader(r.in)
	if err == nil && kind == deltaType {
		back, err = readDistance(r.in)
	}
	switch {
	case err != nil:
	case r.z == nil:
		r.z, err = zlib.NewReader(r.in)
	default:
		err = r.z.(zlib.Resetter).Reset(r.in, nil)
	}
	if err != nil {
		return 0, 0, to, err
	}
	content = slices.Grow(to[:0], size)[:size]
	_, err = io.ReadFull(r.z, content)
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
