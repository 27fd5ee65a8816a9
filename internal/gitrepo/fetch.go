package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// tracked is where the local repository keeps what it fetched.
const tracked = "refs/remotes/origin/"

// Refs asks the remote for its refs: full name to object id. An annotated tag
// has the id of the tag object, and a second entry, its name with "^{}" behind,
// with the id of what it points to. HEAD is there if it points to a branch. An
// empty remote has an empty map.
func (r *Repo) Refs(ctx context.Context) (map[string]string, error) {
	out, _, err := r.runRemote(ctx, nil, nil, "ls-remote", "--quiet", "--", r.remote.forGit)
	if err != nil {
		return nil, fmt.Errorf("list refs: %w", r.explain(err))
	}
	refs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		id, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case !ok:
			return nil, fmt.Errorf("list refs: git says %.100q", line)
		case len(id) == 64:
			return nil, fmt.Errorf("list refs: %w", ErrObjectFormat)
		}
		refs[name] = id
		r.showsTags = r.showsTags || strings.HasPrefix(name, tags)
	}
	// What is gone can no longer be asked for.
	r.refs = slices.DeleteFunc(r.refs, func(ref string) bool { return refs[ref] == "" })
	return refs, nil
}

// Fetch fetches the newest state of refs, given by full name, without history, and
// returns their ids as they were at one moment. Where the remote moved since Refs,
// these are newer. fs.ErrNotExist says that the remote lacks one of them.
//
// Only the commits and tags themselves come, from a remote that can do so. What
// is read of their trees is fetched by FetchObjects, ResolvePaths and Tree.
func (r *Repo) Fetch(ctx context.Context, refs ...string) (map[string]string, error) {
	if len(refs) == 0 {
		return map[string]string{}, nil
	}
	for _, ref := range refs {
		if err := gitpack.CheckRef(ref); err != nil {
			return nil, fmt.Errorf("fetch: %w", err)
		}
	}
	r.depth = max(r.depth, 1)
	err := r.fetchRefs(ctx, refs...)
	for filterRefused(err) && r.filter > noFilter {
		r.fetchMore("it refuses to leave files out (" + r.filter.String() + ")")
		err = r.fetchRefs(ctx, refs...)
	}
	if err != nil && strings.Contains(err.Error(), "couldn't find remote ref") {
		err = fmt.Errorf("%w (%w)", err, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", r.explain(err))
	}
	r.showsTags = r.showsTags || slices.ContainsFunc(refs, func(ref string) bool { return strings.HasPrefix(ref, tags) })
	r.refs = append(r.refs, refs...)
	slices.Sort(r.refs)
	r.refs = slices.Compact(r.refs)
	return r.fetched(ctx, refs)
}

// fetchRefs fetches refs, leaving out what the remote can leave out. A remote with a
// tag on the very tree of a commit leaves that out with the tree; one by one they come.
func (r *Repo) fetchRefs(ctx context.Context, refs ...string) error {
	args := []string{"--depth=" + strconv.Itoa(r.depth)}
	if r.fetchedLess {
		args = append(args, "--refetch")
	}
	args = append(args, remoteName)
	for _, ref := range refs {
		args = append(args, "+"+ref+":"+trackedName(ref))
	}
	err := r.fetch(ctx, r.filter, nil, args...)
	if err == nil || len(refs) == 1 || !strings.Contains(err.Error(), "did not send all necessary objects") {
		return err
	}
	for _, ref := range refs {
		if err := r.fetchRefs(ctx, ref); err != nil {
			return err
		}
	}
	return nil
}

// fetched reads the ids of refs that were fetched.
func (r *Repo) fetched(ctx context.Context, refs []string) (map[string]string, error) {
	names := make([]string, len(refs))
	for i, ref := range refs {
		names[i] = trackedName(ref)
	}
	kept, err := r.ids(ctx, names)
	if err != nil {
		return nil, err
	}
	ids := make(map[string]string, len(refs))
	for i, ref := range refs {
		if kept[i] == "" {
			return nil, fmt.Errorf("fetch %q: git did not keep it", ref)
		}
		ids[ref] = kept[i]
	}
	return ids, nil
}

func trackedName(ref string) string { return tracked + strings.TrimPrefix(ref, "refs/") }

// explain adds to an error what the user can do where git's words do not say it.
func (r *Repo) explain(err error) error {
	words := err.Error()
	switch {
	case errors.Is(err, ErrHostKey):
		return fmt.Errorf("%w (give the host's published keys with ssh-known-hosts; take them from its operator, not from the network)", err)
	case strings.Contains(words, "could not read Username") && r.git.secrets == nil:
		return fmt.Errorf("%w (it asks for a token: give one that may write there with the option token; a host also asks if there is no such repository)", err)
	case strings.Contains(words, "could not read Username"):
		return fmt.Errorf("%w (the token is wrong or has expired, or is not for this repository)", err)
	case errors.Is(err, ErrAuth) && strings.Contains(words, "Permission denied (publickey"):
		return fmt.Errorf("%w (give the private key with ssh-key, files-ssh-key or hashes-ssh-key, and add its public half to the repository as a deploy key that may write)", err)
	case strings.Contains(words, "unable to update url base from redirection"), strings.Contains(words, "returned error: 30"):
		return fmt.Errorf("%w (the repository has moved to another address; the token is not sent there, so use the new address)", err)
	}
	return err
}
