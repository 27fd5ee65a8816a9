package gitrepo

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"math"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// History goes back from a commit along first parents, fetching what it takes: only
// commits, from a remote that can do so, and more of them each time. It begins
// with from and ends before until ("" for none), after most commits, or where the
// remote's history ends. Whether it came to until shows by the first parent of
// the last one. from must be a commit that Fetch fetched, or an ancestor of one:
// else the error is fs.ErrNotExist, after all of the history was fetched. ErrMoved
// says that the remote moved since Fetch.
//
// Trees and files of these commits come as those of the newest one do.
func (r *Repo) History(ctx context.Context, from, until string, most int) iter.Seq2[gitpack.Commit, error] {
	return func(yield func(gitpack.Commit, error) bool) {
		id := from
		for range most {
			if id == until {
				return
			}
			c, err := r.commit(ctx, id)
			if errors.Is(err, fs.ErrNotExist) && id != from {
				return
			}
			if !yield(c, err) || err != nil || len(c.Parents) == 0 {
				return
			}
			id = c.Parents[0]
		}
	}
}

// commit reads a commit, which may be an older one.
func (r *Repo) commit(ctx context.Context, id string) (gitpack.Commit, error) {
	for {
		c, err := r.ReadCommit(ctx, id)
		if !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
		if more, deeper := r.fetchDeeper(ctx, math.MaxInt32); !more || deeper != nil {
			return c, cmp.Or(deeper, err)
		}
	}
}

// IsAncestor reports whether a commit is an ancestor of another one, or the same. Where
// it takes more history than is here, that is fetched, up to about most commits
// of it; what is further apart is none.
func (r *Repo) IsAncestor(ctx context.Context, old, new string, most int) (bool, error) {
	if err := errors.Join(gitpack.CheckID(old), gitpack.CheckID(new), r.Flush(ctx)); err != nil {
		return false, err
	}
	for {
		here, err := r.ids(ctx, []string{old, new})
		is := false
		if err == nil && here[0] != "" && here[1] != "" {
			is, err = r.isAncestorHere(ctx, old, new)
		}
		if is || err != nil {
			return is, err
		}
		if more, err := r.fetchDeeper(ctx, most); !more || err != nil {
			return false, err
		}
	}
}

// isAncestorHere is IsAncestor by what is here, where both commits must be. Unlike rev-list,
// merge-base does not stop early by the dates of commits, which a clock that was set
// back turns around.
func (r *Repo) isAncestorHere(ctx context.Context, old, new string) (bool, error) {
	_, err := r.git.output(ctx, nil, "merge-base", "--is-ancestor", old, new)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		return false, nil
	}
	return err == nil, err
}

// fetchDeeper fetches more of the history of the refs; false says that no more is there
// or wanted.
func (r *Repo) fetchDeeper(ctx context.Context, most int) (bool, error) {
	cut, err := os.ReadFile(filepath.Join(r.git.dir, "shallow"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // all of it is here
	}
	if err != nil || len(cut) == 0 || len(r.refs) == 0 || r.depth >= most {
		return false, err
	}
	// A commit takes about half a KiB.
	r.depth = map[int]int{1: 50, 50: 500, 500: 5_000, 5_000: 50_000}[r.depth]
	if r.depth == 0 {
		r.depth = math.MaxInt32
	}
	return true, r.refetch(ctx)
}
