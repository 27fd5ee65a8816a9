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

// paceSteps say how what paces the workflow is set up.
func (s *Setup) paceSteps(*state) []step {
	repo := " --repo " + s.Repository
	switch s.Pace {
	case Outside:
		return []step{{
			"Have a scheduler outside GitHub send this request each five minutes, with a token that has only \"Actions: Read and write\" on " + s.Repository + ":",
			[]string{
				"POST https://api.github.com/repos/" + s.Repository + "/actions/workflows/" + filepath.Base(s.File) + "/dispatches",
				"Authorization: Bearer TOKEN",
				`{"ref":"` + s.branch() + `"}`,
			},
			"The ref is the repository's default branch. Make the token at https://github.com/settings/personal-access-tokens/new. Ready for Amazon EventBridge, systemd and hosted crons: " + docs + "pace.md#outside",
		}}
	case Chain:
		return []step{{
			"Make the environment whose wait timer is the pace, in minutes (10 at least), and start the chain. It is for public repositories: in private ones most plans ignore the timer, and then the chain stops:",
			[]string{
				"gh api --method PUT repos/" + s.Repository + "/environments/pace -F wait_timer=30",
				"gh variable set PACE" + repo + " --body " + Chain,
				"gh workflow run pace.yml" + repo,
			},
			"If an earlier chain was ended here, before the last one: gh workflow enable pace.yml" + repo + "\n    What it gives, costs and risks: " + docs + "pace.md#" + Chain,
		}}
	}
	return nil
}

// branch is the default one of the repository, as far as this folder knows.
func (s *Setup) branch() string { return cmp.Or(s.Here.Branch, "main") }

// runnerSteps say where the runner of one's own comes from.
func (s *Setup) runnerSteps(*state) []step {
	if s.Pace != Watch {
		return nil
	}
	return []step{{
		"Register a runner of your own for " + s.Repository + ", on which the mirror may stay. It needs bash, curl and git:",
		nil,
		"At https://github.com/" + s.Repository + "/settings/actions/runners/new. What it gives, costs and risks: " + docs + "pace.md#" + Watch,
	}}
}

// formerSteps end what another pace left behind.
func (s *Setup) formerSteps(st *state) []step {
	repo := " --repo " + s.Repository
	var all []step
	if s.Pace != Watch && (st.settings[watchVariable] == watchFor || s.Former == Watch && !s.GH) {
		all = append(all, step{"Have runs no longer stay, which they should not do on GitHub's own machines:", []string{"gh variable delete " + watchVariable + repo}, ""})
	}
	left, err := s.chainFiles()
	if s.Pace == Chain || err != nil || len(left) == 0 {
		return all
	}
	remove := "git rm"
	for _, path := range left {
		remove += " " + plain.ShellWord(path)
	}
	return append(all, step{
		"End the chain that was set up before:",
		[]string{
			"gh workflow disable pace.yml" + repo,
			remove,
			"gh variable delete PACE" + repo,
			"gh api --method DELETE repos/" + s.Repository + "/environments/pace",
		},
		"Commit and push this as well.",
	})
}
