package gitrepo

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os/exec"
	"strconv"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// MaxBlob is the size in bytes of the largest file that is read into memory.
const MaxBlob = 4 << 20

// A reader is one running git cat-file --batch-command: a line "contents NAME"
// asks for an object, the answer is a line "ID TYPE SIZE", the bytes and a
// newline. To "info NAME" only the line comes. What is not there is "NAME
// missing".
type reader struct {
	cmd  *exec.Cmd
	said *bounded
	in   io.WriteCloser
	out  *bufio.Reader
	kill context.CancelFunc
}

func (r *Repo) startReader() (*reader, error) {
	ctx, kill := context.WithCancel(r.life)
	cmd, said := r.git.command(ctx, "cat-file", "--batch-command")
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := cmp.Or(inErr, outErr, cmd.Start()); err != nil {
		kill()
		return nil, fmt.Errorf("start git cat-file: %w", err)
	}
	return &reader{cmd: cmd, said: said, in: in, out: bufio.NewReader(out), kill: kill}, nil
}

// Close ends the process. That it was stopped is no error.
func (rd *reader) Close() error {
	err := rd.in.Close()
	rd.kill()
	_ = rd.cmd.Wait()
	return err
}

// object reads the object of a name that git understands.
func (r *Repo) object(ctx context.Context, name string, limit int64) (kind string, content []byte, err error) {
	if err := r.Flush(ctx); err != nil {
		return "", nil, err
	}
	return r.ask(ctx, name, limit)
}

// ask is object for what git sees already.
func (r *Repo) ask(ctx context.Context, name string, limit int64) (kind string, content []byte, err error) {
	err = r.withReader(ctx, func(rd *reader) error {
		kind, content, err = rd.ask(name, limit)
		return err
	})
	return kind, content, err
}

// ids returns the ids of objects that are given by any name, "" for each that
// is not here. They are asked for all at once, as each waits for git's answer
// otherwise.
func (r *Repo) ids(ctx context.Context, names []string) (ids []string, err error) {
	err = r.withReader(ctx, func(rd *reader) error {
		ids, err = rd.ids(names)
		return err
	})
	return ids, err
}

// withReader calls ask with the running cat-file, which it starts if there is none.
func (r *Repo) withReader(ctx context.Context, ask func(*reader) error) (err error) {
	if r.reader == nil {
		if r.reader, err = r.startReader(); err != nil {
			return err
		}
	}
	rd := r.reader
	release := context.AfterFunc(ctx, rd.kill)
	err = ask(rd)
	release()
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrTooLarge) {
		return err
	}
	// The stream is in an unknown place: the next question gets a new one.
	r.reader = nil
	_ = rd.Close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return r.git.failure(r.life, "cat-file", err, rd.said.String())
}

// ids writes its questions in another goroutine, since git stops reading while its answers
// wait.
func (rd *reader) ids(names []string) ([]string, error) {
	asked := make(chan error, 1)
	go func() {
		_, err := io.WriteString(rd.in, "info "+strings.Join(names, "\ninfo ")+"\n")
		asked <- err
	}()
	ids := make([]string, len(names))
	for i := range names {
		id, _, _, err := rd.header()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		ids[i] = id
	}
	return ids, <-asked
}

// header reads the line before an object; fs.ErrNotExist says that there is none.
func (rd *reader) header() (id, kind string, size int64, err error) {
	line, err := rd.out.ReadString('\n')
	if err != nil {
		return "", "", 0, err
	}
	if strings.HasSuffix(line, " missing\n") {
		return "", "", 0, fs.ErrNotExist
	}
	fields := strings.Fields(line)
	if len(fields) != 3 || gitpack.CheckID(fields[0]) != nil {
		return "", "", 0, fmt.Errorf("git says %.100q", line)
	}
	if size, err = strconv.ParseInt(fields[2], 10, 64); err != nil {
		return "", "", 0, fmt.Errorf("git says %.100q", line)
	}
	return fields[0], fields[1], size, nil
}

func (rd *reader) ask(name string, limit int64) (kind string, content []byte, err error) {
	if _, err := io.WriteString(rd.in, "contents "+name+"\n"); err != nil {
		return "", nil, err
	}
	_, kind, size, err := rd.header()
	if err != nil {
		return "", nil, err
	}
	if size > limit {
		if _, err := io.CopyN(io.Discard, rd.out, size+1); err != nil {
			return "", nil, err
		}
		return kind, nil, fmt.Errorf("%d bytes: %w", size, ErrTooLarge)
	}
	content = make([]byte, size+1)
	if _, err := io.ReadFull(rd.out, content); err != nil {
		return "", nil, err
	}
	return kind, content[:size], nil
}

// readTree returns the content of a tree object. One that must be fetched comes with
// all folders below it: the top of a commit is to be fetched before.
func (r *Repo) readTree(ctx context.Context, id string) ([]byte, error) {
	if id == gitpack.EmptyTree {
		return nil, nil
	}
	raw, err := gitpack.ParseID(id)
	if err != nil {
		return nil, err
	}
	content, ok, err := r.objects.Read(raw)
	if err != nil || ok {
		return content, err
	}
	kind, content, err := r.ask(ctx, id, gitpack.MaxObject)
	if errors.Is(err, fs.ErrNotExist) {
		if err := r.fetchObjects(ctx, noFiles, []string{id}); err != nil {
			return nil, err
		}
		kind, content, err = r.ask(ctx, id, gitpack.MaxObject)
	}
	if err == nil && kind != "tree" {
		err = fmt.Errorf("it is a %s: %w", kind, gitpack.ErrObject)
	}
	if err != nil {
		return nil, fmt.Errorf("read tree %s: %w", id, err)
	}
	return content, nil
}

// Blob reads the file at path in rev, a commit or tree id, fetching what it
// takes. fs.ErrNotExist says that there is nothing, ErrNotFile that it is no file
// (a symbolic link is one: where it leads) or has more than MaxBlob bytes.
func (r *Repo) Blob(ctx context.Context, rev, path string) ([]byte, error) {
	found, err := r.ResolvePaths(ctx, rev, path)
	switch {
	case err != nil:
	case found[0].Mode == "":
		err = fs.ErrNotExist
	case found[0].Mode == gitpack.ModeFolder, found[0].Mode == gitpack.ModeCommit:
		err = fmt.Errorf("it has mode %s: %w", found[0].Mode, ErrNotFile)
	default:
		err = r.FetchObjects(ctx, found[0].ID)
	}
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	return r.blob(ctx, found[0].ID, path)
}

// BlobByID reads the blob of an id that is here: FetchObjects fetches it. fs.ErrNotExist
// says that it is not here, ErrNotFile that the id is not a blob's or the blob has
// more than MaxBlob bytes. So whoever reads what others may have pushed goes on
// after ErrNotFile as if another content were there.
func (r *Repo) BlobByID(ctx context.Context, id string) ([]byte, error) {
	if err := gitpack.CheckID(id); err != nil {
		return nil, err
	}
	return r.blob(ctx, id, id)
}

func (r *Repo) blob(ctx context.Context, id, shown string) ([]byte, error) {
	kind, content, err := r.object(ctx, id, MaxBlob)
	if err == nil && kind != "blob" {
		err = fmt.Errorf("it is a %s", kind)
	}
	if kind != "" && err != nil {
		err = fmt.Errorf("%w: %w", ErrNotFile, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", shown, err)
	}
	return content, nil
}

// ReadCommit reads a commit by id. fs.ErrNotExist says that it is not here,
// gitpack.ErrObject that it is something else.
func (r *Repo) ReadCommit(ctx context.Context, id string) (gitpack.Commit, error) {
	c, err := readObject(ctx, r, "commit", id, gitpack.ParseCommit)
	c.ID = id
	return c, err
}

// ReadTag reads an annotated tag by the id of its object. Errors are those of
// ReadCommit.
func (r *Repo) ReadTag(ctx context.Context, id string) (gitpack.Tag, error) {
	return readObject(ctx, r, "tag", id, gitpack.ParseTag)
}

// readObject reads an object that must be of a type, and parses it.
func readObject[T any](ctx context.Context, r *Repo, want, id string, parse func([]byte) (T, error)) (parsed T, err error) {
	if err := gitpack.CheckID(id); err != nil {
		return parsed, err
	}
	kind, content, err := r.object(ctx, id, gitpack.MaxObject)
	if err == nil && kind != want {
		err = fmt.Errorf("it is a %s: %w", kind, gitpack.ErrObject)
	}
	if err == nil {
		parsed, err = parse(content)
	}
	if err != nil {
		return parsed, fmt.Errorf("read %s %s: %w", want, id, err)
	}
	return parsed, nil
}

// Tree lists all files of a commit or tree, given by id, in git's order, in
// which a folder sorts as if its name ended in a slash.
func (r *Repo) Tree(ctx context.Context, rev string) iter.Seq2[gitpack.File, error] {
	return func(yield func(gitpack.File, error) bool) {
		if err := r.list(ctx, rev, yield); err != nil {
			yield(gitpack.File{}, fmt.Errorf("list files of %.40q: %w", rev, err))
		}
	}
}

// list streams git's listing; leaving early stops git.
func (r *Repo) list(ctx context.Context, rev string, yield func(gitpack.File, error) bool) error {
	if err := errors.Join(gitpack.CheckID(rev), r.Flush(ctx)); err != nil {
		return err
	}
	if err := r.fetchAllTrees(ctx, rev); err != nil {
		return err
	}
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd, said := r.git.command(stop, "ls-tree", "-r", "-z", "--full-tree", rev)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewReaderSize(out, 1<<16)
	for {
		line, err := lines.ReadString(0)
		if err != nil {
			break // the end; Wait says which
		}
		file, err := parseFile(line)
		if err != nil || !yield(file, nil) {
			cancel()
			_ = cmd.Wait() // killed by us
			return err
		}
	}
	return r.git.failure(ctx, "ls-tree", cmd.Wait(), said.String())
}

// parseFile reads "MODE TYPE ID<tab>PATH<nul>".
func parseFile(line string) (gitpack.File, error) {
	head, path, ok := strings.Cut(strings.TrimSuffix(line, "\x00"), "\t")
	fields := strings.Fields(head)
	if !ok || len(fields) != 3 {
		return gitpack.File{}, fmt.Errorf("git says %.100q", line)
	}
	return gitpack.File{Path: path, Mode: fields[0], ID: fields[2]}, nil
}
