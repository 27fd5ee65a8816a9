package pace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// github returns a REST whose server answers by a handler, and what was asked and
// waited for.
func github(t *testing.T, answer http.HandlerFunc) (r *REST, asked *[]string, waited *time.Duration) {
	t.Helper()
	asked, waited = new([]string), new(time.Duration)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil || q.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%v: %v, %q", q.URL, err, q.Header)
		}
		*asked = append(*asked, strings.TrimSpace(q.Method+" "+q.URL.String()+" "+string(body)))
		answer(w, q)
	}))
	t.Cleanup(server.Close)
	return &REST{
		Base: server.URL, Repository: "me/mirror", Ref: "main", Token: "secret", Client: server.Client(),
		Wait: func(_ context.Context, d time.Duration) error { *waited += d; return nil },
	}, asked, waited
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func refuses(status int, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   time.Duration
		others []string
	}{
		"a timer":        {says(`{"name":"pace","protection_rules":[{"id":1,"type":"wait_timer","wait_timer":30}]}`), 30 * time.Minute, nil},
		"more":           {says(`{"protection_rules":[{"type":"branch_policy"},{"type":"wait_timer","wait_timer":30},{"type":"required_reviewers"}]}`), 30 * time.Minute, []string{"branch_policy", "required_reviewers"}},
		"no rules":       {says(`{"name":"pace","protection_rules":[]}`), 0, nil},
		"no environment": {refuses(404, "Not Found"), 0, nil},
	} {
		r, asked, _ := github(t, test.answer)
		if got, others, err := r.Rules(t.Context(), "pace"); got != test.want || !slices.Equal(others, test.others) || err != nil {
			t.Errorf("%s: %s, %q, %v", name, got, others, err)
		}
		if !slices.Equal(*asked, []string{"GET /repos/me/mirror/environments/pace"}) {
			t.Errorf("%s: asked %q", name, *asked)
		}
	}
}

func TestStateAndBranch(t *testing.T) {
	t.Parallel()
	r, asked, _ := github(t, says(`{"state":"disabled_inactivity","default_branch":"trunk"}`))
	state, err := r.State(t.Context(), MenderFile)
	branch, err2 := r.DefaultBranch(t.Context())
	if state != "disabled_inactivity" || branch != "trunk" || err != nil || err2 != nil {
		t.Errorf("%q, %q, %v, %v", state, branch, err, err2)
	}
	if !slices.Equal(*asked, []string{"GET /repos/me/mirror/actions/workflows/mend.yml", "GET /repos/me/mirror"}) {
		t.Errorf("asked %q", *asked)
	}
	gone, _, _ := github(t, refuses(404, "Not Found"))
	if state, err := gone.State(t.Context(), MenderFile); state != "" || err != nil {
		t.Errorf("no such workflow: %q, %v", state, err)
	}
}

// A run is asked for by its own id, and tells whether a person started it and whether
// it is a dry one.
func TestRunByItsID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Run{
		`"event":"workflow_dispatch","triggering_actor":{"type":"User"},"display_title":"Mirror Hackage (dry run)"`: {ByHand: true, Dry: true},
		`"event":"workflow_dispatch","triggering_actor":{"type":"Bot"},"display_title":"Mirror Hackage"`:            {},
		`"event":"repository_dispatch","triggering_actor":{"type":"User"}`:                                          {ByHand: true},
		`"event":"schedule","triggering_actor":{"type":"User"}`:                                                     {},
	} {
		r, asked, _ := github(t, says(`{"id":7,"status":"waiting","created_at":"2026-03-01T10:00:00Z",`+text+`}`))
		want.ID, want.Status, want.Created = 7, "waiting", time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
		if run, err := r.Run(t.Context(), 7); run != want || err != nil || (*asked)[0] != "GET /repos/me/mirror/actions/runs/7" {
			t.Errorf("%s: %+v, %v, asked %q", text, run, err, *asked)
		}
	}
	gone, _, _ := github(t, refuses(404, "Not Found"))
	if run, err := gone.Run(t.Context(), 7); run != (Run{}) || err != nil {
		t.Errorf("no such run: %+v, %v", run, err)
	}
}

func TestRunsThatAreActive(t *testing.T) {
	t.Parallel()
	r, asked, _ := github(t, func(w http.ResponseWriter, q *http.Request) {
		switch status := q.URL.Query().Get("status"); status {
		case "waiting":
			says(`{"total_count":1,"workflow_runs":[{"id":7,"status":"waiting","conclusion":null,"created_at":"2026-03-01T10:00:00Z","updated_at":"2026-03-01T10:00:02Z"}]}`)(w, q)
		case "queued", "pending": // run 9 went on between the questions
			fmt.Fprintf(w, `{"workflow_runs":[{"id":9,"status":%q,"created_at":"2026-03-01T11:00:00Z","updated_at":"2026-03-01T11:00:00Z"}]}`, status)
		default:
			says(`{"total_count":0,"workflow_runs":[]}`)(w, q)
		}
	})
	runs, err := r.Active(t.Context(), PacerFile)
	if err != nil || len(runs) != 2 || runs[0].ID != 9 || runs[1].Status != "waiting" || runs[1].Updated.Sub(runs[1].Created) != 2*time.Second {
		t.Errorf("%+v, %v", runs, err)
	}
	for i, status := range []string{"pending", "requested", "waiting", "queued", "in_progress"} {
		if want := "GET /repos/me/mirror/actions/workflows/pace.yml/runs?per_page=100&status=" + status; len(*asked) != 5 || (*asked)[i] != want {
			t.Errorf("asked %q, want %q", *asked, want)
		}
	}
}

func TestDispatch(t *testing.T) {
	t.Parallel()
	r, asked, _ := github(t, says(`{"workflow_run_id":42,"run_url":"x","html_url":"y"}`))
	id, err := r.Dispatch(t.Context(), PacerFile, 3)
	if id != 42 || err != nil {
		t.Errorf("%d, %v", id, err)
	}
	if want := `POST /repos/me/mirror/actions/workflows/pace.yml/dispatches {"inputs":{"rest":"3"},"ref":"main","return_run_details":true}`; (*asked)[0] != want {
		t.Errorf("asked %q", *asked)
	}
	older, asked, _ := github(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	if id, err := older.Dispatch(t.Context(), MirrorFile, 0); id != 0 || err != nil || strings.Contains((*asked)[0], "inputs") {
		t.Errorf("an older server: %d, %v, %q", id, err, *asked)
	}
	refused := false
	strict, asked, _ := github(t, func(w http.ResponseWriter, q *http.Request) {
		if !refused {
			refused = true
			refuses(422, "Invalid request.\n\n\"return_run_details\" is not a permitted key.")(w, q)
		}
	})
	if id, err := strict.Dispatch(t.Context(), PacerFile, 3); id != 0 || err != nil || len(*asked) != 2 || !strings.HasSuffix((*asked)[1], ` {"inputs":{"rest":"3"},"ref":"main"}`) {
		t.Errorf("a server that refuses a key: %d, %v, %q", id, err, *asked)
	}
	odd, asked, _ := github(t, refuses(422, "No ref found for: main\n::error::x\x1b[31m"))
	if _, err := odd.Dispatch(t.Context(), MirrorFile, 0); err == nil || errors.Is(err, errDisabled) || !strings.Contains(err.Error(), "422 (No ref found for: main ::error::x [31m)") || len(*asked) != 1 {
		t.Errorf("another 422: %v, %q", err, *asked)
	}
	down, asked, _ := github(t, refuses(502, "x"))
	if _, err := down.Dispatch(t.Context(), MirrorFile, 0); err == nil || errors.Is(err, errDisabled) || len(*asked) != 1 {
		t.Errorf("a server that is down: %v, asked %d times", err, len(*asked))
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	r, asked, _ := github(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202); _, _ = io.WriteString(w, "{}") })
	if err := errors.Join(r.Cancel(t.Context(), 5, false), r.Cancel(t.Context(), 5, true)); err != nil {
		t.Error(err)
	}
	if want := []string{"POST /repos/me/mirror/actions/runs/5/cancel", "POST /repos/me/mirror/actions/runs/5/force-cancel"}; !slices.Equal(*asked, want) {
		t.Errorf("asked %q", *asked)
	}
}

// A server that is busy is asked again, as late as it says; one that says no is not.
func TestQuestionsAreRepeated(t *testing.T) {
	t.Parallel()
	limited := func(status int, header, value string) http.HandlerFunc {
		return func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set(header, value)
			refuses(status, "limit")(w, q)
		}
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		asked  int
		waited time.Duration
	}{
		"down":                {refuses(503, "x"), 3, 25 * time.Second},
		"a page":              {says("<html>"), 3, 25 * time.Second},
		"asked too often":     {limited(429, "Retry-After", "60"), 3, 2 * time.Minute},
		"the hour's limit":    {limited(403, "X-RateLimit-Remaining", "0"), 3, 4 * time.Minute},
		"waits for too long":  {limited(429, "Retry-After", "86400"), 3, 4 * time.Minute},
		"no right":            {refuses(403, "Resource not accessible by integration"), 1, 0},
		"the token is no one": {refuses(401, "Bad credentials"), 1, 0},
	} {
		r, asked, waited := github(t, test.answer)
		_, err := r.Done(t.Context(), MirrorFile)
		if err == nil || strings.Contains(err.Error(), "secret") || len(*asked) != test.asked || *waited != test.waited {
			t.Errorf("%s: %v, asked %d times, waited %s", name, err, len(*asked), *waited)
		}
	}
}
