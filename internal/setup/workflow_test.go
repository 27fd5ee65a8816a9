package setup

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The workflows in testdata are written by: go test ./internal/setup -run Workflows -update
var update = flag.Bool("update", false, "write the workflows into testdata")

const role = "arn:aws:iam::123456789012:role/mirror"

// plans are what the workflows in testdata are of.
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

func TestWorkflows(t *testing.T) {
	t.Parallel()
	for name, plan := range plans(t) {
		got, err := plan.Workflow()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name+".yml")
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s; go test ./internal/setup -run Workflows -update writes it:\n%s", name, diff)
		}
	}
}

// What a workflow says of its own making must make it again.
func TestWorkflowRemembersItsAnswers(t *testing.T) {
	t.Parallel()
	for name, plan := range plans(t) {
		first, err := plan.Workflow()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Remembered(first).Plan(noon())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		second, err := again.Workflow()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(first), string(second)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if diff := cmp.Diff(Answers{}, Remembered([]byte("name: another\n"))); diff != "" {
		t.Errorf("somebody else's workflow: %s", diff)
	}
}

// The workflow that init writes and the one that people copy do the same, so
// they must not drift apart: same pins, triggers, limits and notice.
func TestWorkflowIsLikeTheExample(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", ".github", "workflows", "mirror.yml"))
	if err != nil {
		t.Fatal(err)
	}
	example := string(raw)
	uses := regexp.MustCompile(`uses: (\S+@\S+)( # \S+)?`)
	pins := map[string]bool{}
	for _, m := range uses.FindAllString(example, -1) {
		pins[m] = true
	}
	seen := map[string]bool{}
	for name, plan := range plans(t) {
		got, err := plan.Workflow()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range uses.FindAllString(string(got), -1) {
			seen[m] = true
			if !pins[m] {
				t.Errorf("%s has %q, and the example none such: %q", name, m, slices.Sorted(maps.Keys(pins)))
			}
		}
		lines := []string{
			"  group: mirror-hackage\n", "  cancel-in-progress: false\n", "    types: [mirror-hackage]\n", "\npermissions: {}\n",
			"    timeout-minutes: 355\n", "        timeout-minutes: 345\n", "      issues: write", "      actions: read # to count failed runs\n",
		}
		if !plan.NoticeStep {
			lines = append(lines, "          summary-json: ${{ needs.sync.outputs.summary-json }}\n",
				"    if: ${{ !cancelled() && (needs.sync.result == 'success' || needs.sync.result == 'failure') && !inputs.dry-run }}\n")
		}
		for _, line := range lines {
			if !strings.Contains(string(got), line) || !strings.Contains(example, line) {
				t.Errorf("%s or the example lacks %q", name, line)
			}
		}
	}
	if len(seen) < 4 {
		t.Errorf("only %q are used", slices.Sorted(maps.Keys(seen)))
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
