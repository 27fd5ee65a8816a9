package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// window is how far back the packed index refers: 128 MiB.
const window = 128 << 20

// A corpus is an index whose beginnings are upstreams of several sizes.
type corpus struct {
	path string  // of 01-index.tar
	ends []int64 // ends[n] is the length of the index of n entries
	days []int64 // days[n] is the UTC day, since 1970, of its last entry
}

// errData says where the data should be.
var errData = errors.New("the data of the benchmark is not there: give the folder with scaleserver and NAME-01-index.tar.zst by -data or BENCH_SCALE")

// openCorpus unpacks the index of a name into a folder.
func openCorpus(ctx context.Context, data, name, dir string) (*corpus, error) {
	packed, err := os.Open(filepath.Join(data, name+"-01-index.tar.zst"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", errData, err)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = packed.Close() }() // only read
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	c := &corpus{path: filepath.Join(dir, "01-index.tar")}
	if err := unpack(packed, c.path); err != nil {
		return nil, fmt.Errorf("unpack %q: %w", packed.Name(), err)
	}
	c.ends, c.days = []int64{0}, []int64{0}
	return c, c.each(ctx, -1, func(_ int, e index.Entry) error {
		c.ends, c.days = append(c.ends, e.End), append(c.days, e.Time.Unix()/secondsOfDay)
		return nil
	})
}

const secondsOfDay = 24 * 60 * 60

// sameWeek reports whether an index of so many entries ends in the same week, from
// Monday on, as one of more. The first of January 1970 was a Thursday.
func (c *corpus) sameWeek(n, more int) bool {
	week := func(day int64) int64 { return (day + 3) / 7 }
	return week(c.days[n]) == week(c.days[more])
}

func unpack(packed io.Reader, path string) (err error) {
	r, err := zstd.NewReader(packed, zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return err
	}
	defer r.Close()
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.Copy(file, r)
	return err
}

// entries returns how many entries there are.
func (c *corpus) entries() int { return len(c.ends) - 1 }

// each gives the first n entries by number, from 0; all if n is negative. The
// content is valid until do returns.
func (c *corpus) each(ctx context.Context, n int, do func(number int, e index.Entry) error) error {
	return c.between(ctx, 0, n, do)
}

// between is each for the entries from one number up to another.
func (c *corpus) between(ctx context.Context, from, to int, do func(int, index.Entry) error) error {
	file, err := os.Open(c.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	var begin int64
	if from > 0 {
		begin = c.ends[from]
	}
	if _, err := file.Seek(begin, io.SeekStart); err != nil {
		return err
	}
	number := from
	for e, err := range index.NewLog(bufio.NewReaderSize(file, 1<<20), index.Position{}).Entries() {
		if err != nil {
			return err
		}
		if number == to {
			break
		}
		e.Offset, e.End = e.Offset+begin, e.End+begin
		if err := errors.Join(do(number, e), ctx.Err()); err != nil {
			return err
		}
		number++
	}
	return nil
}

// buildScaleserver compiles the server.
func buildScaleserver(ctx context.Context, data, program string) error {
	command := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "./cmd/scaleserver")
	command.Dir = data
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build scaleserver in %q: %w: %s", data, err, said)
	}
	return nil
}
