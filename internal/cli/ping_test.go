package cli

import (
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/notify"
)

// pingPath is what nobody may see of an address.
const pingPath = "/ping/hunter2-5a1f"

// An outside is a server of somebody who watches.
type outside struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []string // the paths, in order
	bodies []string
	answer http.HandlerFunc // nil: all is well
}

func newOutside(t *testing.T, answer http.HandlerFunc) *outside {
	t.Helper()
	s := &outside{answer: answer}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func (s *outside) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.asked = append(s.asked, strings.TrimPrefix(r.URL.RequestURI(), pingPath))
	s.bodies = append(s.bodies, string(body))
	s.mu.Unlock()
	if s.answer != nil {
		s.answer(w, r)
	}
}

// heard returns what was asked and said since the last call.
func (s *outside) heard() (asked, bodies []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked, bodies = s.asked, s.bodies
	s.asked, s.bodies = nil, nil
	return asked, bodies
}

// hears checks what was asked since the last call, and returns the last body.
func (s *outside) hears(t *testing.T, want ...string) string {
	t.Helper()
	asked, bodies := s.heard()
	if !slices.Equal(asked, want) {
		t.Errorf("calls %q, want %q", asked, want)
	}
	if len(bodies) == 0 {
		return ""
	}
	return bodies[len(bodies)-1]
}

// TestPings: what is said of a run that is good, that needs a look, that fails,
// and that is none.
func TestPings(t *testing.T) {
	t.Parallel()
	s := newOutside(t, nil)
	w := newWorld(t, hackagetest.Small())
	w.env["HACKAGE_MIRROR_PING_URL"] = s.URL + pingPath
	w.sync(CodeDone, "--dry-run")
	s.hears(t)
	w.sync(CodeDone)
	w.says(s.hears(t, "/start", ""), "hackage-mirror v1.2.3: done\ndone: 9 releases")
	w.sync(CodeDone)
	w.says(s.hears(t, "/start", ""), ": nothing new")
	w.hackage.Upload("new", "1.0", nil, nil)
	w.server.Fault("/package/new-1.0.tar.gz", hackagetest.Corrupt(7))
	w.sync(CodeDegraded)
	w.says(s.hears(t, "/start", ""), ": up to date, but look at this\nnew-1.0: ")
	w.server.Fault("/timestamp.json", hackagetest.Status(http.StatusForbidden))
	w.env["GITHUB_SERVER_URL"], w.env["GITHUB_REPOSITORY"], w.env["GITHUB_RUN_ID"] = "https://github.com", "me/mirror", "17"
	w.sync(CodeError)
	w.says(s.hears(t, "/start", "/fail"), ": failed\nupstream ", "403", "\nhttps://github.com/me/mirror/actions/runs/17\n")
}

// TestPingsOfAWatch: each run is told of, and a quiet one at least once an hour.
func TestPingsOfAWatch(t *testing.T) {
	t.Parallel()
	s := newOutside(t, nil)
	w := newWorld(t, hackagetest.Small())
	w.env["HACKAGE_MIRROR_PING_URL"] = s.URL + pingPath
	minute := w.minutes(map[int]func(){
		2:  func() { w.hackage.Upload("new", "1.0", nil, nil) },
		4:  func() { w.server.Fault("/timestamp.json", hackagetest.Status(http.StatusForbidden)) },
		5:  func() { w.server.Heal() },
		20: func() { s.hears(t, "/start", "", "/start", "", "/start", "/fail", "/start", "") },
	})
	w.sync(CodeDone, "--watch", "2h30m")
	s.hears(t, "/start", "", "/start", "")
	if *minute < 149 {
		t.Errorf("it ended after %d minutes", *minute)
	}
}

// TestPingsOfWhatIsNotBegun: who watches hears of bad usage as well, wherever the
// address is given.
func TestPingsOfWhatIsNotBegun(t *testing.T) {
	t.Parallel()
	s := newOutside(t, nil)
	file := writeSecret(t, s.URL+pingPath+"\n", 0o600)
	for name, test := range map[string]struct {
		variables map[string]string
		args      []string
	}{
		"flag that is none":  {nil, []string{"--nonsense"}},
		"what does not fit":  {nil, []string{"--watch=-1h"}},
		"unreadable key":     {nil, []string{"--signing-key=/nowhere"}},
		"key that is none":   {map[string]string{"INPUT_SIGNING_KEY": "none"}, nil},
		"secret in a flag":   {nil, []string{"--branch=ghp_hunter2"}},
		"secret in a place":  {map[string]string{"INPUT_BRANCH": "ghp_hunter2"}, nil},
		"value that is none": {nil, []string{"--concurrency=many"}},
		"another secret":     {map[string]string{"INPUT_TOKEN": " "}, []string{"--token", "/nowhere"}},
	} {
		for place, give := range map[string]func(variables map[string]string) []string{
			"environment": func(v map[string]string) []string { v["INPUT_PING-URL"] = s.URL + pingPath; return nil },
			"flag":        func(map[string]string) []string { return []string{"--ping-url", file} },
			"sign":        func(map[string]string) []string { return []string{"--ping-url=" + file} },
			"config": func(map[string]string) []string {
				return []string{"--config", writeSecret(t, "ping-url: "+file+"\nbucket: ./b\n", 0o600)}
			},
			"config that is wrong": func(map[string]string) []string {
				return []string{"--config", writeSecret(t, "buckets: ./b\nping-url: "+file+"\nzzz: 1\ntag: {a: b}\n", 0o600)}
			},
		} {
			variables := map[string]string{}
			maps.Copy(variables, test.variables)
			args := append(give(variables), test.args...)
			got := refused(t, maps.Clone(variables), args...) // which clears them
			if body := s.hears(t, "/fail"); !strings.HasPrefix(body, "hackage-mirror v1.2.3: failed\n") || strings.Count(body, "\n") < 3 {
				t.Errorf("%s by %s: the call says %q", name, place, body)
			}
			if strings.Contains(got, "hunter2") {
				t.Errorf("%s by %s: %q repeats the address", name, place, got)
			}
			refused(t, variables, append(args, "--dry-run")...)
			s.hears(t)
		}
	}
	// What has failed before upstream or a bucket was opened.
	w := newWorld(t, hackagetest.Small())
	w.env["HACKAGE_MIRROR_PING_URL"] = s.URL + pingPath
	w.key = []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nnone\n-----END PGP PRIVATE KEY BLOCK-----\n")
	w.sync(CodeError)
	s.hears(t, "/start", "/fail")
}

// TestPingsThatFail: whatever becomes of the calls, the run is what it is, and
// nobody reads the address.
func TestPingsThatFail(t *testing.T) {
	t.Parallel()
	other := newOutside(t, nil)
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"an error": {func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "no "+r.URL.String(), http.StatusInternalServerError)
		}, "was not told how the run ended: the answer is 500 Internal Server Error"},
		"a start that it does not know": {func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/start") {
				http.NotFound(w, r)
			}
		}, "was not told that the run began: the answer is 404 Not Found"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}, "the answer is a redirect (307), and none is followed"},
		"closing": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "the connection was closed"},
		"hanging": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "there was no answer in time"},
		"a hanging body": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, ""}, // and it costs nothing
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOutside(t, test.answer)
			w := newWorld(t, hackagetest.Small())
			w.callTime = 300 * time.Millisecond
			w.env["HACKAGE_MIRROR_NOTIFY_URL"] = s.URL + pingPath
			w.env["HACKAGE_MIRROR_PING_URL"] = s.URL + pingPath + "," + strings.Replace(s.URL, "http:", "https:", 1) + pingPath
			w.env["GITHUB_STEP_SUMMARY"], w.env["GITHUB_OUTPUT"] = w.path("summary"), w.path("output")
			said := w.sync(CodeDone, "--json", "--verbose")
			w.server.Fault("/timestamp.json", hackagetest.Status(http.StatusForbidden))
			said += w.sync(CodeError)
			for _, file := range []string{"summary", "output"} {
				text, err := os.ReadFile(w.path(file))
				if err != nil {
					t.Fatal(err)
				}
				said += string(text)
			}
			host, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			w.says(said, test.says, "ping-url (address 2 of 2) was not told how the run ended: the connection failed")
			for _, secret := range []string{"hunter2", host.Host} {
				if strings.Contains(said, secret) {
					t.Errorf("it gives %q away:\n%s", secret, said)
				}
			}
			other.hears(t)
		})
	}
}

// TestPingOfAnUnknownServer: a certificate of nobody known, a port that nobody
// listens at, a name without an address.
func TestPingOfAnUnknownServer(t *testing.T) {
	t.Parallel()
	stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	defer stranger.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	w := newWorld(t, hackagetest.Small())
	w.env["HACKAGE_MIRROR_PING_URL"] = strings.Join([]string{stranger.URL + pingPath, gone.URL + pingPath, "https://hunter2.invalid/x"}, "\n")
	said := w.sync(CodeDone)
	w.says(said, "(address 1 of 3) was not told how the run ended: its certificate is not to be trusted", "(address 2 of 3)", "(address 3 of 3)")
	if strings.Contains(said, "hunter2") || strings.Contains(said, gone.Listener.Addr().String()) {
		t.Errorf("it gives an address away:\n%s", said)
	}
}

// TestBadAddressesOfPings: what is none is warned of, and is no reason not to
// mirror. Nobody gets half of an address.
func TestBadAddressesOfPings(t *testing.T) {
	t.Parallel()
	s := newOutside(t, nil)
	w := newWorld(t, hackagetest.Small())
	w.stop()
	for _, text := range []string{
		"hunter2", "ftp://hunter2/x", "https://", "https:///hunter2", s.URL + "/ab hunter2", s.URL + "/ab,hunter2", s.URL + "/x " + s.URL + "/hunter2",
		"https://a/#hunter2", "https://a:hunter2/x", "https://%zz/hunter2", "http:// hunter2",
	} {
		for _, option := range []string{notify.PingOption, notify.NotifyOption} {
			w.env = map[string]string{inputVariables(option)[1]: text}
			said := w.sync(CodeDone)
			w.says(said, "warning: "+option+" is not an http(s) address; write https://HOST/PATH, one on each line")
			if strings.Contains(said, "hunter2") {
				t.Errorf("%s: %s", text, said)
			}
			s.hears(t)
		}
	}
	w.env = map[string]string{"INPUT_PING_URL": "hunter2 x\n" + s.URL + pingPath}
	w.says(w.sync(CodeDone), "ping-url (address 1 of 2) is not an http(s) address")
	s.hears(t, "/start", "")
	w.env = nil
	for _, path := range []string{"https://a/hunter2", "/nowhere/hunter2", t.TempDir(), writeSecret(t, " \n", 0o600)} {
		said := w.sync(CodeDone, "--ping-url", path, "--notify-url="+path)
		w.says(said, "warning: ping-url: ", "warning: notify-url: ", "; it is told nothing")
		if strings.Contains(said, "hunter2") {
			t.Errorf("%s: %s", path, said)
		}
	}
}
