package gitrepo

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

const testToken = "ghs_0123456789abcdefTOKEN"

// A gitHost serves a folder of repositories over HTTP by git's own
// http-backend, to those who have the token.
type gitHost struct {
	*httptest.Server
	folder   string
	readOnly atomic.Bool
	asked    atomic.Int64
	user     string       // that goes with the token
	chunked  atomic.Int64 // requests that did not say their length
}

func newGitHost(t *testing.T) *gitHost {
	t.Helper()
	h := &gitHost{folder: t.TempDir(), user: tokenUser}
	backend := need(t, "git-http-backend", strings.TrimSpace(plainGit(t, h.folder, "--exec-path")), "/usr/lib/git-core")
	plainGit(t, h.folder, "init", "--quiet", "--bare", "--initial-branch=data", "r.git")
	plainGit(t, filepath.Join(h.folder, "r.git"), "config", "http.receivepack", "true")
	script := &cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + h.folder, "GIT_HTTP_EXPORT_ALL=1"}, InheritEnv: []string{"PATH"}, Stderr: io.Discard}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h.asked.Add(1)
		if req.ContentLength < 0 {
			h.chunked.Add(1)
		}
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte(h.user+":"+testToken))
		switch got := req.Header.Values("Authorization"); {
		case len(got) > 1:
			http.Error(w, "Duplicate header: Authorization", http.StatusBadRequest)
		case req.Header.Get("Authorization") != want:
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you? "+req.Header.Get("Authorization"), http.StatusUnauthorized)
		case h.readOnly.Load() && strings.Contains(req.URL.String(), "receive-pack"):
			http.Error(w, "this token only reads", http.StatusForbidden)
		default:
			script.ServeHTTP(w, req)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func TestHTTPWithToken(t *testing.T) {
	t.Parallel()
	host := newGitHost(t)
	path, notes := spy(t, "git")
	dir := t.TempDir()
	o := Options{Dir: dir, URL: host.URL + "/r.git", Auth: Auth{Token: []byte(testToken + "\n")}, Getenv: environ("PATH=" + path)}
	r := openWith(t, o)
	r.git.program = filepath.Join(filepath.Dir(notes), "git")
	one := publish(t, r, map[string]string{"a": "1"})
	two := publish(t, r, map[string]string{"b": strings.Repeat("more than one chunk\r\n", 1<<17)})
	if got := refsOf(t, r)["refs/heads/data"]; got != two || one == two {
		t.Errorf("the branch is at %s", got)
	}
	if got, err := r.Blob(t.Context(), two, "a"); err != nil || string(got) != "1" {
		t.Errorf("blob %q, %v", got, err)
	}
	said, err := os.ReadFile(notes)
	if err != nil || !strings.Contains(string(said), "push") || !strings.Contains(string(said), "cat-file") {
		t.Fatalf("the notes do not hold what ran: %q, %v", said, err)
	}
	noSecrets(t, dir, string(said), secretsOf(testToken)...)

	host.readOnly.Store(true)
	three := commitFiles(t, r, two, map[string]string{"c": "3"})
	err = r.Push(t.Context(), Update{Ref: "refs/heads/data", Old: two, New: three})
	if !errors.Is(err, ErrRefused) {
		t.Errorf("push with a token that only reads: %v", err)
	}
	noSecrets(t, dir, err.Error(), secretsOf(testToken)...)
}

// TestRequestsSayTheirLength: some servers take no others. However many objects are
// asked for, that holds, in the old protocol too.
func TestRequestsSayTheirLength(t *testing.T) {
	t.Parallel()
	host := newGitHost(t)
	remote := filepath.Join(host.folder, "r.git")
	plainGit(t, remote, "config", "uploadpack.allowFilter", "true")
	plainGit(t, remote, "config", "uploadpack.allowAnySHA1InWant", "true")
	files := map[string]string{}
	for i := range idsAtOnce + 400 {
		files["f"+strconv.Itoa(i)] = strconv.Itoa(i)
	}
	head := publish(t, open(t, remote, Auth{}), files)
	for _, version := range []string{"0", "2"} {
		home := t.TempDir()
		if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[protocol]\nversion = "+version+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		r := openWith(t, Options{Dir: t.TempDir(), URL: host.URL + "/r.git", Auth: Auth{Token: []byte(testToken)}, Getenv: environ("HOME="+home, "GIT_CONFIG_NOSYSTEM=1")})
		if _, err := r.Fetch(t.Context(), "refs/heads/data"); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for file, err := range r.Tree(t.Context(), head) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, file.ID)
		}
		before := r.fetches
		if err := r.FetchObjects(t.Context(), ids...); err != nil || len(ids) != len(files) {
			t.Fatalf("%d ids: %v", len(ids), err)
		}
		if n := host.chunked.Load(); n != 0 || r.fetches != before+2 {
			t.Errorf("version %s: %d requests did not say their length; %d fetches", version, n, r.fetches-before)
		}
	}
}

// secretsOf are the forms that a token takes on its way.
func secretsOf(token string) []string {
	return []string{token, base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))}
}

func TestHTTPWithoutTheRightToken(t *testing.T) {
	t.Parallel()
	host := newGitHost(t)
	home := t.TempDir()
	// A helper of the user's must not be asked when there is a token.
	asked := filepath.Join(home, "asked")
	config := "[credential]\n\thelper = \"!echo >>'" + asked + "'; echo username=x; echo password=y\"\n[core]\n\taskPass = /bin/false\n"
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"wrong": "ghs_wrongTOKENwrong", "none": ""} {
		dir := t.TempDir()
		r := openWith(t, Options{Dir: dir, URL: host.URL + "/r.git", Auth: Auth{Token: []byte(token)}, Getenv: environ("HOME="+home, "GIT_CONFIG_NOSYSTEM=1")})
		_, err := r.Refs(t.Context())
		if !errors.Is(err, ErrAuth) {
			t.Errorf("%s token: %v", name, err)
			continue
		}
		_, statErr := os.Stat(asked)
		if wasAsked := statErr == nil; wasAsked != (token == "") {
			t.Errorf("%s token: credential helper asked: %v", name, wasAsked)
		}
		_ = os.Remove(asked) // may not be there
		if token != "" {
			noSecrets(t, dir, err.Error(), secretsOf(token)...)
		}
	}
}

func TestHTTPSaysWhatTheTokenLacks(t *testing.T) {
	t.Parallel()
	host := newGitHost(t)
	for token, says := range map[string]string{"": "with the option token", "ghs_wrongTOKENwrong": "the token is wrong or has expired"} {
		r := open(t, host.URL+"/r.git", Auth{Token: []byte(token)})
		if _, err := r.Refs(t.Context()); !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), says) {
			t.Errorf("refs with %q: %v", token, err)
		}
		if err := r.MayPush(t.Context()); !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), says) {
			t.Errorf("push with %q: %v", token, err)
		}
	}
}

func TestHTTPNoRepository(t *testing.T) {
	t.Parallel()
	host := newGitHost(t)
	r := open(t, host.URL+"/other.git", Auth{Token: []byte(testToken)})
	if _, err := r.Refs(t.Context()); !errors.Is(err, ErrNoRepository) {
		t.Errorf("refs: %v", err)
	}
}

// TestTokenIsNotTakenElsewhere: git itself would send the header along to
// where the first request is redirected.
func TestTokenIsNotTakenElsewhere(t *testing.T) {
	t.Parallel()
	var seen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	t.Cleanup(thief.Close)
	from := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, thief.URL+req.URL.String(), http.StatusMovedPermanently)
	}))
	t.Cleanup(from.Close)
	r := open(t, from.URL+"/r.git", Auth{Token: []byte(testToken)})
	_, err := r.Refs(t.Context())
	if err == nil || !strings.Contains(err.Error(), "another address") {
		t.Errorf("refs: %v", err)
	}
	if seen.Load() != 0 {
		t.Error("the redirect was followed")
	}
}

func TestTokenThatIsNone(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"a b", "a\r\nX-Other: y", "é"} {
		_, err := Open(t.Context(), Options{Dir: t.TempDir(), URL: "https://git.example.org/r.git", Auth: Auth{Token: []byte(token)}})
		if err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("token %q: %v", token, err)
		}
	}
	_, err := Open(t.Context(), Options{Dir: t.TempDir(), URL: "http://git.example.org/r.git", Auth: Auth{Token: []byte(testToken)}})
	if !errors.Is(err, ErrURL) || strings.Contains(err.Error(), testToken) {
		t.Errorf("in the clear: %v", err)
	}
}

// TestOnlyOurTokenIsSent: earlier steps of a workflow leave headers and helpers
// in the user's settings, for any address or for this very one.
func TestOnlyOurTokenIsSent(t *testing.T) {
	t.Parallel()
	host := newGitHost(t)
	for _, scope := range []string{"", host.URL + "/", host.URL + "/r.git", strings.Replace(host.URL, "//", "//x-access-token@", 1) + "/"} {
		home := t.TempDir()
		asked := filepath.Join(home, "asked")
		section := func(name string) string {
			if scope == "" {
				return "[" + name + "]\n"
			}
			return "[" + name + " \"" + scope + "\"]\n"
		}
		config := section("http") + "\textraheader = AUTHORIZATION: basic b3RoZXI6eA==\n\tfollowRedirects = true\n" +
			section("credential") + "\thelper = \"!echo >>'" + asked + "'; echo username=x; echo password=y\"\n"
		if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		for token, want := range map[string]error{testToken: nil, "ghs_wrongTOKENwrong": ErrAuth} {
			r := openWith(t, Options{Dir: t.TempDir(), URL: host.URL + "/r.git", Auth: Auth{Token: []byte(token)}, Getenv: environ("HOME="+home, "GIT_CONFIG_NOSYSTEM=1")})
			if _, err := r.Refs(t.Context()); !errors.Is(err, want) {
				t.Errorf("settings for %q: %v, want %v", scope, err, want)
			}
		}
		if _, err := os.Stat(asked); err == nil {
			t.Errorf("settings for %q: the helper was asked", scope)
		}
	}
}

func TestTokenUser(t *testing.T) {
	t.Parallel()
	host := newGitHost(t)
	host.user = "x-token-auth"
	inAddress := strings.Replace(host.URL, "//", "//x-token-auth@", 1) + "/r.git"
	for name, o := range map[string]Options{
		"by option":  {URL: host.URL + "/r.git", Auth: Auth{Token: []byte(testToken), TokenUser: " x-token-auth\n"}},
		"in address": {URL: inAddress, Auth: Auth{Token: []byte(testToken)}},
		"both":       {URL: inAddress, Auth: Auth{Token: []byte(testToken), TokenUser: "x-token-auth"}},
	} {
		o.Dir = t.TempDir()
		r := openWith(t, o)
		if _, err := r.Refs(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(r.String(), "x-token-auth") {
			t.Errorf("%s: it is named %s", name, r)
		}
	}
	for name, o := range map[string]Options{
		"no token":         {URL: "https://hunter2@host/r"},
		"the token itself": {URL: "https://hunter2@host/r", Auth: Auth{Token: []byte("hunter2")}},
		"another token":    {URL: "https://ghp_hunter2@host/r", Auth: Auth{Token: []byte(testToken)}},
		"two users":        {URL: "https://hunter2@host/r", Auth: Auth{Token: []byte(testToken), TokenUser: "x"}},
		"a colon":          {URL: "https://host/r", Auth: Auth{Token: []byte(testToken), TokenUser: "x:hunter2"}},
	} {
		o.Dir = t.TempDir()
		_, checked := o.Check()
		if _, err := Open(t.Context(), o); err == nil || checked == nil || strings.Contains(err.Error()+checked.Error(), "hunter2") {
			t.Errorf("%s: %v, %v", name, err, checked)
		}
	}
}
