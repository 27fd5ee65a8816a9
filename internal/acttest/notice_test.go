//go:build unix

package acttest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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
	f.ran()
	return f
}

// ran says how the workflow's runs 1, 2 and so on have ended.
func (f *forge) ran(conclusions ...string) {
	f.Helper()
	runs := []map[string]any{}
	for i, conclusion := range conclusions {
		runs = append(runs, map[string]any{
			"id": i + 1, "conclusion": conclusion, "created_at": fmt.Sprintf("2026-11-22T%02d:23:45Z", i),
			"html_url": fmt.Sprintf("https://github.example/me/mirror/actions/runs/%d", i+1),
		})
	}
	raw, err := json.Marshal(runs)
	if err != nil {
		f.Fatal(err)
	}
	write(f, filepath.Join(f.dir, "runs.json"), string(raw), 0o644)
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
		"RESULT="+result, "SUMMARY_JSON="+summary, "AFTER=1",
		"RUN_URL=https://github.example/me/mirror/actions/runs/"+number, "GITHUB_SERVER_URL=https://github.example",
		"WORKFLOW=Mirror Hackage"), more...)
	return run(f, f.dir, env, filepath.Join(root(f), ".github", "actions", "notice", "notice"))
}

// notices is notice that must succeed and have nothing to warn of.
func (f *forge) notices(result, summary, number string, more ...string) {
	f.Helper()
	if code, said := f.notice(result, summary, number, more...); code != 0 || strings.Contains(said, "::warning") {
		f.Fatalf("exit code %d:\n%s", code, said)
	}
}

// degraded is the summary of a run with exit code 3.
const degraded = `{"outcome":"degraded","error":"","destinations":[],"messages":[{"level":"warning","text":"alpha-1.0 has other bytes"}],"repaired":[],"expiries":[],"ledger":[]}`

func TestOneIssueForAllFailures(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	bot := map[string]string{"login": "github-actions[bot]"}
	f.open(
		issue{Number: 1, Title: "Mirror Hackage fails", State: "open", User: map[string]string{"login": "somebody"}},
		issue{Number: 2, Title: "Mirror Hackage fails", State: "open", User: bot, PullRequest: map[string]string{"url": "x"}},
		issue{Number: 3, Title: "Another workflow fails", State: "open", User: bot},
	)
	before := f.issues()
	f.notices("success", "", "100")
	if got := f.issues(); len(got) != len(before) {
		t.Fatalf("a good run opened an issue: %v", got)
	}
	f.notices("failure", `{"error":"upstream is away"}`, "101")
	f.notices("failure", `{"error":"upstream is still away"}`, "102")
	ours := f.one(4, "open", "Mirror Hackage fails")
	says(t, ours.Body, "- Failing since: ", "/runs/101)", "- Latest: ", "/runs/102)", "upstream is still away", `"Mirror Hackage" failed`)
	if strings.Contains(ours.Body, "is away") {
		t.Errorf("the issue is %+v", ours)
	}
	f.notices("success", "", "103")
	f.notices("success", "", "104")
	f.one(4, "closed", "Mirror Hackage fails")
	says(t, f.calls(), "POST repos/me/mirror/issues/4/comments -f body=[A run](https://github.example/me/mirror/actions/runs/103) succeeded.",
		"PATCH repos/me/mirror/issues/4 -f state=closed")
	for i, was := range before {
		if now := f.issues()[i]; now.Body != was.Body || now.State != was.State {
			t.Errorf("issue %d is none of ours and was changed", was.Number)
		}
	}
	f.notices("failure", "", "105")
	ours = f.one(4, "open", "Mirror Hackage fails")
	says(t, ours.Body, "its log says why", "/runs/105)")
	if strings.Contains(ours.Body, "/runs/101)") {
		t.Errorf("the issue that came back begins with the old failure:\n%s", ours.Body)
	}
	if hosts := read(t, filepath.Join(f.dir, "hosts")); strings.ReplaceAll(hosts, "github.example\n", "") != "" {
		t.Errorf("asked %q", hosts)
	}
}

// one returns our issue, which must be the last one.
func (f *forge) one(number int, state, title string) issue {
	f.Helper()
	issues := f.issues()
	if len(issues) != number {
		f.Fatalf("there are %d issues, want %d: %+v", len(issues), number, issues)
	}
	ours := issues[number-1]
	if ours.State != state || ours.Title != title {
		f.Errorf("the issue is %q, %s; want %q, %s", ours.Title, ours.State, title, state)
	}
	return ours
}

// What happens but once is told but once, also where GitHub fails in between.
func TestCommentsAreNotRepeated(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	f.notices("failure", "", "1")
	f.notices("failure", degraded, "2")
	f.notices("failure", degraded, "3")
	f.one(1, "open", "Mirror Hackage needs a look")
	if calls := f.calls(); strings.Count(calls, "/comments") != 1 || !strings.Contains(calls, "runs/2) found something") {
		t.Errorf("calls:\n%s", calls)
	}
	for range 2 {
		if _, said := f.notice("success", "", "4", "GH_STUB_FAIL=--method PATCH", "GH_STUB_SAYS=gh: HTTP 502"); !strings.Contains(said, "HTTP 502") {
			t.Errorf("says %s", said)
		}
	}
	if calls := f.calls(); strings.Contains(calls, "/comments") {
		t.Errorf("an issue that is not closed has comments:\n%s", calls)
	}
}

// A single failed run is no news; what needs a person is, and as what it is.
func TestNoticeWaitsForASecondFailure(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		runs  []string // before
		after string
		opens bool
		since string
	}{
		{"the first run of all", nil, "", false, ""},
		{"the first failure", []string{"failure", "success"}, "", false, ""},
		{"the second", []string{"success", "failure"}, "2", true, "- Failing since: 2026-11-22 01:23 UTC, [this run](https://github.example/me/mirror/actions/runs/2)"},
		{"the second, a cancelled one between", []string{"success", "failure", "cancelled"}, "2", true, "2026-11-22 01:23 UTC"},
		{"cancelled ones are none", []string{"cancelled", "cancelled"}, "2", false, ""},
		{"the second of three", []string{"success", "failure"}, "3", false, ""},
		{"the third of three", []string{"timed_out", "failure"}, "3", true, "2026-11-22 00:23 UTC"},
		{"each", nil, "1", true, "/runs/9)"},
	} {
		f := newForge(t)
		f.ran(test.runs...)
		f.notices("failure", `{"error":"away"}`, "9", "AFTER="+test.after)
		if opened := len(f.issues()) == 1; opened != test.opens {
			t.Errorf("%s: opened: %v", test.name, opened)
		} else if opened {
			says(t, f.issues()[0].Body, test.since)
		}
	}
	for i, fault := range []string{"/actions/runs/9", "/workflows/42/runs"} {
		f := newForge(t)
		code, said := f.notice("failure", "", "9", "AFTER=2", "GH_STUB_FAIL="+fault)
		if code != 0 || len(f.issues()) != 1 {
			t.Errorf("%d: what cannot be counted is not told: exit code %d", i, code)
		}
		says(t, said, "::notice::", "actions: read")
	}
}

func TestDegradedIsToldAtOnce(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	f.notices("failure", degraded, "9", "AFTER=2")
	ours := f.one(1, "open", "Mirror Hackage needs a look")
	says(t, ours.Body, "a person should look", "alpha-1.0 has other bytes", "/runs/9)")
	if strings.Contains(ours.Body, "failed") {
		t.Errorf("it is told as a failure:\n%s", ours.Body)
	}
	f.notices("failure", `{"outcome":"failed"}`, "10", "AFTER=2")
	says(t, f.one(1, "open", "Mirror Hackage fails").Body, "- Failing since: ", "/runs/9)", "/runs/10)", "failed")
	f.notices("success", "", "11")
	f.notices("failure", degraded, "12", "AFTER=2")
	f.one(1, "open", "Mirror Hackage needs a look")
}

// A summary is turned into lines for people.
func TestSummaryIsTold(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	f.notices("failure", `{"outcome":"failed","error":"bucket \"s3://two/\": access denied","destinations":[
		{"kind":"bucket","name":"s3://one/","error":"","index-state":"2026-11-22T06:00:00Z"},
		{"kind":"bucket","name":"s3://three/","error":"","index-state":""},
		{"kind":"bucket","name":"s3://two/","error":"access denied","index-state":""}],
		"messages":[{"level":"notice","text":"a trifle"},{"level":"warning","text":"mind this"}],
		"repaired":["package/a-1.tar.gz"],
		"expiries":[{"of":"root.json","when":"2026-12-01T00:00:00Z","soon":true},{"of":"the key","when":"","soon":false}],
		"ledger":[{"release":"a-1","reason":"mismatch","since":"2026-11-21","why":"upstream has 2 bytes where 1 are signed"},
		{"release":"c-1","reason":"mismatch","since":"2026-11-21","accepted":true},{"release":"b-1","reason":"missing","since":"2026-11-21"}]}`, "1")
	_, got, _ := strings.Cut(f.issues()[0].Body, "What the run reported:\n\n")
	want := "- `failed: bucket \"s3://two/\": access denied`\n" +
		"- `bucket s3://one/ is up to date as of 2026-11-22T06:00:00Z`\n" +
		"- `bucket s3://three/ has not been filled yet`\n" +
		"- `mind this`\n" +
		"- `expires 2026-12-01T00:00:00Z: root.json`\n" +
		"- `repaired: package/a-1.tar.gz`\n" +
		"- `a-1: upstream has 2 bytes where 1 are signed, since 2026-11-21`"
	if got != want {
		t.Errorf("it says\n%s\nwant\n%s", got, want)
	}
	says(t, f.issues()[0].Body, "- Failing since: ", "**What to do**: read the error below", "/docs/troubleshooting.md")

	f = newForge(t)
	f.notices("failure", `{"outcome":"degraded","error":"a-1: upstream has 2 bytes where 1 are signed; it was not published","destinations":[],"messages":[],
		"repaired":[],"expiries":[],"ledger":[{"release":"a-1","reason":"mismatch","since":"2026-11-21"}]}`, "1")
	body := f.issues()[0].Body
	says(t, body, "The mirror is up to date", "- Needs a look since: ", "**What to do**: each line below",
		"- `a-1: upstream has 2 bytes where 1 are signed; it was not published`")
	if strings.Count(body, "a-1") != 1 {
		t.Errorf("a-1 is told more than once:\n%s", body)
	}
	if strings.Count(body, "/runs/1)") != 1 {
		t.Errorf("one run is named twice:\n%s", body)
	}

	f = newForge(t)
	f.notices("failure", `{"outcome":"failed","upstream":"","error":"input concurrency: \"x\" is not a whole number","destinations":[],"messages":[],"repaired":[],"expiries":[],"ledger":[]}`, "1")
	body = f.issues()[0].Body
	says(t, body, "did nothing, because an option is wrong", "**What to do**: change the variable", "/docs/options.md", "- `failed: input concurrency:")
	if strings.Contains(body, "picks up from there") {
		t.Errorf("it promises what will not be:\n%s", body)
	}
	f = newForge(t)
	f.notices("failure", "", "1")
	says(t, f.issues()[0].Body, "**What to do**: read the end of the log of [the latest run](", "before it could report anything")
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
		_, said, ok := strings.Cut(body, "What the run reported:\n\n")
		if !ok {
			t.Fatalf("%s: nothing of the summary is there:\n%s", name, body)
		}
		for line := range strings.SplitSeq(said, "\n") {
			if !regexp.MustCompile("^- `[^`]+`$").MatchString(line) {
				t.Errorf("%s: %.200q is no code", name, line)
			}
		}
	}
}

// Whatever GitHub answers, a notice is no reason for a red run.
func TestNoticeWarnsWhenItCannot(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ fails, says, result, want string }{
		{"--method GET", "gh: Issues has been disabled in this repository. (HTTP 410)", "failure", "issues are switched off in this repository"},
		{"--method POST", "gh: Issues has been disabled in this repository. (HTTP 410)", "failure", "issues are switched off in this repository"},
		{"--method GET", "gh: Service Unavailable (HTTP 503)", "success", "HTTP 503"},
		{"--method POST", "gh: HTTP 502: Bad Gateway 100% <html>", "failure", "Bad Gateway 100%25"},
		{"--method POST", "gh: Resource not accessible by integration (HTTP 403)", "failure", `needs the permission "issues: write"`},
		{"--method POST", "gh: API rate limit exceeded (HTTP 403)", "failure", "a later run tells it"},
		{"--method GET", "", "failure", "The notice could not be given"},
	} {
		f := newForge(t)
		code, said := f.notice(test.result, "", "1", "GH_STUB_FAIL="+test.fails, "GH_STUB_SAYS="+test.says)
		if code != 0 {
			t.Errorf("%s: exit code %d", test.says, code)
		}
		says(t, said, "::warning::The notice could not be given: ", test.want)
	}
	f := newForge(t)
	f.bin = toolbox(t, "bash", "env", "jq", "sed", "tr", "awk", "sort", "mktemp", "rm", "cat", "date")
	code, said := f.notice("failure", "", "1", "PATH="+f.bin)
	if code != 0 {
		t.Errorf("without gh: exit code %d", code)
	}
	says(t, said, "::warning::", "gh: command not found")
	for result, want := range map[string]int{"cancelled": 0, "skipped": 0, "whatever": 2, "": 2} {
		if code, said := f.notice(result, "", "1"); code != want {
			t.Errorf("%s: exit code %d:\n%s", result, code, said)
		}
	}
	if code, _ := f.notice("failure", "", "1", "AFTER=soon"); code != 2 {
		t.Errorf("a bad number: exit code %d", code)
	}
	if len(f.issues()) != 0 {
		t.Error("an issue was opened")
	}
}

// The workflow's state is its owner's: a workflow that somebody disabled stays so.
func TestNothingEnablesAWorkflow(t *testing.T) {
	t.Parallel()
	files := runnerFiles(t)
	files["notice"] = read(t, filepath.Join(root(t), ".github", "actions", "notice", "notice"))
	for name, text := range files {
		if regexp.MustCompile(`/enable\b|workflow enable`).MatchString(text) {
			t.Errorf("%s enables a workflow", name)
		}
	}
}
