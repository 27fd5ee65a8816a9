package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// stageOn is stage for an object with a Base: the new file begins as a copy of
// the one in place, which the system makes, and where the file system can both
// share their blocks.
func (f *Folder) stageOn(ctx context.Context, root *os.Root, name string, o Object) (string, error) {
	from, err := f.openBase(ctx, root, name, o.Base)
	if err != nil {
		return "", err
	}
	defer func() { _ = from.Close() }() // only read
	return f.stageBy(root, func(temp tempFile) error {
		if err := f.disk.begin(ctx, temp, from, o.Base.Length); err != nil {
			return fmt.Errorf("copy the first %d bytes: %w", o.Base.Length, err)
		}
		return o.Copy(ctx, temp)
	})
}

// openBase opens the object in place if it begins with a base, else it is
// ErrBase. The base counts as proven by the digest that was noted when the file
// was put, as long as the file looks untouched since; otherwise it is read.
func (f *Folder) openBase(ctx context.Context, root *os.Root, name string, base Base) (*os.File, error) {
	if err := checkObject(root, name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("nothing is there: %w", ErrBase)
		}
		return nil, err
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	begins, err := f.provenBase(ctx, root, name, file, base)
	if err == nil && !begins {
		err = fmt.Errorf("another beginning of %d bytes is there: %w", base.Length, ErrBase)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (f *Folder) provenBase(ctx context.Context, root *os.Root, name string, file *os.File, base Base) (bool, error) {
	info, err := file.Stat()
	if err != nil || info.Size() < base.Length {
		return false, err
	}
	if sum, noted := f.notes.find(root, name, info); noted {
		end := io.NewSectionReader(file, base.Length, info.Size()-base.Length)
		ends, err := base.ends(ctx, end, sum)
		if err != nil || ends {
			return ends, err
		}
	}
	return base.Begins(ctx, io.NewSectionReader(file, 0, base.Length))
}

// copyStep is how much is copied between two looks at the context.
const copyStep = 64 << 20

// beginFile makes the empty file to begin with the first n bytes of another.
func beginFile(ctx context.Context, to tempFile, from *os.File, n int64) error {
	if file, ok := to.(*os.File); ok && cloneFile(file, from) == nil {
		if err := file.Truncate(n); err != nil {
			return err
		}
		_, err := file.Seek(n, io.SeekStart)
		return err
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		// Between two files the system copies by itself.
		done, err := io.CopyN(to, from, min(n, copyStep))
		if n -= done; err != nil {
			return err
		}
	}
	return nil
}

// noted reports whether the object is in place already, as far as notes tell.
func (f *Folder) noted(root *os.Root, name string, o Object) bool {
	info, err := root.Stat(name)
	if err != nil || info.Size() != o.Size {
		return false
	}
	sum, noted := f.notes.find(root, name, info)
	return noted && sum == o.SHA256
}
