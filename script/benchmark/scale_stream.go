package main

import (
	"bufio"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A history is what a git repository of the first entries of an index is made
// of by the plainest means: a stream for git fast-import.
type history struct {
	path    string
	commits int
	files   int // written, over all commits
}

// writeSnapshot writes the stream of one commit that holds the newest content
// of each path of the first n entries.
func writeSnapshot(ctx context.Context, c *corpus, n int, path string) (history, error) {
	newest := map[string]int{}
	err := c.each(ctx, n, func(number int, e index.Entry) error {
		newest[e.Path()] = number
		return nil
	})
	if err != nil {
		return history{}, err
	}
	return writeStream(path, func(s *stream) error {
		return c.each(ctx, n, func(number int, e index.Entry) error {
			if e.Kind == index.PackageJSON || newest[e.Path()] != number {
				return nil
			}
			s.add(e)
			return nil
		})
	})
}

// writeDaily writes the stream of a commit for each UTC day of the first n
// entries, where another one begins before a path would repeat.
func writeDaily(ctx context.Context, c *corpus, n int, path string) (history, error) {
	return writeStream(path, func(s *stream) error {
		held := map[string]bool{}
		var day time.Time
		return c.each(ctx, n, func(_ int, e index.Entry) error {
			if e.Kind == index.PackageJSON {
				return nil
			}
			today := e.Time.UTC().Truncate(24 * time.Hour)
			if len(held) > 0 && (held[e.Path()] || today.After(day)) {
				s.open, day = false, time.Time{}
				clear(held)
			}
			if today.After(day) {
				day = today
			}
			held[e.Path()] = true
			s.add(e)
			return nil
		})
	})
}

// A stream is one for git fast-import that is being written.
type stream struct {
	out  *bufio.Writer
	open bool // the commit takes more files
	made history
}

func writeStream(path string, fill func(*stream) error) (_ history, err error) {
	file, err := os.Create(path)
	if err != nil {
		return history{}, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	s := &stream{out: bufio.NewWriterSize(file, 1<<20), made: history{path: path}}
	if err := fill(s); err != nil {
		return history{}, err
	}
	return s.made, s.out.Flush() // which has the first error of any write
}

// add writes an entry into the commit, and begins one if need be.
func (s *stream) add(e index.Entry) {
	if !s.open {
		message := "Update from Hackage at " + e.Time.UTC().Format(time.RFC3339) + "\n"
		fmt.Fprintf(s.out, "commit refs/heads/hackage\ncommitter Benchmark <benchmark@example.org> %d +0000\ndata %d\n%s", e.Time.Unix(), len(message), message)
		s.open = true
		s.made.commits++
	}
	fmt.Fprintf(s.out, "M 100644 inline %s\ndata %d\n", e.Path(), len(e.Content))
	_, _ = s.out.Write(e.Content) // Flush has its error
	_ = s.out.WriteByte('\n')
	s.made.files++
}

// blobs returns the ids of the files that a history with every revision of the
// first n entries holds.
func blobs(ctx context.Context, c *corpus, n int) (map[[sha1.Size]byte]bool, error) {
	ids := map[[sha1.Size]byte]bool{}
	hash := sha1.New()
	return ids, c.each(ctx, n, func(_ int, e index.Entry) error {
		if e.Kind == index.PackageJSON {
			return nil
		}
		hash.Reset()
		fmt.Fprintf(hash, "blob %d\x00", len(e.Content))
		_, _ = hash.Write(e.Content) // it cannot fail
		ids[[sha1.Size]byte(hash.Sum(nil))] = true
		return nil
	})
}
