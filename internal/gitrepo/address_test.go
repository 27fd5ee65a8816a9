package gitrepo

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]address{
		"git@github.com:o/r.git":           {overSSH, "git@github.com:o/r.git", "github.com:o/r.git", "git"},
		"github.com:o/r.git":               {overSSH, "github.com:o/r.git", "github.com:o/r.git", ""},
		"ssh://git@ssh.github.com:443/o/r": {overSSH, "ssh://git@ssh.github.com:443/o/r", "ssh://ssh.github.com:443/o/r", "git"},
		"https://github.com/o/r.git":       {overHTTP, "https://github.com/o/r.git", "https://github.com/o/r.git", ""},
		"http://127.0.0.1:8080/r":          {overHTTP, "http://127.0.0.1:8080/r", "http://127.0.0.1:8080/r", ""},
		"https://x-token-auth@host/r":      {overHTTP, "https://host/r", "https://host/r", "x-token-auth"},
		"https://[::1]:8443/r":             {overHTTP, "https://[::1]:8443/r", "https://[::1]:8443/r", ""},
		"r.git":                            {local, filepath.Join(here, "r.git"), filepath.Join(here, "r.git"), ""},
		"./a:b":                            {local, filepath.Join(here, "a:b"), filepath.Join(here, "a:b"), ""},
		"/srv/r.git":                       {local, "/srv/r.git", "/srv/r.git", ""},
		"file:///srv/with%20space/r.git":   {local, "/srv/with space/r.git", "/srv/with space/r.git", ""},
		"file://localhost/srv/r.git":       {local, "/srv/r.git", "/srv/r.git", ""},
	} {
		if got, err := parseAddress(raw); err != nil || got != want {
			t.Errorf("%s: %+v, %v", raw, got, err)
		}
	}
}

func TestAddressesRefused(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", "-oProxyCommand=x:y", "--upload-pack=x", "ext::sh -c x", "fd::17", "::x", "git://host/r", "ftp://host/r", "svn+ssh://host/r",
		"https://user:hunter2@host/r", "user:hunter2@host:r", "https:/host/r", "https//host/r", "s3:/x", "s3://x", "ssh:host/r", "ssh://git:hunter2@host/r", "ssh://ghp_hunter2@host/r", "ghp_hunter2@host:r", "git clone git@host:r", "https://host:hunter2x/r", "https://user:hunter2@ho st/r",
		"ssh://-oProxyCommand=x/r", "ssh://-l@host/r", "ssh:///r", "-x@host:r", "git@-host:r", "https:///r", "https://host/r?x", "https://host/r#x",
		"file://host/r", "file://", "a\nb", "/srv/\x1b[1mr",
	} {
		_, err := parseAddress(raw)
		if !errors.Is(err, ErrURL) {
			t.Errorf("%q: %v", raw, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error holds the password: %v", err)
		}
	}
}

func TestRefusedAddressesSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for raw, says := range map[string]string{
		"ssh://git@github.com:me/x.git": "write git@HOST:OWNER/REPO.git or ssh://git@HOST/OWNER/REPO.git",
		"ssh://github.com:me/x.git":     "write git@HOST:OWNER/REPO.git or ssh://git@HOST/OWNER/REPO.git",
		"ssh://git@github.com:port/x":   "only a port may follow the colon",
		"[md](https://github.com/me/x)": forms,
		"git+ssh://git@github.com/me/x": forms,
		"git+ssh://git@github.com:me/x": "only a port may follow the colon",
		"https://github.com:me/x.git":   forms,
		"https:///me/x":                 forms,
		"ext::sh -c x":                  forms,
	} {
		if _, err := parseAddress(raw); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", raw, err, says)
		}
	}
}

func TestTokenOnlyTravelsSafely(t *testing.T) {
	t.Parallel()
	for raw, safe := range map[string]bool{
		"https://host/r": true, "http://host/r": false, "http://127.0.0.1:1/r": true, "http://[::1]:1/r": true, "http://localhost/r": true,
		"http://127.0.0.1.example.org/r": false, "http://localhost.example.org/r": false, "http://10.0.0.1/r": false,
	} {
		a, err := parseAddress(raw)
		if err != nil || a.safeForToken() != safe {
			t.Errorf("%s: %v, %v", raw, a.safeForToken(), err)
		}
	}
}

func TestWordsAreCleaned(t *testing.T) {
	t.Parallel()
	g := &runner{secrets: []string{"hunter2"}}
	got := g.clean("remote: \r\nremote: no \x1b[31mway\u009b, hunter2\nhint: try\n\nfatal: unable to access 'https://me:pw@host/r/': x\n")
	if want := "remote: no [31mway , ***; fatal: unable to access 'https://host/r/': x"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var said bounded
	for i := range 10000 {
		if _, err := said.Write([]byte(strings.Repeat(string(rune('a'+i%26)), 10))); err != nil {
			t.Fatal(err)
		}
	}
	text := said.String()
	if len(text) > headBytes+tailBytes+10 || !strings.HasPrefix(text, "aaaaaaaaaab") || !strings.HasSuffix(text, strings.Repeat(string(rune('a'+9999%26)), 10)) {
		t.Errorf("kept %d bytes: %.20q", len(text), text)
	}
}
