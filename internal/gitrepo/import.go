package gitrepo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// EmptyTree is the id of the tree without entries. git knows it without having
// it.
const EmptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// An Import makes trees, one after the other, through one git fast-import. Its
// objects can be read and pushed after Close.
//
// fast-import stores trees when it is asked for the root in the middle of a
// commit. So each tree is a commit of its own on a ref that nobody uses; the
// commits that are kept are made by WriteCommit. (One such commit for all trees
// would do, but then fast-import takes time by the square of their number.)
type Import struct {
	ctx   context.Context // ends with the caller's and with the Repo
	end   context.CancelFunc
	repo  *Repo
	cmd   *exec.Cmd
	words *tail
	in    io.WriteCloser
	buf   *bufio.Writer
	out   *bufio.Reader

	ref    string // of fast-import's own commits
	dirty  bool   // written to since the last tree
	root   string // of the last tree
	err    error  // the first that happened; nothing is done after it
	closed bool
}

// importBuffer keeps the number of writes to the pipe small.
const importBuffer = 1 << 18

// Import starts on top of the tree of parent, a commit's id, or of the empty
// tree if parent is "". The process ends with Close or with ctx.
func (r *Repo) Import(ctx context.Context, parent string) (*Import, error) {
	if err := r.Flush(ctx); err != nil {
		return nil, err
	}
	r.imports++
	im := &Import{repo: r, ref: "refs/import/" + strconv.Itoa(r.imports)}
	if err := im.start(ctx); err != nil {
		return nil, fmt.Errorf("start git fast-import: %w", err)
	}
	im.change("")
	if parent != "" {
		if err := checkID(parent); err != nil {
			im.err = err
			return nil, im.Close()
		}
		im.say("from " + parent + "\n")
	}
	root, err := im.ask()
	if err != nil {
		_ = im.Close() // it returns err again
		return nil, fmt.Errorf("start from commit %q: %w", parent, err)
	}
	im.root = root
	return im, nil
}

func (im *Import) start(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(im.repo.run, cancel)
	im.ctx, im.end = ctx, func() { release(); cancel() }
	defer func() {
		if err != nil {
			im.end()
		}
	}()
	im.cmd, im.words = im.repo.git.command(im.ctx, "fast-import", "--quiet", "--done", "--date-format=raw")
	if im.in, err = im.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := im.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	im.buf, im.out = bufio.NewWriterSize(im.in, importBuffer), bufio.NewReader(out)
	return im.cmd.Start()
}

// say sends text; an error is kept for the next call that returns one.
func (im *Import) say(text string) {
	if im.err == nil {
		_, im.err = im.buf.WriteString(text)
	}
}

// change sends a command that is part of a commit, which it starts if need be.
func (im *Import) change(command string) {
	if !im.dirty {
		im.say("commit " + im.ref + "\ncommitter x <x> 0 +0000\ndata 0\n")
		im.dirty = true
	}
	im.say(command)
}

// Write puts a plain file at path. A file in the place of a folder replaces it,
// and the other way round. The error may be of an earlier write.
func (im *Import) Write(path string, content []byte) error {
	if err := checkPath(path); err != nil {
		return err
	}
	im.change("M 100644 inline " + quotePath(path) + "\ndata " + strconv.Itoa(len(content)) + "\n")
	if im.err == nil {
		_, im.err = im.buf.Write(content)
	}
	im.say("\n")
	return im.failure()
}

// Remove takes away the file or folder at path; that there is none is no error.
func (im *Import) Remove(path string) error {
	if err := checkPath(path); err != nil {
		return err
	}
	im.change("D " + quotePath(path) + "\n")
	return im.failure()
}

// Tree ends one tree and returns its id, and whether it differs from the one
// before (at first: from the parent's). What is written next builds on it.
func (im *Import) Tree() (id string, changed bool, err error) {
	if !im.dirty && im.err == nil {
		return im.root, false, nil
	}
	id, err = im.ask()
	if err != nil {
		return "", false, fmt.Errorf("make tree: %w", err)
	}
	changed = id != im.root
	im.root = id
	return id, changed, nil
}

// ask has the root stored and returns its id. The answer is
// "040000 tree ID<tab>", or "missing " where nothing is left.
func (im *Import) ask() (string, error) {
	im.say("ls \"\"\n")
	im.dirty = false
	if im.err == nil {
		im.err = im.buf.Flush()
	}
	if im.err != nil {
		return "", im.failure()
	}
	line, err := im.out.ReadString('\n')
	if err != nil {
		im.err = err
		return "", im.failure()
	}
	if strings.HasPrefix(line, "missing ") {
		return EmptyTree, nil
	}
	id, ok := strings.CutPrefix(line, "040000 tree ")
	id, _, _ = strings.Cut(id, "\t")
	if !ok || !objectID.MatchString(id) {
		im.err = fmt.Errorf("git fast-import says %.100q", line)
	}
	return id, im.failure()
}

// failure returns the first error in the process's own words. A process whose
// pipe broke is dead or dying, so it is ended here and says why.
func (im *Import) failure() error {
	if im.err == nil || im.closed {
		return im.err
	}
	_ = im.in.Close() // broken, or the process is of no more use
	if why := im.wait(nil); why != nil {
		im.err = why
	}
	return im.err
}

// wait lets the process end and says why if that is no good end.
func (im *Import) wait(err error) error {
	im.closed = true
	defer im.end()
	return im.repo.git.explain(im.ctx, "fast-import", errors.Join(err, im.cmd.Wait()), im.words)
}

// Close ends the process. Without an error all objects are on disk.
func (im *Import) Close() error {
	if im.closed {
		return im.err
	}
	im.say("done\n")
	if im.err == nil {
		im.err = im.buf.Flush()
	}
	if im.err != nil {
		return im.failure()
	}
	if im.err = im.wait(im.in.Close()); im.err != nil {
		return im.err
	}
	im.err = errors.New("the import is closed")
	return nil
}

// Limits of a path, in bytes. git has none for the whole; file systems do.
const (
	maxPath = 4096
	maxPart = 255
)

// checkPath refuses what git's own check refuses in a tree on any system, what
// would break out of a folder, and control characters.
func checkPath(path string) error {
	if path == "" || len(path) > maxPath {
		return fmt.Errorf("check path %.80q: empty or too long: %w", path, ErrPath)
	}
	if i := strings.IndexFunc(path, func(r rune) bool { return isControl(r) || r == '\\' }); i >= 0 {
		return fmt.Errorf("check path %.80q: control character or backslash: %w", path, ErrPath)
	}
	for part := range strings.SplitSeq(path, "/") {
		if err := checkPart(part); err != nil {
			return fmt.Errorf("check path %.80q: %w", path, err)
		}
	}
	return nil
}

// checkPart refuses one name. Dots and spaces at the end and what follows a
// colon do not count on Windows, and git~1 is its short form of .git.
func checkPart(part string) error {
	if part == "" || len(part) > maxPart {
		return fmt.Errorf("empty or too long part: %w", ErrPath)
	}
	if part == "." || part == ".." {
		return fmt.Errorf("part %q: %w", part, ErrPath)
	}
	plain, _, _ := strings.Cut(strings.ToLower(part), ":")
	plain = strings.TrimRight(plain, ". ")
	if plain == ".git" || plain == "git~1" {
		return fmt.Errorf("part %q is git's own: %w", part, ErrPath)
	}
	return nil
}

// quotePath writes a path as fast-import reads it. Bytes above ASCII stay.
func quotePath(path string) string {
	return `"` + strings.ReplaceAll(path, `"`, `\"`) + `"`
}
