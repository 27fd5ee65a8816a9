package allcabal

import (
	"fmt"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// Alarm says that somebody else committed to the branch, found in this run or in
// an earlier one, and what to do; "" if nobody did, or if it was acknowledged or
// told for long enough.
func (d *Repository) Alarm() string {
	switch g := d.ground; {
	case d.alarm == (state.Alarm{}):
		return ""
	case d.alarm.Commit == g.first && len(g.undone) > 0:
		return d.foundForeign()
	}
	return fmt.Sprintf("commit %s, found on branch %q at %s, was not signed by this mirror, and what it had changed was put back. "+
		"Find out who can push there: git show %s. %s",
		d.alarm.Commit, d.o.Branch, d.alarm.Since.UTC().Format(time.RFC3339), d.alarm.Commit, d.acknowledge())
}

// acknowledge says how an alarm ends.
func (d *Repository) acknowledge() string {
	return fmt.Sprintf("This alarm ends by itself at %s, or with one run with adopt",
		d.alarm.Since.Add(state.AlarmStands).UTC().Format(time.RFC3339))
}

// foundForeign tells of foreign commits that this run undoes.
func (d *Repository) foundForeign() string {
	g := d.ground
	var paths, others few
	for _, change := range g.undone {
		if paths.add(change.Path); !isData(change.Path) {
			others.add(change.Path)
		}
	}
	commits := "commit " + g.first
	if g.foreign > 1 {
		commits = fmt.Sprintf("%d commits, %s to %s,", g.foreign, g.first, g.last)
	}
	text := fmt.Sprintf("%s on branch %q: not signed by this mirror; put back: %s. Find out who can push there: git show %s.",
		commits, d.o.Branch, paths, g.first)
	if others.n > 0 {
		text += fmt.Sprintf(" If %s is yours, set keep: %s, and bring it back: %s.",
			others, strings.Join(others.names, ","), d.bringBack(others.names))
	}
	return text + " " + d.acknowledge()
}

// bringBack returns the commands that commit files of a foreign commit again.
func (d *Repository) bringBack(paths []string) string {
	quoted := make([]string, len(paths))
	for i, path := range paths {
		quoted[i] = shellWord(path)
	}
	return fmt.Sprintf("git clone -b %s %s data && cd data && git checkout %s -- %s && git commit -m 'Bring back' && git push",
		shellWord(d.o.Branch), shellWord(d.String()), d.ground.last, strings.Join(quoted, " "))
}

// shellWord quotes a word for a shell, if it needs that.
func shellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@+", r)
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// refusedUndo is the error of a host that does not let us put back what somebody
// else committed. Only a person may set a branch back.
func (d *Repository) refusedUndo(err error) error {
	g := d.ground
	return fmt.Errorf("push to %q: commit %s on branch %q is not signed by this mirror, and the host does not let us put back what it changed: %w; "+
		"the tag stays where it is. Allow the push, or set the branch back yourself: "+
		"git clone --bare %s data.git && cd data.git && git push --force-with-lease=%s:%s origin %s:refs/heads/%s",
		d, g.first, d.o.Branch, err, shellWord(d.String()), shellWord(d.o.Branch), g.last, g.commit, shellWord(d.o.Branch))
}
