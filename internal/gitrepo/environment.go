package gitrepo

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// inherited are the variables that a child may see: those that programs need
// to find their way, proxies and certificates, and where the user's own git
// settings are. All else stays with us, since it may hold secrets.
func inherited() []string {
	return []string{
		"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TMP", "TEMP",
		"SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA",
		"LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "HOMEDRIVE", "HOMEPATH",
		"XDG_CONFIG_HOME", "LD_LIBRARY_PATH",
		"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "NIX_SSL_CERT_FILE",
		"GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_EXEC_PATH",
		"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
	}
}

// baseEnvironment is what every git of ours gets.
func baseEnvironment(getenv func(string) string, more ...string) []string {
	env := []string{
		"LC_ALL=C",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=", // set and empty: no helper window, whatever the settings say
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_OPTIONAL_LOCKS=0",
		"GCM_INTERACTIVE=never",
	}
	for _, name := range append(inherited(), more...) {
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
		{"fetch.writeCommitGraph", "false"},
		{"fetch.recurseSubmodules", "false"},
		{"push.recurseSubmodules", "no"},
		{"push.gpgSign", "false"},
		{"push.followTags", "false"},
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

// tokenSettings bind the token to the address's origin. Redirects are not
// followed, since git would take the header along to where they lead.
func tokenSettings(a address, header string) [][2]string {
	return [][2]string{
		{"http." + a.origin + "/.extraHeader", header},
		{"http.followRedirects", "false"},
		{"http." + a.origin + "/.followRedirects", "false"},
		{"credential.helper", ""},
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

// tokenHeader checks the token and returns its header and all its forms that
// must not be seen.
func tokenHeader(a address, token []byte) (header string, secrets []string, err error) {
	text := strings.TrimSpace(string(token))
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", nil, fmt.Errorf("use token for %q: it holds spaces or characters that no token has", a.display)
	}
	if !a.safeForToken() {
		return "", nil, fmt.Errorf("use token for %q: it would travel in the clear; use https: %w", a.display, ErrURL)
	}
	coded := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + text))
	return "Authorization: Basic " + coded, []string{coded, text}, nil
}
