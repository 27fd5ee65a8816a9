package cli

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hackage-mirror/hackage-mirror/internal/options"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
)

const hostLine = "git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"

// parsed returns the options that sync would get.
func parsed(t *testing.T, variables map[string]string, args ...string) options.Sync {
	t.Helper()
	env, _, stderr := testEnv(variables)
	var got options.Sync
	c := commands{sync: func(_ context.Context, o *options.Sync, _ Env) error { got = *o; return nil }}
	if code := c.main(t.Context(), append([]string{"sync", "--bucket=./out"}, args...), env); code != CodeDone {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	return got
}

// refused returns what is said of options that are bad usage.
func refused(t *testing.T, variables map[string]string, args ...string) string {
	t.Helper()
	env, _, stderr := testEnv(variables)
	c := commands{sync: func(context.Context, *options.Sync, Env) error { t.Error("sync was started"); return nil }}
	if code := c.main(t.Context(), append([]string{"sync"}, args...), env); code != CodeUsage {
		t.Fatalf("exit code %d, want %d: %s", code, CodeUsage, stderr)
	}
	return stderr.String()
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	want := options.Sync{
		Upstream: "https://hackage.haskell.org", KeyThreshold: 3, Bucket: []string{"./out"},
		Branch: "hackage", Tag: "current-hackage", History: "daily", Concurrency: 10, LogFormat: "plain",
	}
	if diff := cmp.Diff(want, parsed(t, nil), cmp.AllowUnexported(secret.Secret{})); diff != "" {
		t.Error(diff)
	}
}

func TestSources(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		variables map[string]string
		args      []string
		want      string
	}{
		{"the runner's name", map[string]string{"INPUT_PUBLIC-URL": "https://a"}, nil, "https://a"},
		{"a shell's name", map[string]string{"INPUT_PUBLIC_URL": "https://b"}, nil, "https://b"},
		{"the runner's name first", map[string]string{"INPUT_PUBLIC-URL": "https://a", "INPUT_PUBLIC_URL": "https://b"}, nil, "https://a"},
		{"an empty variable is not set", map[string]string{"INPUT_PUBLIC-URL": "", "INPUT_PUBLIC_URL": "https://b"}, nil, "https://b"},
		{"blanks are empty", map[string]string{"INPUT_PUBLIC-URL": " \n"}, nil, ""},
		{"blanks around", map[string]string{"INPUT_PUBLIC-URL": " https://a/\n"}, nil, "https://a"},
		{"our own name", map[string]string{"HACKAGE_MIRROR_PUBLIC_URL": "https://d"}, nil, "https://d"},
		{"the runner's name before our own", map[string]string{"INPUT_PUBLIC_URL": "https://b", "HACKAGE_MIRROR_PUBLIC_URL": "https://d"}, nil, "https://b"},
		{"a flag first", map[string]string{"INPUT_PUBLIC-URL": "https://a"}, []string{"--public-url", "https://c"}, "https://c"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := parsed(t, test.variables, test.args...).PublicURL; got != test.want {
				t.Errorf("public-url %q, want %q", got, test.want)
			}
		})
	}
}

// The environment must reach every option, and an option without a test of its
// own must not be one that nobody can set.
func TestEveryOptionByEnvironment(t *testing.T) {
	t.Parallel()
	key := "-----BEGIN KEY-----\nabc\n-----END KEY-----"
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{
		"INPUT_UPSTREAM": "http://localhost", "INPUT_ROOT-KEYS": strings.Repeat("A", 64), "INPUT_KEY-THRESHOLD": "1",
		"INPUT_PACKAGES": "a\n!b", "INPUT_PUBLIC-URL": "https://a",
		"INPUT_FILES-REPOSITORY": "./f", "INPUT_HASHES-REPOSITORY": "./h", "INPUT_BRANCH": "b", "INPUT_TAG": "t",
		"INPUT_SIGNING-KEY": key, "INPUT_SIGNING-PASSPHRASE": "p", "INPUT_SSH-KEY": key,
		"INPUT_FILES-SSH-KEY": key, "INPUT_HASHES-SSH-KEY": key,
		"INPUT_SSH-KNOWN-HOSTS": hostLine, "INPUT_TOKEN": "t", "INPUT_TOKEN-USER": "u", "INPUT_UPSTREAM-USER": "u", "INPUT_UPSTREAM-PASSWORD": "p", "INPUT_PING-URL": "https://a", "INPUT_NOTIFY-URL": "https://b", "INPUT_HISTORY": "snapshot",
		"INPUT_ACCEPT-REWRITE": "true", "INPUT_FULL": "true", "INPUT_CONCURRENCY": "3", "INPUT_SHARD": "1/2", "INPUT_S3-ENDPOINT": "e", "INPUT_S3-REGION": "r", "INPUT_S3-PATH-STYLE": "true", "INPUT_TIME-LIMIT": "5h30m", "INPUT_LOG-FORMAT": "json", "INPUT_DRY-RUN": "True", "INPUT_VERBOSE": "TRUE", "INPUT_JSON": "true",
		"INPUT_TRUSTED-KEYS": strings.Repeat("A", 40), "INPUT_KEEP": "README.md", "INPUT_ADOPT": "true",
		"INPUT_ACCEPT-MISMATCH": "a-1@" + strings.Repeat("a", 64), "INPUT_CONFIG": config,
	}
	got := parsed(t, variables)
	value := reflect.ValueOf(got)
	defaults := reflect.ValueOf(parsed(t, nil))
	for i := range value.NumField() {
		if name := value.Type().Field(i).Name; name != "Bucket" && name != "Watch" && reflect.DeepEqual(value.Field(i).Interface(), defaults.Field(i).Interface()) {
			t.Errorf("%s is not set by its variable", name)
		}
	}
	if got := parsed(t, map[string]string{"INPUT_WATCH": "50m"}); got.Watch != 50*time.Minute { // which goes with few others
		t.Errorf("watch %s", got.Watch)
	}
	if want := strings.Repeat("a", 64); got.RootKeys[0] != want {
		t.Errorf("root key %q, want lower case", got.RootKeys[0])
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		input string
		args  []string
		want  []string
	}{
		{"lines", "a\nb\n", nil, []string{"a", "b"}},
		{"commas and blanks", " a , b,\r\n\n ,c ", nil, []string{"a", "b", "c"}},
		{"flags add up", "", []string{"--packages", "a,b", "--packages=c"}, []string{"a", "b", "c"}},
		{"flags beat the environment", "x", []string{"--packages=!a"}, []string{"!a"}},
		{"order and repeats mean nothing", "c,a\nc", nil, []string{"a", "c"}},
		{"nothing", " ,\n", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := parsed(t, map[string]string{"INPUT_PACKAGES": test.input}, test.args...).Packages
			if !slices.Equal(got, test.want) {
				t.Errorf("packages %q, want %q", got, test.want)
			}
		})
	}
}

func TestBooleans(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"true": true, "True": true, "TRUE": true, "1": true, "false": false, "False": false, "FALSE": false, "0": false} {
		if got := parsed(t, map[string]string{"INPUT_DRY-RUN": text}).DryRun; got != want {
			t.Errorf("dry-run %q by environment is %t", text, got)
		}
		if got := parsed(t, nil, "--dry-run="+text).DryRun; got != want {
			t.Errorf("dry-run %q by flag is %t", text, got)
		}
	}
	if !parsed(t, nil, "--dry-run").DryRun {
		t.Error("--dry-run alone does not set it")
	}
	for _, text := range []string{"yes", "on", "tRUE", "2"} {
		if got := refused(t, map[string]string{"INPUT_DRY-RUN": text}); !strings.Contains(got, "is unknown; write true or false") {
			t.Errorf("dry-run %q: %s", text, got)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("0f", 32)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("-----BEGIN KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		args []string
		says string
	}{
		{"no destination", []string{}, "give at least one of bucket"},
		{"unsigned repositories", []string{"--files-repository=./f"}, "need a signing-key"},
		{"equal repositories", []string{"--files-repository=https://h/r.git/", "--hashes-repository=https://h/r", "--signing-key", key}, "are the same"},
		{"public-url is a path", []string{"--bucket=./b", "--public-url=/mirror"}, "https://HOST/PATH"},
		{"public-url with a query", []string{"--bucket=./b", "--public-url=https://h/?a"}, "more than a host and a path"},
		{"threshold above the keys", []string{"--bucket=./b", "--root-keys", id}, "cannot be met by 1 root keys"},
		{"threshold above Hackage's keys", []string{"--bucket=./b", "--key-threshold=7"}, "cannot be met by 6 root keys"},
		{"threshold of nobody", []string{"--bucket=./b", "--key-threshold=0"}, "would trust anyone"},
		{"short root key", []string{"--bucket=./b", "--root-keys=" + id[1:]}, "all 64 hexadecimal digits"},
		{"root key of other letters", []string{"--bucket=./b", "--root-keys=" + id[1:] + "x"}, "all 64 hexadecimal digits"},
		{"root key twice", []string{"--bucket=./b", "--key-threshold=1", "--root-keys=" + id + "," + id}, "is given twice"},
		{"bad pattern", []string{"--bucket=./b", "--packages=a[b"}, `pattern "a[b"`},
		{"pattern with a version", []string{"--bucket=./b", "--packages=aeson-2.2"}, "names without versions"},
		{"too few at once", []string{"--bucket=./b", "--concurrency=0"}, "use 1 to 64"},
		{"too many at once", []string{"--bucket=./b", "--concurrency=65"}, "use 1 to 64"},
		{"not a number", []string{"--bucket=./b", "--concurrency=many"}, `--concurrency: "many" is not a whole number`},
		{"unknown upstream", []string{"--bucket=./b", "--upstream=ftp://h"}, `by "ftp"`},
		{"empty upstream", []string{"--bucket=./b", "--upstream="}, "upstream is empty"},
		{"bucket elsewhere", []string{"--bucket=gs://name/prefix"}, `"gs://" is not the kind of address that can be written to`},
		{"bucket with a password", []string{"--bucket=s3://id:word@name"}, "must not contain credentials"},
		{"bucket with an unknown parameter", []string{"--bucket=s3://name?size=big"}, `unknown parameter "size"`},
		{"endpoint", []string{"--bucket=s3://name", "--s3-endpoint=ftp://host"}, "s3-endpoint: "},
		{"endpoint of a bucket", []string{"--bucket=./b,s3://name/p?endpoint=https://host/name/p"}, "give that of the service, https://host"},
		{"endpoint of a bucket, as an option", []string{"--bucket=s3://name", "--s3-endpoint=https://host/Name/x"}, "give that of the service, https://host"},
		{"shard", []string{"--bucket=./b", "--shard=9/8"}, "is not of the form N/OF"},
		{"shard without a bucket", []string{"--files-repository=./r", "--signing-key", key, "--shard=1/8"}, "shard is for buckets"},
		{"watch is over", []string{"--bucket=./b", "--watch=-1s"}, `--watch: "-1s" is not above zero`},
		{"time limit without a unit", []string{"--bucket=./b", "--time-limit=5"}, `"5" is not a duration; write 5h for hours, 5m for minutes`},
		{"time limit of words", []string{"--bucket=./b", "--time-limit=soon"}, `"soon" is not a duration; write 5h30m or 2d`},
		{"time limit", []string{"--bucket=./b", "--time-limit=-1s"}, `--time-limit: "-1s" is not above zero; leave the option out`},
		{"no time", []string{"--bucket=./b", "--time-limit=0"}, `"0" is not above zero`},
		{"time limit below zero", []string{"--bucket=./b", "--time-limit", "-5m"}, `--time-limit: "-5m" is below zero; write --time-limit DURATION`},
		{"no value", []string{"--bucket"}, "--bucket: its value is missing; write --bucket ADDRESS"},
		{"no value of a secret", []string{"--bucket=./b", "--token"}, "--token: its value is missing; write --token FILE"},
		{"a flag for a value", []string{"--bucket", "--full"}, `its value is missing, and "--full" reads like a flag; write --bucket=ADDRESS`},
		{"bucket twice", []string{"--bucket=./b,././b/"}, "is given twice"},
		{"repository elsewhere", []string{"--files-repository=git://h/r", "--signing-key", key}, `nothing is pushed by "git"`},
		{"branch of the README", []string{"--bucket=./b", "--branch=display"}, "choose another name"},
		{"bad branch", []string{"--bucket=./b", "--branch=a..b"}, "branch"},
		{"bad tag", []string{"--bucket=./b", "--tag=-a"}, "tag"},
		{"bad history", []string{"--bucket=./b", "--history=all"}, `--history: "all" is unknown; write one of daily, snapshot`},
		{"known hosts that are nothing", []string{"--bucket=./b", "--ssh-known-hosts=no/such"}, "neither a file nor the lines"},
		{"missing signing key", []string{"--bucket=./b", "--signing-key=no/such"}, "there is no such file"},
		{"argument that is no option", []string{"--bucket=./b", "extra"}, "unexpected argument extra"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := refused(t, nil, test.args...)
			if !strings.Contains(got, test.says) {
				t.Errorf("says %q, want %q", got, test.says)
			}
			if !strings.Contains(got, `Run "hackage-mirror sync --help"`) {
				t.Errorf("%q does not say how to get help", got)
			}
		})
	}
}

func TestCheckFindsAllAtOnce(t *testing.T) {
	t.Parallel()
	got := refused(t, nil, "--concurrency=0", "--tag=", "--packages=!")
	for _, want := range []string{"no destination", "concurrency 0", `tag ""`, `pattern "!"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}

func TestPasswordInAddress(t *testing.T) {
	t.Parallel()
	for _, option := range []string{"upstream", "files-repository", "hashes-repository", "bucket", "public-url"} {
		for _, address := range []string{"https://me:hunter2@host/x", "https://me:hunter2@host/%zz"} {
			got := refused(t, nil, "--"+option, address)
			if !strings.Contains(got, option) || strings.Contains(got, "hunter2") {
				t.Errorf("%s %s: %q must name the option and not the password", option, address, got)
			}
		}
	}
}

func TestCheckWarns(t *testing.T) {
	t.Parallel()
	o := parsed(t, nil)
	if warnings, err := o.Check(); err != nil || len(warnings) > 0 {
		t.Errorf("options without fault: %q, %v", warnings, err)
	}
	o.Upstream = "http://host"
	if warnings, err := o.Check(); err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "upstream") {
		t.Errorf("upstream over http: %q, %v; want one warning", warnings, err)
	}
	o = parsed(t, nil)
	o.SigningKey = mustSecret(t, armor, secret.Key)
	o.FilesRepository, o.HashesRepository = "http://host/files", "git@host:hashes.git"
	if warnings, err := o.Check(); err != nil || len(warnings) != 0 {
		t.Errorf("repository over http: %q, %v; want no warning", warnings, err)
	}
	o.Token = mustSecret(t, "abc", secret.Line)
	if _, err := o.Check(); err == nil || !strings.Contains(err.Error(), "sent unencrypted") {
		t.Errorf("token over http: %v; want a refusal", err)
	}
}

func TestKnownHosts(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte("@revoked "+hostLine), 0o644); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{"": "", file: "@revoked " + hostLine + "\n", hostLine + "\r\n# " + hostLine: hostLine + "\n# " + hostLine + "\n"} {
		o := options.Sync{SSHKnownHosts: value}
		if got, warnings, err := o.KnownHosts(); err != nil || string(got) != want || len(warnings) != 0 {
			t.Errorf("known hosts of %q: %q, %q, %v; want %q", value, got, warnings, err, want)
		}
	}
	o := parsed(t, map[string]string{"INPUT_SSH-KNOWN-HOSTS": "notes of ours\n" + hostLine, "INPUT_SIGNING-KEY": armor, "INPUT_FILES-REPOSITORY": "git@host:r"})
	if warnings, err := o.Check(); err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "line 1 is skipped") {
		t.Errorf("notes among the known hosts: %q, %v", warnings, err)
	}
}

// TestDurations: one parser for all, which knows days and weeks.
func TestDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"2d": 48 * time.Hour, "1w": 7 * 24 * time.Hour, "1w2d3h4m": (9*24+3)*time.Hour + 4*time.Minute, "1.5d": 36 * time.Hour, "5h 30m": 330 * time.Minute, "90s": 90 * time.Second,
	} {
		o := parsed(t, nil, "--bucket=./b", "--time-limit", text, "--watch="+text)
		if o.TimeLimit != want || o.Watch != want {
			t.Errorf("%s: %s, %s; want %s", text, o.TimeLimit, o.Watch, want)
		}
	}
	for text, says := range map[string]string{"24": "write 24h for hours, 24m for minutes", "d": "is not a duration", "1.2.3d": "is not a duration", "1y": "is not a duration", "999999999w": "is not a duration"} {
		if got := refused(t, nil, "--bucket=./b", "--time-limit="+text); !strings.Contains(got, says) {
			t.Errorf("%s: %s", text, got)
		}
	}
}
