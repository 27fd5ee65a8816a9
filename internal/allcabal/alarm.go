package allcabal

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// Alarms say that somebody else committed to the branch, found in this run or in
// an earlier one, and what to do. One ends when it was acknowledged or told for
// long enough.
func (d *Repository) Alarms() []string {
	var all []string
	for _, a := range d.alarms {
		if d.base.undo && a.Commit == d.base.first() {
			all = append(all, d.foundForeign(a))
			continue
		}
		all = append(all, fmt.Sprintf("commit %s on branch %q, found at %s, was not signed by this mirror, and its changes were undone. "+
			"Find out who can push there; to see it: %s. %s",
			a.Commit, d.o.Branch, a.Since.UTC().Format(time.RFC3339), d.show(a.Commit), acknowledge(a)))
	}
	return all
}

// raise adds the alarm of foreign commits, of which the oldest is given.
func (d *Repository) raise(commit string, since time.Time) {
	d.alarms = state.Raise(d.alarms, state.Alarm{Commit: commit, Since: since.UTC()})
}

// acknowledge says how an alarm ends.
func acknowledge(a state.Alarm) string {
	return fmt.Sprintf("The alarm ends at %s, or after one run with adopt, which also accepts what is on the branch by then",
		a.Since.Add(state.AlarmStands).UTC().Format(time.RFC3339))
}

// foundForeign tells of foreign commits that this run undoes.
func (d *Repository) foundForeign(a state.Alarm) string {
	b := d.base
	var paths, others firstNames
	for _, change := range b.undone {
		paths.add(change.Path)
		if !isData(change.Path) && gitpack.CheckPath(change.Path) == nil && !strings.Contains(change.Path, ",") {
			others.add(change.Path)
		}
	}
	commits := "commit " + b.first()
	if n := len(b.foreign); n > 1 {
		commits = fmt.Sprintf("%d commits, %s to %s,", n, b.first(), b.foreign[0])
	}
	what := "undone"
	if d.o.DryRun {
		what = "a run would undo"
	}
	if paths.n == 0 {
		paths.add("nothing, because they change no data")
	}
	text := fmt.Sprintf("%s on branch %q: not signed by this mirror; %s: %s. Find out who can push there; to see it: %s.",
		commits, d.o.Branch, what, paths, d.show(b.first()))
	if others.n > 0 {
		text += fmt.Sprintf(" If %s is yours, set keep: %s, and bring it back: %s.",
			others, strings.Join(others.names, ","), d.bringBack(others.names))
	}
	return text + " " + acknowledge(a)
}

// show returns the command that shows a commit.
func (d *Repository) show(commit string) string {
	return fmt.Sprintf("git clone --bare %s data.git && git -C data.git show %s", d.address(), commit)
}

// address is the remote's in a command for a shell.
func (d *Repository) address() string { return plain.ShellWord(d.o.Repo.ForCommands()) }

// bringBack returns the commands that commit files of a foreign commit again.
func (d *Repository) bringBack(paths []string) string {
	quoted := make([]string, len(paths))
	for i, path := range paths {
		quoted[i] = plain.ShellWord(path)
	}
	return fmt.Sprintf("git clone -b %s %s data && cd data && git checkout %s -- %s && git commit -m 'Bring back' && git push",
		plain.ShellWord(d.o.Branch), d.address(), d.base.foreign[0], strings.Join(quoted, " "))
}

// removal returns the command that removes refs of the remote.
func (d *Repository) removal(refs ...string) string {
	command := "git init -q --bare empty.git && git -C empty.git push " + d.address()
	for _, ref := range refs {
		command += " " + plain.ShellWord(":"+ref)
	}
	return command
}

// refusedUndo is the error of a host that does not let us put back what somebody
// else committed. Only a person may set a branch back.
func (d *Repository) refusedUndo(err error) error {
	b := d.base
	return fmt.Errorf("commit %s on branch %q is not signed by this mirror, and the host does not let this mirror undo its changes: %w; "+
		"the tag stays where it is. Allow the push, or set the branch back yourself: "+
		"git clone --bare %s data.git && git -C data.git push %s origin %s",
		b.first(), d.o.Branch, err, d.address(),
		plain.ShellWord("--force-with-lease="+d.o.Branch+":"+d.head), plain.ShellWord(b.commit+":refs/heads/"+d.o.Branch))
}

// firstNames are the first of many names.
type firstNames struct {
	n     int
	names []string
}

func (f *firstNames) add(name string) {
	if f.n++; f.n <= 5 {
		f.names = append(f.names, name)
	}
}

// String lists the names, in quotes where they are not plain.
func (f firstNames) String() string {
	shown := make([]string, len(f.names))
	for i, name := range f.names {
		if shown[i] = name; strconv.Quote(name) != `"`+name+`"` {
			shown[i] = strconv.Quote(name)
		}
	}
	text := strings.Join(shown, ", ")
	if more := f.n - len(f.names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
