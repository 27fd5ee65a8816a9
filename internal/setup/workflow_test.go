package setup

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	workflows "github.com/hackage-mirror/hackage-mirror/.github/workflows"
)

const role = "arn:aws:iam::123456789012:role/mirror"

// plans are of all kinds.
func plans(t *testing.T) map[string]Plan {
	t.Helper()
	all := map[string]Plan{}
	for name, a := range map[string]Answers{
		"deploy-keys": usual(),
		"bucket-role": {
			Repository: "me/mirror", Files: "me/files", Hashes: "me/hashes", Access: string(DeployKeys),
			Buckets: []string{"s3://my-hackage?region=eu-central-1"}, PublicURL: "https://hackage.example.org", Role: role,
		},
		"bucket-key": {
			Repository: "me/mirror", Access: string(DeployKeys),
			Buckets: []string{"s3://my-hackage", "s3://second/a?endpoint=https://s3.example.org&region=auto"},
		},
		"notice-step": {
			Repository: "me/private", Hashes: "me/hashes", Access: string(DeployKeys), Buckets: []string{"s3://my-hackage"}, Role: role, Notice: NoticeStep,
		},
		"github-token": {Repository: "me/all-cabal-hashes", Files: "me/all-cabal-files", Hashes: "me/all-cabal-hashes", Access: string(GitHubToken)},
		"app":          {Repository: "us/mirror", Files: "us/all-cabal-files", Hashes: "us/all-cabal-hashes", Access: string(App)},
		"token":        {Repository: "me/mirror", Files: "https://git.example.org/me/files.git", Access: string(Token)},
		"elsewhere":    {Repository: "me/mirror", Hashes: "git@git.example.org:me/hashes.git", Access: string(DeployKeys)},
	} {
		plan, err := a.Plan(noon())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = plan
	}
	return all
}

// changes are the lines in which a workflow differs from mirror.yml.
func changes(t *testing.T, p Plan, pin string) []string {
	t.Helper()
	theirs, ours := strings.Split(workflows.Mirror, "\n"), strings.Split(string(p.Workflow(pin)), "\n")
	if len(theirs) != len(ours) {
		t.Fatalf("%d lines are %d", len(theirs), len(ours))
	}
	var lines []string
	for i := range ours {
		if ours[i] != theirs[i] {
			lines = append(lines, strings.TrimSpace(ours[i]))
		}
	}
	return lines
}

// The workflow is mirror.yml, but for its minute, and for rights that a workflow
// has to hold as text.
func TestWorkflowIsTheOneThatPeopleCopy(t *testing.T) {
	t.Parallel()
	more := map[string][]string{
		"github-token": {"contents: write", "token: ${{ github.token }}"},
		"notice-step":  {"issues: write", "actions: read"},
	}
	for name, plan := range plans(t) {
		minute := strings.SplitN(string(plan.Workflow("v1")), "cron: ", 2)[1]
		want := append([]string{"- cron: " + strings.SplitN(minute, "\n", 2)[0]}, more[name]...)
		if diff := cmp.Diff(want, changes(t, plan, "v1")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		pinned := slices.DeleteFunc(changes(t, plan, "0123456789012345678901234567890123456789 # v1.2.3"), func(line string) bool {
			return !strings.HasSuffix(line, "@0123456789012345678901234567890123456789 # v1.2.3")
		})
		if len(pinned) != 3 {
			t.Errorf("%s: pinned are %q, want the Action and the notice's two places", name, pinned)
		}
	}
}

// What differs between mirrors is in variables, which the workflow reads.
func TestVariables(t *testing.T) {
	t.Parallel()
	want := map[string]map[string]string{
		"deploy-keys": {"FILES_REPOSITORY": "git@github.com:me/all-cabal-files.git", "HASHES_REPOSITORY": "git@github.com:me/all-cabal-hashes.git"},
		"bucket-role": {
			"BUCKET": "s3://my-hackage?region=eu-central-1", "S3_REGION": "eu-central-1", "PUBLIC_URL": "https://hackage.example.org", "AWS_ROLE": role,
			"FILES_REPOSITORY": "git@github.com:me/files.git", "HASHES_REPOSITORY": "git@github.com:me/hashes.git",
		},
		"bucket-key":   {"BUCKET": "s3://my-hackage,s3://second/a?endpoint=https://s3.example.org&region=auto"},
		"notice-step":  {"BUCKET": "s3://my-hackage", "AWS_ROLE": role, "NOTICE": "step", "HASHES_REPOSITORY": "git@github.com:me/hashes.git"},
		"github-token": {"FILES_REPOSITORY": "git@github.com:me/all-cabal-files.git", "HASHES_REPOSITORY": "https://github.com/me/all-cabal-hashes.git"},
		"app": {
			"APP_OWNER": "us", "APP_REPOSITORIES": "all-cabal-files,all-cabal-hashes",
			"FILES_REPOSITORY": "https://github.com/us/all-cabal-files.git", "HASHES_REPOSITORY": "https://github.com/us/all-cabal-hashes.git",
		},
		"token":     {"FILES_REPOSITORY": "https://git.example.org/me/files.git"},
		"elsewhere": {"HASHES_REPOSITORY": "git@git.example.org:me/hashes.git"},
	}
	for name, plan := range plans(t) {
		got := map[string]string{}
		for _, v := range plan.variables() {
			got[v.Name] = v.Value
			if !strings.Contains(workflows.Mirror+workflows.Mend, "vars."+v.Name) {
				t.Errorf("%s: the workflow does not read %s", name, v.Name)
			}
		}
		if diff := cmp.Diff(want[name], got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Whoever runs it again is not told of releases that dependabot has brought.
func TestPinsDoNotDiffer(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.must()
	const file = ".github/workflows/mirror.yml"
	text := strings.ReplaceAll(y.contents()[file], "@v1\n", "@0123456789012345678901234567890123456789 # v1.9.0\n")
	y.write(file, text)
	y.says(y.must(), unchanged)
	if y.contents()[file] != text {
		t.Error("it was changed")
	}
}

// What is said of a workflow is what is in its file, whatever the answers are now.
func TestWorkflowThatIsThereIsDescribed(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	minute := fmt.Sprintf("runs the mirror at minute %d of each hour; ", minuteOf("me/mirror"))
	y.says(y.must(), minute+written)
	before := y.contents()[".github/workflows/mirror.yml"]
	y.answers.Repository = "me/other"
	y.says(y.must(), minute+unchanged)
	y.answers.Pace = Chain
	y.says(y.must(), minute+different, "restarts pace.yml if it stopped, at minute ", "starts the mirror each 30 minutes; "+written)
	if y.contents()[".github/workflows/mirror.yml"] != before {
		t.Error("it was changed")
	}
	y.write(".github/workflows/mirror.yml", strings.Replace(before, "cron: \"", "cron: \"1,", 1))
	y.answers.Pace = Cron
	y.says(y.must(), "runs the mirror by the schedule in it; "+different)
	y.answers.Pace, y.change = Chain, func(s *Setup) { s.ForceWorkflow = true }
	y.says(y.must(), "runs the mirror when another workflow or a person starts it; "+replaced)
}

// git itself is asked for the release, here of a repository nearby.
func TestReleaseIsPinned(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=me", "-c", "user.email=me@example.invalid"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	pin := func() (string, string) {
		s := &Setup{Run: func(ctx context.Context, _ []byte, program string, args ...string) ([]byte, error) {
			args = slices.Clone(args)
			args[slices.Index(args, actionAddress)] = dir
			return exec.CommandContext(ctx, program, args...).Output()
		}}
		return s.releasePin(t.Context())
	}
	if pin, why := pin(); pin != "v1" || !strings.Contains(why, "looked up") {
		t.Errorf("without an answer: %q, %q", pin, why)
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "one")
	git("tag", "v1.0.0-rc.1")
	if pin, why := pin(); pin != "v1" || !strings.Contains(why, "no release yet") {
		t.Errorf("without a release: %q, %q", pin, why)
	}
	git("tag", "v1.2.3")
	git("commit", "-q", "--allow-empty", "-m", "two")
	git("tag", "-a", "-m", "x", "v1.2.10")
	git("tag", "-a", "-m", "x", "v1.2.11-rc.1")
	if pin, why := pin(); pin != git("rev-parse", "v1.2.10^{commit}")+" # v1.2.10" || why != "" {
		t.Errorf("with releases: %q, %q", pin, why)
	}
}

func TestDependabot(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	said := y.must()
	const file = ".github/dependabot.yml"
	y.says(said, "dependabot.yml", "proposes newer releases of the actions; written")
	if y.contents()[file] != dependabot {
		t.Errorf("it is %q", y.contents()[file])
	}
	y.write(file, "version: 2\n")
	y.says(y.must(), "dependabot.yml", "proposes newer releases of the actions; kept")
	if y.contents()[file] != "version: 2\n" {
		t.Error("one that was there was changed")
	}
	z := newTry(t)
	z.write(".github/dependabot.yaml", "version: 2\n")
	z.must()
	if files := z.contents(); files[file] != "" {
		t.Errorf("there are two: %q", slices.Sorted(maps.Keys(files)))
	}
}

func TestMinutesAreSpread(t *testing.T) {
	t.Parallel()
	count := map[int]int{}
	for i := range 480 {
		minute := minuteOf("owner/mirror-" + string(rune('a'+i%26)) + strings.Repeat("x", i/26))
		if minute < 1 || minute > 59 || minute%5 == 0 {
			t.Fatalf("minute %d", minute)
		}
		count[minute]++
	}
	if len(count) < 40 {
		t.Errorf("480 repositories share %d minutes", len(count))
	}
	if minuteOf("Me/Mirror") != minuteOf("me/mirror") {
		t.Error("GitHub's names differ by case, and so do the minutes")
	}
}

// actionlint reads YAML, GitHub's expressions and the inputs of known actions.
func TestWorkflowsPassActionlint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var files []string
	y := &try{T: t, dir: dir}
	for name, plan := range plans(t) {
		for _, pace := range []string{Cron, Chain, Watch} {
			plan.Pace = pace
			for i, w := range (&Setup{Plan: plan, File: "mirror.yml"}).workflows() {
				file := fmt.Sprintf("%s-%s-%d.yml", name, pace, i)
				y.write(file, string(w.text("v1")))
				files = append(files, filepath.Join(dir, file))
			}
		}
	}
	actionlint(t, files...)
}
