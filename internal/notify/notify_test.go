package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// given returns the value of an option.
func given(t *testing.T, text string) secret.Secret {
	t.Helper()
	s, err := secret.FromEnvironment(text, secret.Addresses)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve starts a server and returns its address.
func serve(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL
}

// TestCallsDoNotPassEachOther: a service that has the end before the beginning
// would wait for the end for ever.
func TestCallsDoNotPassEachOther(t *testing.T) {
	t.Parallel()
	release, asked := make(chan struct{}), make(chan string, 2)
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		if strings.HasSuffix(r.URL.Path, "/start") {
			<-release
		}
	})
	n := New(Config{Ping: given(t, url+"/ping"), Warn: func(string) {}})
	n.Started(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); n.Ended(t.Context(), &report.Run{Outcome: report.Done}, nil) }()
	if first := <-asked; first != "/ping/start" || len(asked) != 0 {
		t.Errorf("first came %q", first)
	}
	close(release)
	<-over
	if last := <-asked; last != "/ping" {
		t.Errorf("last came %q", last)
	}
}

// TestInterruptedWhileItTells: a signal that comes while a server hangs ends the
// wait for it as well. If it did not, this test would last an hour.
func TestInterruptedWhileItTells(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	var asked atomic.Bool
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if asked.Swap(true) {
			stop()
		}
		<-r.Context().Done()
	})
	var said strings.Builder
	n := New(Config{Ping: given(t, url+"/a,"+url+"/b"), Patience: time.Hour, Warn: func(text string) { said.WriteString(text) }})
	n.last = time.Millisecond
	n.Started(ctx)
	over := make(chan struct{})
	go func() { defer close(over); n.Ended(ctx, &report.Run{Outcome: report.Done}, nil) }()
	<-over
	if !strings.Contains(said.String(), "there was no answer in time") {
		t.Errorf("it says %q", &said)
	}
}

func TestAddressesOfPings(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://hc-ping.com/uuid":      "https://hc-ping.com/uuid/fail",
		"https://hc-ping.com/uuid/":     "https://hc-ping.com/uuid/fail",
		"https://hc-ping.com/key/slug":  "https://hc-ping.com/key/slug/fail",
		"https://h/uuid?create=1":       "https://h/uuid/fail?create=1",
		"https://h/uuid/?a=b/c&d=e?f":   "https://h/uuid/fail?a=b/c&d=e?f",
		"https://h":                     "https://h/fail",
		"https://h?x":                   "https://h/fail?x",
		"http://me:secret@[::1]:8000/a": "http://me:secret@[::1]:8000/a/fail",
		"https://h/a%2Fb":               "https://h/a%2Fb/fail",
	} {
		all, errs := receivers(PingOption, given(t, address))
		if errs != nil || len(all) != 1 {
			t.Errorf("%s: %v, %v", address, all, errs)
		} else if got := below(all[0].address, "fail"); got != want || all[0].address.String() != address {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	text := "https://a/x,\"https://b/y\"\r\n\n https://c/z ,"
	if got := given(t, text); string(got.Bytes()) != "https://a/x\nhttps://b/y\nhttps://c/z" || len(got.Masks()) != 3 {
		t.Errorf("read %q, masks %q", got.Bytes(), got.Masks())
	}
}

// TestWarnedAddressesOfPings: anybody on the way can read what goes over http.
func TestWarnedAddressesOfPings(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]int{"http://a/x": 1, "http://localhost/x": 0, "http://127.0.0.1:8/x": 0, "https://a/x": 0} {
		if warnings := Warnings(PingOption, given(t, address)); len(warnings) != want {
			t.Errorf("%s: %q; want %d warnings", address, warnings, want)
		}
	}
}

// TestWhatAPingSaysIsBounded, and cut at a line.
func TestWhatAPingSaysIsBounded(t *testing.T) {
	t.Parallel()
	run := &report.Run{Tool: "tool", Outcome: report.Failed, Error: "first\n" + strings.Repeat("é", 50_000) + "\n" + strings.Repeat("one more\n", 5_000)}
	got := account(run, "")
	if len(got) > maxPing || len(got) < maxPing-10 || !utf8.Valid(got) || !bytes.HasPrefix(got, []byte("tool: failed\nfirst\néé")) || !bytes.HasSuffix(got, []byte("\none more\n")) {
		t.Errorf("%d bytes: %.100q … %q", len(got), got, got[max(0, len(got)-40):])
	}
}

// TestChanges: of which runs somebody hears.
func TestChanges(t *testing.T) {
	t.Parallel()
	const good, look, failed = status.Good, status.Look, status.Failed
	for _, test := range []struct {
		before  status.Word
		outcome report.Outcome
		want    status.Word
	}{
		{good, report.Done, ""},
		{good, report.Degraded, look},
		{good, report.Failed, failed},
		{good, report.Interrupted, ""},
		{look, report.Done, good},
		{look, report.Degraded, ""},
		{look, report.Failed, failed},
		{look, report.Interrupted, ""},
		{failed, report.Done, good},
		{failed, report.Degraded, look},
		{failed, report.Failed, ""},
		{failed, report.Interrupted, ""},
		{"", report.Done, ""},
		{"", report.Degraded, ""},
		{"", report.Failed, failed},
		{"", report.Interrupted, ""},
	} {
		now := StatusOf(&report.Run{Outcome: test.outcome}, "")
		got := Changed(test.before, now)
		if (got == nil) != (test.want == "") || got != nil && (got.Health != test.want || got.Before != test.before) {
			t.Errorf("%q, then %s: told %+v", test.before, test.outcome, got)
		}
	}
}

// TestNotesCallNobody: errors hold what others wrote, and a chat must not make
// mentions, links or markup of it, nor refuse it for its length.
func TestNotesCallNobody(t *testing.T) {
	t.Parallel()
	run := &report.Run{Outcome: report.Failed, Error: "@everyone <!channel> [x](https://evil) ```" + strings.Repeat("ä", 3000) + "\nmore"}
	got := Changed(status.Good, StatusOf(run, ""))
	for _, bad := range []string{"@everyone", "<", "](", "`"} {
		if strings.Contains(got.Text, bad) {
			t.Errorf("%q is in %.100q", bad, got.Text)
		}
	}
	asJSON, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Text) > maxText || len(got.Content) > maxText || !strings.Contains(string(asJSON), `"allowed_mentions":{"parse":[]}`) {
		t.Errorf("%d bytes: %s", len(got.Text), asJSON)
	}
}
