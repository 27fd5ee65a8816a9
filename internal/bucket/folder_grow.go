package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

const (
	// worthGrowing is how long the base of an object must be, in bytes, for it to
	// be grown in place; up to there a copy takes no second.
	worthGrowing = 64 << 20
	// maxClosing bounds the zeros that may close a file that grows, in bytes: tar
	// writes two blocks, some tools fill up to twenty.
	maxClosing = 64 << 10
)

// grow writes an object with a Base over the end of the one in place, if that is
// the base and nothing but zeros, as of a tar file that grows. To copy an index
// of a gigabyte for each upload to Hackage takes seconds of a disk.
//
// The new bytes that lie behind the old end come first, and then, in one write of
// at most maxClosing bytes, those in the place of the zeros. A writer that is
// killed in between leaves the old bytes, with something behind them. A reader
// who was at it meanwhile may have the old beginning and the new end, which is
// what he gets of any file whose pointers move while he reads; a digest tells.
//
// It is not done, and done is false, where a copy would share its blocks with
// the file in place, or where somebody else has the same file by another name.
func (f *Folder) grow(ctx context.Context, root *os.Root, name string, o Object) (done bool, err error) {
	if o.Base.Length < f.growFrom || f.clones(root, name) {
		return false, nil
	}
	file, err := root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return false, nil // a copy will tell
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	closing, err := f.closingZeros(ctx, root, name, file, o)
	if err != nil || closing == 0 {
		return false, err
	}
	// A body that is not what it should be must not reach the file.
	if err := o.Copy(ctx, io.Discard); err != nil {
		return false, err
	}
	f.replacing.Lock()
	defer f.replacing.Unlock()
	if err := growFile(file, o, closing); err != nil {
		return false, f.adviseWrite(name, err)
	}
	f.notes.add(root, name, o.SHA256)
	return true, nil
}

// clones reports whether a copy would share its blocks.
func (f *Folder) clones(root *os.Root, name string) bool {
	from, err := root.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = from.Close() }() // only read
	temp := filepath.Join(privateFolder, tempPrefix+strconv.FormatUint(f.temps.Add(1), 10))
	to, err := root.Create(temp)
	if err != nil {
		return false
	}
	err = f.disk.clone(to, from)
	_ = to.Close()
	_ = root.Remove(temp) // the next writer sweeps it otherwise
	return err == nil
}

// closingZeros returns how many zeros stand behind the base in the file, if
// nothing else does, the file is nobody else's, and o is longer; else 0.
func (f *Folder) closingZeros(ctx context.Context, root *os.Root, name string, file *os.File, o Object) (int64, error) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || links(info) != 1 {
		return 0, err
	}
	closing := info.Size() - o.Base.Length
	if closing <= 0 || closing > maxClosing || info.Size() > o.Size {
		return 0, nil
	}
	end := make([]byte, closing)
	if _, err := file.ReadAt(end, o.Base.Length); err != nil {
		return 0, err
	}
	for _, b := range end {
		if b != 0 {
			return 0, nil
		}
	}
	begins, err := f.provenBase(ctx, root, name, file, o.Base)
	if err != nil || !begins {
		return 0, err
	}
	return closing, nil
}

// growFile writes the body behind the base, its first bytes last.
func growFile(file *os.File, o Object, closing int64) error {
	if _, err := o.Body.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("rewind body: %w", err)
	}
	first := make([]byte, closing)
	if _, err := io.ReadFull(o.Body, first); err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	behind := io.NewOffsetWriter(file, o.Base.Length+closing)
	if _, err := io.Copy(behind, o.Body); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if _, err := file.WriteAt(first, o.Base.Length); err != nil {
		return err
	}
	return file.Sync()
}
