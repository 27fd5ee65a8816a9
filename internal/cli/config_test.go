package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

// written returns the path of a file with a text.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigFile(t *testing.T) {
	t.Parallel()
	secret := written(t, "hunter2\n")
	id := strings.Repeat("0123456789", 6) + "0123" // digits only, and yet no number
	config := written(t, "# a mirror\npublic-url: https://file\nbranch: file\ntag: file\npackages:\n  - aeson\n  - '!lens'\n"+
		"time-limit: 5h\nkey-threshold: 1\nroot-keys: "+id+"\nfull: true\ntoken: "+secret+"\ns3-region:\n")
	o := parsed(t, map[string]string{"HACKAGE_MIRROR_CONFIG": config, "INPUT_BRANCH": "variable", "HACKAGE_MIRROR_TAG": "own"}, "--public-url=https://flag")
	for name, got := range map[string][2]string{
		"a flag takes precedence":       {o.PublicURL, "https://flag"},
		"and so does INPUT_":            {o.Branch, "variable"},
		"and HACKAGE_MIRROR_":           {o.Tag, "own"},
		"a list":                        {strings.Join(o.Packages, " "), "!lens aeson"},
		"a length of time":              {o.TimeLimit.String(), "5h0m0s"},
		"a text that looks as a number": {strings.Join(o.RootKeys, " "), id},
		"a secret's file":               {fmt.Sprint(o.Token.IsSet()), "true"},
		"an empty value is not set":     {o.S3Region, ""},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q, want %q", name, got[0], got[1])
		}
	}
	if !o.Full || o.KeyThreshold != 1 {
		t.Errorf("full %t, key-threshold %d", o.Full, o.KeyThreshold)
	}
	if o := parsed(t, map[string]string{"INPUT_CONFIG": written(t, "branch: other")}, "--config", config); o.Branch != "file" {
		t.Errorf("branch %q is not that of the flag's file", o.Branch)
	}
}

func TestConfigFileRefuses(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"package: aeson":              `"package" is not an option of sync; did you mean packages?`,
		"config: other.yaml":          `line 1: a file of options cannot name another one; remove "config"`,
		"bukcet: x":                   `line 1: "bukcet" is not an option of sync; did you mean bucket?`,
		"tag: a\nbranch: b\ntag: c":   `line 3: option "tag" is in line 1 already`,
		"tag: a\n  b: hunter2\n":      "line 2 is not YAML; write one OPTION: VALUE on each line",
		"hunter2":                     "line 1: write one OPTION: VALUE on each line",
		"public_url: x":               `did you mean public-url?`,
		"- aeson":                     "OPTION: VALUE",
		"tag: {a: b}":                 `option "tag": write a text or a list`,
		"packages: [[a]]":             "an item of the list is not a text",
		"token: ghp_0123456789abcdef": "token: there is no such file",
	} {
		got := refused(t, nil, "--bucket=./b", "--config", written(t, text))
		if !strings.Contains(got, says) || strings.Contains(got, "ghp_") || strings.Contains(got, "hunter2") {
			t.Errorf("%q is refused with %q, want %q", text, got, says)
		}
	}
	if got := refused(t, nil, "--bucket=./b", "--config=no/such"); !strings.Contains(got, `read config "no/such": `) {
		t.Error(got)
	}
}

// A bad value is told with the place that it came from.
func TestBadValuesNameTheirPlace(t *testing.T) {
	t.Parallel()
	config := written(t, "time-limit: soon\nconcurrency: 2\n")
	for _, test := range []struct {
		variables map[string]string
		args      []string
		says      string
	}{
		{map[string]string{"HACKAGE_MIRROR_TIME_LIMIT": "soon"}, nil, `HACKAGE_MIRROR_TIME_LIMIT: "soon" is not a duration; write 5h30m`},
		{map[string]string{"INPUT_TIME-LIMIT": "0"}, nil, `INPUT_TIME-LIMIT: "0" is not above zero`},
		{map[string]string{"INPUT_HISTORY": "all"}, nil, `INPUT_HISTORY: "all" is unknown; write one of daily, snapshot`},
		{map[string]string{"HACKAGE_MIRROR_SIGNING_KEY": "x"}, nil, `HACKAGE_MIRROR_SIGNING_KEY: it is neither`},
		{nil, []string{"--config", config}, `config "` + config + `": time-limit: "soon" is not a duration`},
		{map[string]string{"HACKAGE_MIRROR_CONFIG": config, "INPUT_TIME_LIMIT": "1h", "INPUT_CONCURRENCY": "x"}, nil, `INPUT_CONCURRENCY: "x" is not a whole number`},
		{map[string]string{"HACKAGE_MIRROR_TIME_LIMIT": "soon"}, []string{"--time-limit=late"}, `--time-limit: "late" is not a duration`},
	} {
		if got := refused(t, test.variables, append(test.args, "--bucket=./b")...); !strings.Contains(got, ": "+test.says) {
			t.Errorf("%s; want %q", got, test.says)
		}
	}
	got := refused(t, map[string]string{"HACKAGE_MIRROR_ACTION": "true", "HACKAGE_MIRROR_CONCURRENCY": "abc", "INPUT_BUCKET": "./b"})
	if !strings.Contains(got, `input concurrency: "abc" is not a whole number`) || strings.Contains(got, "--") || !strings.Contains(got, "docs/options.md") {
		t.Errorf("in the Action's own step: %s", got)
	}
}

func TestUnknownVariablesWarn(t *testing.T) {
	t.Parallel()
	env, _, stderr := testEnv(map[string]string{"INPUT_BUCKET": "./b"})
	env.Environ = func() []string {
		return []string{
			"INPUT_PACKAGE=aeson", "INPUT_PACKAGES=lens", "INPUT_NONSENSE=x", "INPUT_EMPTY=", "INPUT_COMMAND=sync", "INPUT_BUCKT=x", "HACKAGE_MIRROR_ACTION=true",
			"HACKAGE_MIRROR_BUCKETS=x", "INPUT_PUBLIC-URL=", "INPUT_SIGNING_KEY=x", "HOME=/",
		}
	}
	_ = echo.main(t.Context(), []string{"sync"}, env)
	for _, want := range []string{
		`warning: variable "INPUT_PACKAGE" is not an option, so it was ignored; did you mean INPUT_PACKAGES?`,
		`warning: variable "INPUT_NONSENSE" is not an option, so it was ignored` + "\n",
		`warning: variable "INPUT_BUCKT" is not an option, so it was ignored; did you mean INPUT_BUCKET?`,
		`warning: variable "HACKAGE_MIRROR_BUCKETS" is not an option, so it was ignored; did you mean HACKAGE_MIRROR_BUCKET?`,
	} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("warnings lack %q:\n%s", want, stderr)
		}
	}
	if n := strings.Count(stderr.String(), "warning: "); n != 4 {
		t.Errorf("%d warnings, want 4:\n%s", n, stderr)
	}
}

func TestPackagesThatMatchNothingWarn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	said := w.sync(CodeDone, "--packages", "alpha,alpah,zz*,a*,!nothing")
	for _, pattern := range []string{"alpah", "zz*"} {
		w.says(said, `warning: packages: upstream has nothing called "`+pattern+`"`)
	}
	if n := strings.Count(said, "packages: upstream has nothing"); n != 2 {
		t.Errorf("%d warnings, want 2:\n%s", n, said)
	}
}

// The key that is made without gpg is one that sync signs with, and gpg-shaped.
func TestKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	keys := w.path("keys")
	code, said := w.run("key", "--keys", keys, "--signer", "Mirror <mirror@example.invalid>", "--expires", "2y")
	if code != CodeDone {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
	w.says(said, "-----BEGIN PGP PUBLIC KEY BLOCK-----", "made signing key")
	path := filepath.Join(keys, "signing-key.asc")
	private, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := openpgp.NewSigner(private, nil, w.now)
	if err != nil || !strings.Contains(said, signer.Fingerprint()) {
		t.Errorf("fingerprint is not in:\n%s\n%v", said, err)
	}
	w.key = private
	w.sync(CodeDone)
	w.checkSignatures(w.files())

	_, again := w.run("key", "--keys", keys)
	w.says(again, "found signing key", signer.Fingerprint())
	if strings.Contains(again, "warning") {
		t.Errorf("it warns of nothing:\n%s", again)
	}
	_, again = w.run("key", "--keys", keys, "--signer", "Other <other@example.invalid>")
	w.says(again, "warning: there is a key already, and it stays as it is: Mirror <mirror@example.invalid>, expires 20")
	_, again = w.run("key", "--keys", keys, "--expires", "1y")
	w.says(again, "there is a key already")
	if there, err := os.ReadFile(path); err != nil || !slices.Equal(there, private) {
		t.Errorf("the key was changed: %v", err)
	}
	for _, args := range [][]string{{"key", "--keys", w.path("other")}, {"key", "--keys", w.path("other"), "--signer", "nobody"}, {"key", "--keys", w.path("other"), "--signer", "a <b@c>", "--expires", "signer"}} {
		if code, said := w.run(args...); code != CodeUsage || !strings.Contains(said, "signer") {
			t.Errorf("%q: exit code %d:\n%s", args, code, said)
		}
	}
}

// What is printed works as it is, with a passphrase, too.
func TestKeyWithAPassphrase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	phrase := written(t, "correct horse\n")
	_, said := w.run("key", "--keys", w.path("keys"), "--signer", "Mirror <mirror@example.invalid>", "--signing-passphrase", phrase)
	w.says(said, "--signing-key "+filepath.Join(w.path("keys"), "signing-key.asc")+" --signing-passphrase "+phrase+"\n")
	code, said := w.run("key", "--keys", w.path("keys"))
	if w.says(said, "--signing-passphrase", "HACKAGE_MIRROR_SIGNING_PASSPHRASE"); code != CodeError || strings.Contains(said, "INPUT_") {
		t.Errorf("exit code %d:\n%s", code, said)
	}
}
