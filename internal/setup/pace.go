package setup

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	workflows "github.com/hackage-mirror/hackage-mirror/.github/workflows"
	"github.com/hackage-mirror/hackage-mirror/internal/pace"
)

// watchVariable lets runs stay, for so long.
const watchVariable, watchFor = "WATCH", "50m"

// What starts the workflow.
const (
	Cron    = "cron"    // its schedule
	Outside = "outside" // a scheduler elsewhere, and the schedule
	Chain   = "chain"   // pace.yml, which waits and starts itself again
	Watch   = "watch"   // the schedule, and runs that stay on a runner of one's own
)

// schedule is the part of mirror.yml that starts it by itself.
var schedule = regexp.MustCompile(`(?m)^  schedule:\n(    .*\n)+`)

// A file is one of GitHub's, such as a workflow, with what it does, and when if that
// is in its text.
type file struct {
	path, does string
	timed      bool
	text       func(pin string) []byte
	outcome    string // what became of it
}

// workflows are the files that the plan needs, that of the mirror first.
func (s *Setup) workflows() []file {
	mirror := file{path: s.File, does: "runs the mirror", timed: true, text: s.Workflow}
	if s.Pace != Chain {
		return []file{mirror}
	}
	beside := func(name, does string, timed bool, text string) file {
		return file{path: filepath.Join(filepath.Dir(s.File), name), does: does, timed: timed, text: func(pin string) []byte {
			return []byte(ownUses.ReplaceAllString(s.atMinute(text), "${1}@"+pin))
		}}
	}
	return []file{
		mirror,
		beside(pace.PacerFile, "starts the mirror each 30 minutes", false, workflows.Pace),
		beside(pace.MenderFile, "restarts pace.yml if it stopped,", true, workflows.Mend),
	}
}

// describe completes what a workflow does with when, by the text that is in its file:
// that may be of an earlier plan, or somebody's own.
func (w *file) describe(text []byte) {
	if !w.timed {
		return
	}
	hourly, other := cronMinute.FindSubmatch(text), anyCron.Match(text)
	switch {
	case hourly != nil:
		w.does += " at minute " + string(hourly[2]) + " of each hour"
	case other:
		w.does += " by the schedule in it"
	default:
		w.does += " when another workflow or a person starts it"
	}
}

// atMinute gives a schedule the minute of the repository.
func (p Plan) atMinute(text string) string {
	return strings.Replace(text, `cron: "23 `, fmt.Sprintf(`cron: "%d `, minuteOf(p.Repository)), 1)
}

// checkFile refuses to pace a workflow that pace.yml would not find, and to end a
// chain while nothing else would start the workflow.
func (s *Setup) checkFile() error {
	if s.Pace == Chain {
		if filepath.Base(s.File) != pace.MirrorFile {
			return errors.New("pace.yml starts mirror.yml, so a workflow of another name has no chain; leave out workflow, or use another pace")
		}
		return nil
	}
	left, err := s.chainFiles()
	if err != nil || len(left) == 0 || s.ForceWorkflow {
		return err
	}
	if text, err := readFile(s.File); err != nil || text == nil || schedule.Match(text) {
		return err
	}
	return fmt.Errorf("%q has no schedule, because a chain starts it, so nothing would start it after the chain; add --force-workflow, which puts the schedule back", s.File)
}

// chainFiles are those of a chain that was set up before.
func (s *Setup) chainFiles() (paths []string, err error) {
	for _, name := range []string{pace.PacerFile, pace.MenderFile} {
		path := filepath.Join(filepath.Dir(s.File), name)
		there, err := readFile(path)
		if err != nil {
			return nil, err
		}
		if there != nil {
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// branch is the default one of the repository, as far as this folder knows.
func (s *Setup) branch() string { return cmp.Or(s.Here.Branch, "main") }
