package gitrepo

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/paste"
)

// inherited are the variables that a child may see: those that programs need
// to find their way, proxies and certificates, and where the user's own git
// settings are. All else stays with us, since it may hold secrets.
var inherited = [...]string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TMP", "TEMP",
	"SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA",
	"LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "HOMEDRIVE", "HOMEPATH",
	"XDG_CONFIG_HOME", "LD_LIBRARY_PATH",
	"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "NIX_SSL_CERT_FILE",
	"GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_EXEC_PATH",
	"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
}

// baseEnvironment is what every git of ours gets.
func baseEnvironment(getenv func(string) string) []string {
	env := []string{
		"LC_ALL=C",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=", // set and empty: no helper window, whatever the settings say
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_OPTIONAL_LOCKS=0",
		"GCM_INTERACTIVE=never",
	}
	for _, name := range inherited {
		if value := getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// settings override the user's git settings where those could change what we
// make or run programs of their own. They go by the environment, so that none
// is seen in an argument list.
func settings() [][2]string {
	return [][2]string{
		{"core.hooksPath", "/dev/null"},
		{"core.autocrlf", "false"},
		{"core.fsync", "none"}, // the folder does not outlive the run
		{"core.fsmonitor", "false"},
		{"core.logAllRefUpdates", "false"},
		{"core.quotePath", "false"},
		{"color.ui", "false"},
		{"gc.auto", "0"},
		// A push looks for no deltas beside those that are in our packs: that
		// would take longer than making everything.
		{"pack.window", "0"},
		{"maintenance.auto", "false"},
		{"fetch.unpackLimit", "1"},
		{"transfer.unpackLimit", "1"},
		{"fetch.prune", "false"},
		{"fetch.pruneTags", "false"},
		{"fetch.writeCommitGraph", "false"},
		{"fetch.recurseSubmodules", "false"},
		{"push.recurseSubmodules", "no"},
		{"push.gpgSign", "false"},
		{"push.followTags", "false"},
		{"push.pushOption", ""}, // which ends the list; hosts that take none refuse the push
		{"push.negotiate", "false"},
		{"push.useForceIfIncludes", "false"},
		{"protocol.allow", "never"},
		{"protocol.ext.allow", "never"},
		{"protocol.file.allow", "always"},
		{"protocol.ssh.allow", "always"},
		{"protocol.http.allow", "always"},
		{"protocol.https.allow", "always"},
		{"http.lowSpeedLimit", "1"},
		{"http.lowSpeedTime", "300"},
	}
}

// tokenSettings bind the token to the address: of settings for several addresses
// git takes the one that fits best, so ours name the whole of it. Headers that
// the user's settings add go first: an earlier step of a workflow may have put
// another token there, and a host that gets two refuses both. Redirects are not
// followed, since git would take the header along to where they lead.
func tokenSettings(a address, header string) [][2]string {
	return [][2]string{
		{"http." + a.forGit + ".extraHeader", ""},
		{"http." + a.forGit + ".extraHeader", header},
		{"http." + a.forGit + ".followRedirects", "false"},
		{"credential.helper", ""},
		{"credential." + a.forGit + ".helper", ""},
	}
}

// configEnvironment writes settings as git reads them from the environment.
func configEnvironment(settings [][2]string) []string {
	env := []string{"GIT_CONFIG_COUNT=" + strconv.Itoa(len(settings))}
	for i, s := range settings {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, s[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, s[1]))
	}
	return env
}

// tokenUser goes with a token where nobody says otherwise: GitHub's, and others
// take any.
const tokenUser = "x-access-token"

// header checks the token and returns its header and all its forms that must not
// be seen; "" for a remote that wants none.
func (auth Auth) header(a address) (header string, secrets []string, err error) {
	if a.transport != overHTTP {
		return "", nil, nil
	}
	token, user := paste.Line(string(auth.Token)), paste.Line(auth.TokenUser)
	blank := func(r rune) bool { return r <= ' ' || r >= 0x7f }
	switch {
	case a.user != "" && (token == "" || a.user == token || addresses.IsToken(a.user)):
		// A lone user name is how tokens are often put in URLs.
		return "", nil, fmt.Errorf("use %q: the address contains a user or token; give a token with the option token, and its user with token-user: %w", a.display, ErrURL)
	case a.user != "" && user != "" && a.user != user:
		return "", nil, fmt.Errorf("use %q: the address and token-user name different users; leave one of them out: %w", a.display, ErrURL)
	case token == "":
		return "", nil, nil
	case strings.ContainsFunc(token, blank):
		return "", nil, fmt.Errorf("use token for %q: it contains spaces or characters that no token has", a.display)
	case strings.ContainsFunc(user, blank) || strings.Contains(user, ":"):
		return "", nil, fmt.Errorf("use token-user for %q: it contains characters that no user name has", a.display)
	case !a.safeForToken():
		return "", nil, fmt.Errorf("use token for %q: it would be sent unencrypted; use https: %w", a.display, ErrURL)
	}
	coded := base64.StdEncoding.EncodeToString([]byte(cmp.Or(user, a.user, tokenUser) + ":" + token))
	return "Authorization: Basic " + coded, []string{coded, token}, nil
}
