package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// What git moves is counted as packs, which is nearly all of it: those that a
// remote sends by a program that git runs in the place of the one that makes
// them, those that it takes by keeping each as a file. Both are settings of
// git that a user could make; none is of the program that is measured.

// countCommand is the argument that makes this program a remote's maker of packs.
const countCommand = "count-pack"

// countPack runs a command and adds the bytes that it writes, as a line, to a
// file.
func countPack(ctx context.Context, arguments []string, stdout io.Writer) (err error) {
	if len(arguments) < 2 {
		return errors.New("count-pack wants a file and a command")
	}
	command := exec.CommandContext(ctx, arguments[1], arguments[2:]...)
	counted := &meter{w: stdout}
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, counted, os.Stderr
	if err := command.Run(); err != nil {
		return err
	}
	file, err := os.OpenFile(arguments[0], os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = fmt.Fprintln(file, counted.n)
	return err
}

// A meter counts what is written through it.
type meter struct {
	w io.Writer
	n int64
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.n += int64(n)
	return n, err
}

// writeGitSettings writes git's settings for all that is measured: remotes that
// can filter, as hosts do, and no housekeeping in the midst of a measurement.
func writeGitSettings(path, program, packs string) error {
	hook := fmt.Sprintf("'%s' %s '%s'", program, countCommand, packs)
	return os.WriteFile(path, []byte(`[user]
	name = Benchmark
	email = benchmark@example.org
[gc]
	auto = 0
[maintenance]
	auto = false
[receive]
	unpackLimit = 1
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
	packObjectsHook = "`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(hook)+`"
[advice]
	detachedHead = false
`), 0o600)
}

// takePacked returns the sum of the lines in a file, and removes it.
func takePacked(path string) (int64, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var sum int64
	for field := range strings.FieldsSeq(string(raw)) {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read %q: %w", path, err)
		}
		sum += n
	}
	return sum, os.Remove(path)
}

// packs returns the bytes in the packs of bare repositories.
func packs(repositories ...string) (int64, error) {
	var sum int64
	for _, repository := range repositories {
		found, err := filepath.Glob(filepath.Join(repository, "objects", "pack", "*.pack"))
		if err != nil {
			return 0, err
		}
		for _, pack := range found {
			info, err := os.Stat(pack)
			if err != nil {
				return 0, err
			}
			sum += info.Size()
		}
	}
	return sum, nil
}
