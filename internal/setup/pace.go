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
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
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

// addPace says how what paces the workflow is set up.
func (l *checklist) addPace() {
	repo := " --repo " + l.Repository
	switch l.Pace {
	case Outside:
		l.add("Have a scheduler outside GitHub send this request each five minutes, with a token that has only \"Actions: Read and write\" on "+l.Repository+":",
			"The ref is the repository's default branch. Make the token at https://github.com/settings/personal-access-tokens/new. Ready for Amazon EventBridge, systemd and hosted crons: "+docs+"pace.md#outside",
			"POST https://api.github.com/repos/"+l.Repository+"/actions/workflows/"+filepath.Base(l.File)+"/dispatches",
			"Authorization: Bearer TOKEN",
			`{"ref":"`+l.branch()+`"}`)
	case Chain:
		l.add("Make the environment whose wait timer is the pace, in minutes (10 at least), and start the chain. It is for public repositories: in private ones most plans ignore the timer, and then the chain stops:",
			"If an earlier chain was ended here, before the last one: gh workflow enable pace.yml"+repo+"\n    What it gives, costs and risks: "+docs+"pace.md#"+Chain,
			"gh api --method PUT repos/"+l.Repository+"/environments/pace -F wait_timer=30",
			"gh variable set PACE"+repo+" --body "+Chain,
			"gh workflow run pace.yml"+repo)
	}
}

// branch is the default one of the repository, as far as this folder knows.
func (s *Setup) branch() string { return cmp.Or(s.Here.Branch, "main") }

// addRunner says where the runner of one's own comes from.
func (l *checklist) addRunner() {
	if l.Pace == Watch {
		l.add("Register a runner of your own for "+l.Repository+", on which the mirror may stay. It needs bash, curl and git:",
			"At https://github.com/"+l.Repository+"/settings/actions/runners/new. What it gives, costs and risks: "+docs+"pace.md#"+Watch)
	}
}

// addFormer ends what another pace left behind.
func (l *checklist) addFormer() {
	repo := " --repo " + l.Repository
	if l.Pace != Watch && (l.settings[watchVariable] == watchFor || l.Former == Watch && !l.GH) {
		l.add("Have runs no longer stay, which they should not do on GitHub's own machines:", "", "gh variable delete "+watchVariable+repo)
	}
	left, err := l.chainFiles()
	if l.Pace == Chain || err != nil || len(left) == 0 {
		return
	}
	remove := "git rm"
	for _, path := range left {
		remove += " " + plain.ShellWord(path)
	}
	l.add("End the chain that was set up before:", "Commit and push this as well.",
		"gh workflow disable pace.yml"+repo,
		remove,
		"gh variable delete PACE"+repo,
		"gh api --method DELETE repos/"+l.Repository+"/environments/pace")
}
