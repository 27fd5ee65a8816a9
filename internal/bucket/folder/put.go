package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// Put implements Bucket.
//
// On a file system to which "A" and "a" are one name, an object whose name
// differs only in case from one in place is never written over it: ErrDiffers.
//
// What readers see is the old object or the new one. When a Put returns, readers
// see the object. It outlives a loss of power from the next Put with Always or
// IfMatch on, or from Close: see unflushed.
func (f *Bucket) Put(ctx context.Context, key string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	name, err := localName(key)
	if err != nil {
		return bucket.Info{}, err
	}
	info, err := f.put(ctx, name, o, c)
	if refusedByDisk(err) {
		err = errors.Join(err, bucket.ErrRefused)
	}
	if err != nil {
		return bucket.Info{}, fmt.Errorf("put %q: %w", key, err)
	}
	return info, nil
}

func (f *Bucket) put(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	if err := o.Check(ctx, c); err != nil {
		return bucket.Info{}, err
	}
	// This spares the work and the lock when there is nothing to write; the decision
	// that counts is publish's.
	have, write, err := f.decide(ctx, name, o, c)
	if err != nil {
		return bucket.Info{}, err
	}
	have.Existed = true
	if !write {
		f.unflushed.add(name)
		return have, o.Copy(ctx, io.Discard)
	}
	root, err := f.writable()
	if err != nil {
		return bucket.Info{}, err
	}
	temp, err := f.stage(ctx, root, name, o)
	if err != nil {
		return bucket.Info{}, err
	}
	// After a rename there is nothing left to remove. What cannot be removed
	// is swept by the next writer.
	defer func() { _ = root.Remove(temp) }()
	have, err = f.publish(ctx, root, temp, name, o, c)
	if err == nil {
		f.unflushed.add(name)
	}
	return have, err
}

// decide says by the object in place what a put of o has to do.
func (f *Bucket) decide(ctx context.Context, name string, o bucket.Object, c bucket.Condition) (have bucket.Info, write bool, err error) {
	file, have, err := f.read(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		write, err = c.Decide(false, bucket.Info{}, false)
		return bucket.Info{}, write, err
	}
	if err != nil {
		return bucket.Info{}, false, err
	}
	defer func() { _ = file.Close() }() // only read
	same := false
	if have.Size == o.Size { // another size is other content
		_, sum, err := bucket.Digest(ctx, f.Count(ctx, file))
		if err != nil {
			return bucket.Info{}, false, err
		}
		if same = sum == o.SHA256; !same && c == bucket.IfAbsent() {
			return have, false, bucket.Differs(have, sum, o)
		}
	}
	write, err = c.Decide(same, have, true)
	return have, write, err
}

// stage writes the object, checked and flushed, to a new temporary file and
// returns its name. After an error there is none.
func (f *Bucket) stage(ctx context.Context, root *os.Root, name string, o bucket.Object) (string, error) {
	if o.Base.Length == 0 {
		return f.stageWith(root, func(temp tempFile) error { return o.Copy(ctx, temp) })
	}
	from, have, err := f.read(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("it does not exist: %w", bucket.ErrBase)
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = from.Close() }() // only read
	if have.Size < o.Base.Length {
		return "", fmt.Errorf("it has only %d bytes: %w", have.Size, bucket.ErrBase)
	}
	return f.stageWith(root, func(temp tempFile) error {
		same, err := o.Base.IsPrefixOf(io.TeeReader(f.Count(ctx, from), temp))
		if err == nil && !same {
			err = fmt.Errorf("its first %d bytes are different: %w", o.Base.Length, bucket.ErrBase)
		}
		if err != nil {
			return err
		}
		return o.Copy(ctx, temp)
	})
}

// stageWith makes a temporary file of what write writes.
func (f *Bucket) stageWith(root *os.Root, write func(tempFile) error) (string, error) {
	temp := filepath.Join(privateFolder, tempPrefix+strconv.FormatUint(f.temps.Add(1), 10))
	file, err := f.disk.create(root, temp)
	if err != nil {
		return "", f.adviseWrite(privateFolder, err)
	}
	err = write(file)
	if err == nil {
		// Before the name, the bytes: after a loss of power a name without
		// its bytes would be an object that is not whole.
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		_ = root.Remove(temp) // the next writer sweeps it otherwise
		return "", f.adviseWrite(privateFolder, err)
	}
	return temp, nil
}

// publish gives the staged file its name, if c holds at that instant, and says what is
// in place then. The lock of the folder keeps other runs out, and publishing the other
// puts of this one.
func (f *Bucket) publish(ctx context.Context, root *os.Root, temp, name string, o bucket.Object, c bucket.Condition) (bucket.Info, error) {
	stat, err := root.Stat(temp)
	if err == nil && c != bucket.IfAbsent() && c != bucket.IfNew() {
		err = f.unflushed.flush(root)
	}
	if err != nil {
		return bucket.Info{}, err
	}
	f.publishing.Lock()
	defer f.publishing.Unlock()
	if c != bucket.Always() {
		have, write, err := f.decide(ctx, name, o, c)
		if err != nil || !write {
			have.Existed = true
			return have, err
		}
	}
	if err := f.checkName(root, name, c); err != nil {
		return bucket.Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return bucket.Info{}, err
	}
	return infoOf(stat, o.SHA256), f.adviseWrite(filepath.Dir(name), rename(root, temp, name))
}

// checkName refuses to replace what is no object, such as a dangling link, where c
// wants nothing to be there, and a file whose path has letters of the other case, where
// the file system does not tell them apart.
func (f *Bucket) checkName(root *os.Root, name string, c bucket.Condition) error {
	if _, err := root.Lstat(name); err != nil {
		return nil // nothing is there to be replaced
	}
	if c.Creates() {
		return fmt.Errorf("what is there is no object: %w", fs.ErrExist)
	}
	if !f.folds {
		return nil
	}
	dir := "."
	for segment := range strings.SplitSeq(name, string(filepath.Separator)) {
		names, err := f.disk.names(root, dir)
		if err != nil {
			return err
		}
		if !slices.Contains(names, segment) {
			return fmt.Errorf("%q exists in another letter case, and this file system does not distinguish the two; "+
				"use a file system that distinguishes upper and lower case: %w", segment, bucket.ErrDiffers)
		}
		dir = filepath.Join(dir, segment)
	}
	return nil
}

// rename gives temp the name, and makes the folders above it if they are missing. Most
// names have theirs, so this saves looking.
func rename(root *os.Root, temp, name string) error {
	err := root.Rename(temp, name)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return root.Rename(temp, name)
}
