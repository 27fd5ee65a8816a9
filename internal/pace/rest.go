package pace

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bounded"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

// A REST is GitHub by its REST API.
type REST struct {
	Base       string // https://api.github.com, or that of another server
	Repository string // OWNER/REPO
	Ref        string // branch on which workflows are started
	Token      string // with "actions: write" for Dispatch and Cancel
	Client     *http.Client
	Wait       func(ctx context.Context, d time.Duration) error
}

// An answerError is an answer of GitHub that is not a good one.
type answerError struct {
	status  int
	message string
	after   time.Duration // when to ask again, 0 if GitHub does not say
}

func (e *answerError) Error() string {
	return fmt.Sprintf("GitHub answers %d (%s)", e.status, e.message)
}

// again reports whether the same question may get another answer.
func (e *answerError) again() bool {
	return e.status >= 500 || e.status == http.StatusTooManyRequests || e.status == http.StatusForbidden && e.after > 0
}

// Limits of one question.
const (
	questionTime = 30 * time.Second
	maxAnswer    = 8 << 20 // bytes; a hundred runs are about 1.5 MB
	maxPause     = 2 * time.Minute
)

// DefaultBranch returns that of the repository.
func (r *REST) DefaultBranch(ctx context.Context) (string, error) {
	var answer struct {
		Branch string `json:"default_branch"`
	}
	err := r.get(ctx, "", &answer)
	return answer.Branch, err
}

// Rules returns the timer of an environment, and the types of its other rules.
func (r *REST) Rules(ctx context.Context, environment string) (timer time.Duration, others []string, err error) {
	var answer struct {
		Rules []struct {
			Type  string `json:"type"`
			Timer int    `json:"wait_timer"` // minutes
		} `json:"protection_rules"`
	}
	if err = r.find(ctx, "/environments/"+url.PathEscape(environment), &answer); err != nil {
		return 0, nil, err
	}
	for _, rule := range answer.Rules {
		if rule.Type == "wait_timer" {
			timer = time.Duration(rule.Timer) * time.Minute
		} else {
			others = append(others, clean(rule.Type))
		}
	}
	return timer, others, nil
}

// State returns that of a workflow, "" if there is no such workflow.
func (r *REST) State(ctx context.Context, file string) (string, error) {
	var answer struct {
		State string `json:"state"`
	}
	err := r.find(ctx, "/actions/workflows/"+file, &answer)
	return clean(answer.State), err
}

// An answeredRun is a run as GitHub writes it.
type answeredRun struct {
	ID         int64     `json:"id"`
	Status     string    `json:"status"`
	Conclusion string    `json:"conclusion"`
	Created    time.Time `json:"created_at"`
	Updated    time.Time `json:"updated_at"`
	Event      string    `json:"event"`
	Title      string    `json:"display_title"`
	Actor      struct {
		Type string `json:"type"`
	} `json:"triggering_actor"`
}

// run returns what matters of it. The title of a dry run is by mirror.yml's run-name.
func (a answeredRun) run() Run {
	return Run{
		ID: a.ID, Status: clean(a.Status), Conclusion: a.Conclusion, Created: a.Created, Updated: a.Updated,
		ByHand: strings.HasSuffix(a.Event, "_dispatch") && a.Actor.Type != "Bot",
		Dry:    strings.HasSuffix(a.Title, "(dry run)"),
	}
}

// Run returns a run by its id, a zero one if there is no such run.
func (r *REST) Run(ctx context.Context, id int64) (Run, error) {
	var answer answeredRun
	err := r.find(ctx, fmt.Sprintf("/actions/runs/%d", id), &answer)
	return answer.run(), err
}

// states are those of a run that is not completed, in the order in which it goes
// through them: asked for in this order, none is missed on its way.
var states = []string{"pending", "requested", "waiting", "queued", "in_progress"}

// Active returns the runs of a workflow that are not completed.
func (r *REST) Active(ctx context.Context, file string) ([]Run, error) {
	var all []Run
	for _, state := range states {
		runs, err := r.runs(ctx, file, state)
		if err != nil {
			return nil, err
		}
		all = append(all, runs...)
	}
	slices.SortStableFunc(all, func(a, b Run) int { return cmp.Compare(b.ID, a.ID) })
	return slices.CompactFunc(all, func(a, b Run) bool { return a.ID == b.ID }), nil
}

// Done returns the last hundred completed runs of a workflow.
func (r *REST) Done(ctx context.Context, file string) ([]Run, error) {
	return r.runs(ctx, file, "completed")
}

// runs returns up to a hundred runs of a workflow, the newest first.
func (r *REST) runs(ctx context.Context, file, status string) ([]Run, error) {
	var answer struct {
		Runs []answeredRun `json:"workflow_runs"`
	}
	if err := r.find(ctx, "/actions/workflows/"+file+"/runs?per_page=100&status="+status, &answer); err != nil {
		return nil, fmt.Errorf("list the runs of %s: %w", file, err)
	}
	runs := make([]Run, len(answer.Runs))
	for i, run := range answer.Runs {
		runs[i] = run.run()
	}
	return runs, nil
}

// Dispatch starts a workflow. It asks once: a run too many is worse than none. Only
// a server that does not know how to name the run is asked again without that.
func (r *REST) Dispatch(ctx context.Context, file string, rest int) (int64, error) {
	const name = "return_run_details"
	question := map[string]any{"ref": r.Ref, name: true}
	if rest > 0 {
		question["inputs"] = map[string]string{"rest": strconv.Itoa(rest)}
	}
	var answer struct {
		ID int64 `json:"workflow_run_id"`
	}
	path := "/actions/workflows/" + file + "/dispatches"
	err := r.ask(ctx, http.MethodPost, path, question, &answer)
	if said, ok := errors.AsType[*answerError](err); ok && said.status == http.StatusUnprocessableEntity && strings.Contains(said.message, name) {
		delete(question, name)
		err = r.ask(ctx, http.MethodPost, path, question, &answer)
	}
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", file, err)
	}
	return answer.ID, nil
}

// Cancel ends a run.
func (r *REST) Cancel(ctx context.Context, run int64, force bool) error {
	how := "cancel"
	if force {
		how = "force-cancel"
	}
	return r.ask(ctx, http.MethodPost, fmt.Sprintf("/actions/runs/%d/%s", run, how), nil, nil)
}

// find is get, and leaves the answer zero if GitHub knows no such thing.
func (r *REST) find(ctx context.Context, path string, answer any) error {
	err := r.get(ctx, path, answer)
	if said, ok := errors.AsType[*answerError](err); ok && said.status == http.StatusNotFound {
		return nil
	}
	return err
}

// get asks up to three times.
func (r *REST) get(ctx context.Context, path string, answer any) (err error) {
	for _, pause := range []time.Duration{5 * time.Second, 20 * time.Second, 0} {
		err = r.ask(ctx, http.MethodGet, path, nil, answer)
		said, ok := errors.AsType[*answerError](err)
		if err == nil || ok && !said.again() || pause == 0 || ctx.Err() != nil {
			return err
		}
		if ok {
			pause = min(max(pause, said.after), maxPause)
		}
		if err := r.Wait(ctx, pause); err != nil {
			return err
		}
	}
	return err
}

func (r *REST) ask(ctx context.Context, method, path string, question, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, questionTime)
	defer cancel()
	var body io.Reader
	if question != nil {
		raw, err := json.Marshal(question)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, r.Base+"/repos/"+r.Repository+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+r.Token)
	request.Header.Set("Accept", "application/vnd.github+json")
	response, err := r.Client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it was read as far as it matters
	raw, err := bounded.ReadAll(response.Body, maxAnswer)
	switch {
	case err != nil:
		return err
	case response.StatusCode/100 != 2:
		return refusal(response, raw)
	case answer == nil || len(raw) == 0:
		return nil
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("read GitHub's answer to %s %s: %w", method, path, err)
	}
	return nil
}

// clean is a text of GitHub's on one line, and not for long.
func clean(text string) string { return plain.Cut(plain.Line(text), 200, "") }

// refusal returns what GitHub says of a question that it does not answer.
func refusal(response *http.Response, raw []byte) error {
	said := struct {
		Message string `json:"message"`
	}{http.StatusText(response.StatusCode)}
	_ = json.Unmarshal(raw, &said) // a proxy's page says less than the status
	e := &answerError{status: response.StatusCode, message: clean(said.Message)}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		e.after = time.Duration(seconds) * time.Second
	} else if response.Header.Get("X-RateLimit-Remaining") == "0" {
		e.after = maxPause
	}
	return e
}
