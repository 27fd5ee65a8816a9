package setup

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	workflows "github.com/hackage-mirror/hackage-mirror/.github/workflows"
)

// A file with a schedule is disabled after 60 quiet days, on all its events. So that
// of a chain is in a file that nothing else needs, and only what paces may start
// workflows.
func TestChainsScheduleIsAlone(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.answers.Pace = Chain
	y.must()
	for name, schedule := range map[string]bool{"mirror.yml": false, "pace.yml": false, "mend.yml": true} {
		text := y.contents()[".github/workflows/"+name]
		var w struct {
			On   map[string]any
			Jobs map[string]struct {
				Permissions map[string]string
				Environment struct {
					Name       string
					Deployment *bool
				}
			}
		}
		if err := yaml.Unmarshal([]byte(text), &w); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, ok := w.On["schedule"]; ok != schedule {
			t.Errorf("%s has a schedule: %v", name, ok)
		}
		if _, ok := w.On["workflow_dispatch"]; !ok {
			t.Errorf("%s cannot be started", name)
		}
		if strings.Contains(text, "queue:") {
			t.Errorf("%s stacks its runs", name)
		}
		for job, about := range w.Jobs {
			if paces := about.Permissions["actions"] == "write"; paces != (name != "mirror.yml") || paces && len(about.Permissions) > 1 {
				t.Errorf("%s: the job %s may do %v", name, job, about.Permissions)
			}
			if name == "pace.yml" && (about.Environment.Name != "pace" || about.Environment.Deployment == nil || *about.Environment.Deployment) {
				t.Errorf("its environment is %+v", about.Environment)
			}
		}
	}
}

// The schedule goes and nothing else.
func TestChainTakesTheScheduleOut(t *testing.T) {
	t.Parallel()
	plan := plans(t)["deploy-keys"]
	whole := string(plan.Workflow("v1"))
	plan.Pace = Chain
	_, rest, _ := strings.Cut(string(plan.Workflow("v1")), "on:\n")
	before, after, _ := strings.Cut(whole, "  schedule:\n")
	if !strings.HasPrefix(rest, "  workflow_dispatch:\n") || !strings.HasSuffix(after, rest) || !strings.HasSuffix(before, "on:\n") {
		t.Errorf("it begins %.200q", rest)
	}
	if len(strings.Split(after, "\n"))-len(strings.Split(rest, "\n")) != 2 {
		t.Error("more than the schedule is gone")
	}
}

// What pace.yml cannot find it cannot start.
func TestChainNeedsTheName(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.answers.Pace = Chain
	y.change = func(s *Setup) { s.File = y.path(".github/workflows/hackage.yml") }
	if _, err := y.do(); err == nil || !strings.Contains(err.Error(), "mirror.yml") || len(y.contents()) > 0 {
		t.Errorf("%v, %q", err, y.contents())
	}
}

// Few lines are read where many are copied.
func TestPacersAreShort(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"pace.yml": workflows.Pace, "mend.yml": workflows.Mend} {
		if lines := strings.Count(text, "\n"); lines > 40 {
			t.Errorf("%s has %d lines", name, lines)
		}
	}
}

// The template of docs/pace.md refers to nothing that it lacks.
func TestTemplateIsWhole(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "pace.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), "\n```yaml\n")
	text, _, _ = strings.Cut(text, "\n```\n")
	var template struct {
		Parameters map[string]yaml.Node `yaml:"Parameters"`
		Resources  map[string]yaml.Node `yaml:"Resources"`
	}
	if err := yaml.Unmarshal([]byte(text), &template); err != nil || len(template.Resources) != 5 {
		t.Fatalf("%d resources: %v", len(template.Resources), err)
	}
	found := 0
	for _, m := range regexp.MustCompile(`!(?:Ref|GetAtt) ([\w:]+)|\$\{([\w:]+)\}`).FindAllStringSubmatch(text, -1) {
		found++
		name := m[1] + m[2]
		_, parameter := template.Parameters[name]
		if _, resource := template.Resources[name]; !parameter && !resource && !strings.HasPrefix(name, "AWS::") {
			t.Errorf("there is no %s", name)
		}
	}
	if found < 15 {
		t.Errorf("%d references", found)
	}
}

// A chain is not ended while nothing else would start the mirror.
func TestChainEndsWithASchedule(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.answers.Pace = Chain
	y.says(y.must(), "It is for public repositories", "gh variable set PACE --repo me/mirror --body chain\n      gh workflow run pace.yml", "gh workflow enable pace.yml --repo me/mirror")
	for _, pace := range []string{Cron, Outside, Watch} {
		y.answers.Pace = pace
		before := y.contents()
		if said, err := y.do(); err == nil || !strings.Contains(err.Error(), "--force-workflow") || said != "" {
			t.Errorf("%s: %v\n%s", pace, err, said)
		}
		y.same(before)
	}
	y.answers.Pace = Cron
	y.change = func(s *Setup) { s.ForceWorkflow = true }
	y.says(y.must(), "gh variable delete PACE", "gh api --method DELETE repos/me/mirror/environments/pace", y.path(".github/workflows/mend.yml"))
	if err := os.Remove(y.path(".github/workflows/pace.yml")); err != nil {
		t.Fatal(err)
	}
	y.says(y.must(), "git rm "+y.path(".github/workflows/mend.yml")) // what is left of it goes as well
}

// Whoever leaves watch does not go on watching on GitHub's machines.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	const remove = "gh variable delete WATCH --repo me/mirror"
	y := newTry(t)
	y.change = func(s *Setup) { s.Former = Watch }
	y.says(y.must(), remove)
	y.github = newGitHub(t, "me/mirror", "me/all-cabal-files", "me/all-cabal-hashes")
	y.github.vars["WATCH"] = "50m"
	if said := y.must(); y.github.vars["WATCH"] != "" || strings.Contains(said, remove) {
		t.Errorf("WATCH is %q:\n%s", y.github.vars["WATCH"], said)
	}
	y.change, y.github.vars["WATCH"] = nil, "50m" // set by a person
	if y.says(y.must(), remove); y.github.vars["WATCH"] == "" {
		t.Error("what a person set was removed")
	}
}

// The request names the branch that the repository has.
func TestOutsideNamesTheBranch(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.answers.Pace = Outside
	y.says(y.must(), `{"ref":"trunk"}`)
}
