//go:build unix

package acttest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A forge is what the stand-in for gh keeps of GitHub.
type forge struct {
	testing.TB
	dir, bin string
}

func newForge(t testing.TB) *forge {
	t.Helper()
	need(t, "bash")
	need(t, "jq")
	f := &forge{TB: t, dir: t.TempDir(), bin: t.TempDir()}
	gh, err := filepath.Abs(filepath.Join("testdata", "gh"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(gh, filepath.Join(f.bin, "gh")); err != nil {
		t.Fatal(err)
	}
	return f
}

// An issue is one as GitHub lists it.
type issue struct {
	Number      int               `json:"number"`
	Title       string            `json:"title"`
	Body        string            `json:"body"`
	State       string            `json:"state"`
	User        map[string]string `json:"user"`
	PullRequest map[string]string `json:"pull_request,omitempty"`
}

// issues returns all of the repository's.
func (f *forge) issues() []issue {
	f.Helper()
	raw, err := os.ReadFile(filepath.Join(f.dir, "issues.json"))
	if os.IsNotExist(err) {
		return nil
	}
	var issues []issue
	if err := json.Unmarshal(raw, &issues); err != nil {
		f.Fatal(err)
	}
	return issues
}

// open opens issues that are there from the beginning.
func (f *forge) open(issues ...issue) {
	f.Helper()
	raw, err := json.Marshal(issues)
	if err != nil {
		f.Fatal(err)
	}
	write(f, filepath.Join(f.dir, "issues.json"), string(raw), 0o644)
}

// calls returns how gh was called since the last time.
func (f *forge) calls() string {
	f.Helper()
	path := filepath.Join(f.dir, "calls")
	calls := read(f, path)
	write(f, path, "", 0o644)
	return calls
}

// notice runs the script after a job that ended with a result, in the run of a
// number.
func (f *forge) notice(result, summary, number string, more ...string) (code int, said string) {
	f.Helper()
	env := append(environment("GH_STUB="+f.dir, "PATH="+f.bin+":"+os.Getenv("PATH"), "GH_TOKEN=t0ken", "GH_REPO=me/mirror",
		"RESULT="+result, "SUMMARY_JSON="+summary, "RUN_URL=https://github.example/me/mirror/actions/runs/"+number,
		"WORKFLOW=Mirror Hackage", "WORKFLOW_REF=me/mirror/.github/workflows/mirror.yml@refs/heads/main"), more...)
	return run(f, f.dir, env, filepath.Join(root(f), ".github", "actions", "notice", "notice"))
}

// notices is notice that must succeed.
func (f *forge) notices(result, summary, number string) {
	f.Helper()
	if code, said := f.notice(result, summary, number); code != 0 {
		f.Fatalf("exit code %d:\n%s", code, said)
	}
}

func TestOneIssueForAllFailures(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	bot := map[string]string{"login": "github-actions[bot]"}
	f.open(
		issue{Number: 1, Title: "Mirror Hackage fails", State: "open", User: map[string]string{"login": "somebody"}},
		issue{Number: 2, Title: "Mirror Hackage fails", State: "open", User: bot, PullRequest: map[string]string{"url": "x"}},
		issue{Number: 3, Title: "Another workflow fails", State: "open", User: bot},
		issue{Number: 4, Title: "Mirror Hackage fails", State: "closed", User: bot},
	)
	before := f.issues()
	f.notices("success", "", "100")
	if got := f.issues(); len(got) != len(before) {
		t.Fatalf("a good run opened an issue: %v", got)
	}
	f.notices("failure", `{"error":"upstream is away"}`, "101")
	f.notices("failure", `{"error":"upstream is still away"}`, "102")
	issues := f.issues()
	if len(issues) != 5 {
		t.Fatalf("there are %d issues, want one more than 4", len(issues))
	}
	ours := issues[4]
	says(t, ours.Body, "- First: ", "/runs/101)", "- Last: ", "/runs/102)", "upstream is still away", `"Mirror Hackage" failed`)
	if ours.Title != "Mirror Hackage fails" || ours.State != "open" || strings.Contains(ours.Body, "is away") {
		t.Errorf("the issue is %+v", ours)
	}
	f.notices("success", "", "103")
	f.notices("success", "", "104")
	issues = f.issues()
	if len(issues) != 5 || issues[4].State != "closed" {
		t.Errorf("the issue is not closed: %+v", issues[4:])
	}
	says(t, f.calls(), "POST repos/me/mirror/issues/5/comments -f body=[A run](https://github.example/me/mirror/actions/runs/103) succeeded.",
		"PATCH repos/me/mirror/issues/5 -f state=closed")
	for i, was := range before {
		if issues[i].Body != was.Body || issues[i].State != was.State {
			t.Errorf("issue %d is none of ours and was changed", was.Number)
		}
	}
	f.notices("failure", "", "105")
	issues = f.issues()
	if len(issues) != 6 {
		t.Fatalf("a failure after a good run opened no new issue")
	}
	says(t, issues[5].Body, "its log says why")
}

// A summary is turned into lines for people.
func TestSummaryIsTold(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	f.notices("failure", `{"outcome":"degraded","error":"1 release has other bytes","destinations":[
		{"kind":"bucket","name":"s3://one/","error":"","index-state":"2026-11-22T06:00:00Z"},
		{"kind":"bucket","name":"s3://two/","error":"access denied","index-state":""}],
		"messages":[{"level":"notice","text":"a trifle"},{"level":"warning","text":"mind this"}],
		"put-right":["package/a-1.tar.gz"],
		"expiries":[{"of":"root.json","when":"2026-12-01T00:00:00Z","soon":true},{"of":"the key","when":"","soon":false}],
		"ledger":[{"release":"a-1","reason":"mismatch","since":"2026-11-21"},{"release":"b-1","reason":"missing","since":"2026-11-21"}]}`, "1")
	_, got, _ := strings.Cut(f.issues()[0].Body, "What it said of itself:\n\n")
	want := `    degraded: 1 release has other bytes
    
    bucket s3://one/: at 2026-11-22T06:00:00Z
    bucket s3://two/: access denied
    mind this
    put right: package/a-1.tar.gz
    expires 2026-12-01T00:00:00Z: root.json
    pending: a-1 mismatch since 2026-11-21`
	if got != want {
		t.Errorf("it says\n%s\nwant\n%s", got, want)
	}
}

// What a run says of itself has words of strangers in it. They stay text.
func TestSummaryStaysText(t *testing.T) {
	t.Parallel()
	for name, summary := range map[string]string{
		"JSON":    `{"error":"` + "``` ~~~ <img src=x> @everyone </pre>" + `","lines":"a\nb"}`,
		"no JSON": "```\n\n# Heading\n\n@everyone\r\n- item",
		"long":    `["` + strings.Repeat("@everyone ", 5000) + `"]`,
	} {
		f := newForge(t)
		f.notices("failure", summary, "1")
		body := f.issues()[0].Body
		if len(body) > 30000 {
			t.Errorf("%s: the text has %d bytes", name, len(body))
		}
		_, said, ok := strings.Cut(body, "What it said of itself:\n\n")
		if !ok {
			t.Fatalf("%s: nothing of the summary is there:\n%s", name, body)
		}
		for line := range strings.SplitSeq(said, "\n") {
			if !strings.HasPrefix(line, "    ") {
				t.Errorf("%s: %q is outside of the block", name, line)
			}
		}
	}
}

func TestCronIsKeptAlive(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	f.notices("success", "", "1")
	const call = "--method PUT repos/me/mirror/actions/workflows/mirror.yml/enable"
	says(t, f.calls(), call)
	code, said := f.notice("success", "", "2", "GH_STUB_FAIL="+call)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	says(t, said, "::warning::", "actions: write")
}

func TestNoticeSaysWhenItCannot(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	for fault, result := range map[string]string{"--method GET": "success", "--method POST": "failure"} {
		if code, said := f.notice(result, "", "1", "GH_STUB_FAIL="+fault); code == 0 {
			t.Errorf("%s failed and nothing was said:\n%s", fault, said)
		}
	}
	if code, said := f.notice("cancelled", "", "1"); code != 2 {
		t.Errorf("exit code %d:\n%s", code, said)
	}
}
