package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// readCommand is the argument that makes this program read a packed index: a
// process of its own, so that its memory can be told.
const readCommand = "read-index"

// The ways to read a packed index.
const (
	readPlain  = "plain"  // unpack it and take its SHA-256: the least there is to do
	readParsed = "parsed" // with our parser, which takes the SHA-256, too
)

// readIndex reads a packed index to its end.
func readIndex(_ context.Context, arguments []string, stdout io.Writer) error {
	if len(arguments) != 2 {
		return errors.New("read-index wants a way and a file")
	}
	file, err := os.Open(arguments[1])
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	r, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	if arguments[0] == readPlain {
		sum := sha256.New()
		n, err := io.CopyBuffer(sum, struct{ io.Reader }{r}, make([]byte, 1<<20))
		if err == nil {
			_, err = fmt.Fprintf(stdout, "%d bytes, %x\n", n, sum.Sum(nil))
		}
		return err
	}
	tail, err := index.Scan(index.NewLog(r, index.Position{}), func(string) bool { return true })
	if err == nil {
		_, err = fmt.Fprintf(stdout, "%d entries of %d bytes\n", tail.Entries, tail.To.Length)
	}
	return err
}
