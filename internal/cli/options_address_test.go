package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/options"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
)

// TestSlipsOfThePen: what was meant as another place must not become a folder,
// and not one is made when something else is wrong.
func TestSlipsOfThePen(t *testing.T) {
	t.Parallel()
	there := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(there, link); err != nil {
		t.Fatal(err)
	}
	key, token := writeSecret(t, armor, 0o600), writeSecret(t, "hunter2", 0o600)
	repository := func(address string) []string { return []string{"--files-repository=" + address, "--signing-key", key} }
	for _, test := range []struct {
		name string
		args []string
		says string
	}{
		{"a bucket's name", []string{"--bucket=my-bucket"}, `bucket "my-bucket" does not exist, and a folder to be made must begin with a slash or a dot: write s3://NAME for a bucket on S3`},
		{"one slash", []string{"--bucket=s3:/my-bucket"}, "neither a path nor a URL"},
		{"no colon", []string{"--bucket=s3//my-bucket"}, "neither a path nor a URL"},
		{"home", []string{"--bucket=~/mirror"}, "only a shell expands"},
		{"somebody's home", []string{"--bucket=~me"}, "only a shell expands"},
		{"a comment", []string{"--bucket=./a\n# the other one\n./b"}, `"# the other one" contains a comment`},
		{"a comment behind", []string{"--bucket=./a # first"}, "contains a comment"},
		{"a comment behind S3", []string{"--bucket=s3://name # first"}, "contains a comment"},
		{"OWNER/REPO elsewhere", repository("me/all-cabal-files"), `files-repository "me/all-cabal-files" does not exist`},
		{"home of a repository", repository("~/r.git"), "only a shell expands"},
		{"a comment at a repository", repository("./r.git # ours"), "contains a comment"},
		{"a repository with one slash", repository("https:/github.com/me/r"), "https must be followed by ://"},
		{"token in scp's form", repository("x-access-token:hunter2@github.com:me/r"), "a password before the @"},
		{"token over https", repository("https://hunter2@github.com/me/r"), "contains a user or token"},
		{"password over ssh", repository("ssh://git:hunter2@github.com/me/r"), "contains a password"},
		{"something with an @", []string{"--bucket=me:hunter2@host/x"}, `"…@host/x"`},
		{"home of upstream", []string{"--upstream=~/hackage", "--bucket=./b"}, "only a shell expands"},
		{"upstream that is no folder", []string{"--upstream=hackage", "--bucket=./b"}, `upstream "hackage" does not exist`},
		{"upstream with a token", []string{"--upstream=https://hunter2@host", "--bucket=./b"}, "give the user with upstream-user"},
		{"upstream with a password", []string{"--upstream=https://me:hunter2@host", "--bucket=./b"}, "the password with upstream-password"},
		{"upstream with a query", []string{"--upstream=http://127.0.0.1:1/?token=hunter2", "--bucket=./b"}, "upstream has a query or fragment"},
		{"upstream with a fragment", []string{"--upstream=https://host/x#hunter2", "--bucket=./b"}, "upstream has a query or fragment"},
		{"a folder's URL with a query", []string{"--upstream=file://" + there + "?token=hunter2", "--bucket=./b"}, "upstream has a query or fragment"},
		{"upstream in an address", []string{"--upstream=https://x/https://me:hunter2@h/", "--bucket=./b"}, "upstream has another address"},
		{"upstream behind a password", []string{"--upstream=https://x/me:hunter2@h/", "--bucket=./b"}, "or a user and password, in its path"},
		{"a repository in an address", repository("https://x/https://me:hunter2@h/r"), "another address, or a user and password, is in its path"},
		{"no scheme, and a query", []string{"--upstream=host:8080/?token=hunter2", "--bucket=./b"}, `"host:8080/…"`},
		{"a comment behind scp's form", repository("git@github.com:me/x.git # ours"), `"…@github.com:me/x.git" contains a comment`},
		{"a comment behind https", repository("https://github.com/me/x.git # ours"), "contains a comment"},
		{"a comment behind a tab", repository("https://github.com/me/x.git\t# ours"), "contains a comment"},
		{"a comment behind upstream", []string{"--upstream=https://host # hunter2", "--bucket=./b"}, `upstream "https://host" contains a comment`},
		{"upstream is the bucket", []string{"--upstream=" + there, "--bucket=" + link + "/."}, "is upstream itself"},
		{"upstream is the bucket, as a URL", []string{"--upstream=" + there, "--bucket=file://" + link}, "is upstream itself"},
		{"upstream and public-url are the same", []string{"--upstream=https://Mirror.example/x", "--public-url=http://mirror.example/x/", "--bucket=s3://name"}, "a mirror of itself"},
		{"upstream and public-url are the same, by the bucket", []string{"--upstream=https://mirror.example", "--bucket=s3://name?public-url=https://mirror.example/"}, "a mirror of itself"},
		{"two in one folder", append(repository("./b"), "--bucket=./b"), "are the same"},
		{"two repositories in one", append(repository("git@host:me/r"), "--hashes-repository=git@host:me/r.git"), "are the same"},
		{"one token for two hosts", append(repository("https://one.example/r"), "--hashes-repository=https://two.example/r", "--token", token), "both one.example and two.example would get the same token"},
		{"password without a user", []string{"--bucket=./b", "--upstream-password", key}, "needs a user"},
		{"password sent unencrypted", []string{"--bucket=./b", "--upstream=http://host", "--upstream-user=me", "--upstream-password", key}, "sent unencrypted"},
		{"password of a folder", []string{"--bucket=./b", "--upstream=" + there, "--upstream-user=me"}, "upstream is a folder"},
		{"an ssh key that is none", append(repository("git@host:r"), "--ssh-key", key), "read ssh key: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := refused(t, nil, test.args...)
			if !strings.Contains(got, test.says) || strings.Contains(got, "hunter2") {
				t.Errorf("says %q, want %q and no secret", got, test.says)
			}
		})
	}
}

// TestOwnerAndNameOnARunner: what init and GitHub call a repository is that one.
func TestOwnerAndNameOnARunner(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		given, server string
		key           bool
		want          string
	}{
		{"me/all-cabal-files", "https://github.com", true, "git@github.com:me/all-cabal-files.git"},
		{"me/all-cabal-files", "https://github.com", false, "https://github.com/me/all-cabal-files.git"},
		{"me/r.git", "", true, "git@github.com:me/r.git"},
		{"me/r", "https://ghe.example.org:8443", false, "https://ghe.example.org:8443/me/r.git"},
		{"me/r", "https://ghe.example.org:8443", true, "git@ghe.example.org:me/r.git"},
		{"me/r", "https://[::1]:8443", true, "git@[::1]:me/r.git"},
		{"me/r", "https://[::1]:8443", false, "https://[::1]:8443/me/r.git"},
		{"me/r", "ghe.example.org", true, "git@ghe.example.org:me/r.git"},
		{"me/r", "ghe.example.org:8443", false, "https://ghe.example.org:8443/me/r.git"},
		{"./me/r", "https://github.com", true, "./me/r"},
		{"me/..", "https://github.com", true, "me/.."},
		{"me/x/y", "https://github.com", true, "me/x/y"},
		{"git@host:me/r", "https://github.com", true, "git@host:me/r"},
		{"https://host/me/r", "https://github.com", true, "https://host/me/r"},
	} {
		variables := map[string]string{
			"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": test.server, "INPUT_FILES-REPOSITORY": test.given, "INPUT_SIGNING-KEY": armor,
		}
		o := options.Sync{FilesRepository: test.given}
		if test.key {
			o.SSHKey = mustSecret(t, armor, secret.Key)
		}
		if o.Resolve(func(name string) string { return variables[name] }); o.FilesRepository != test.want {
			t.Errorf("%q at %q is %q, want %q", test.given, test.server, o.FilesRepository, test.want)
		}
		o.FilesRepository = test.given
		if o.Resolve(func(string) string { return "" }); o.FilesRepository != test.given {
			t.Errorf("%q became %q without a runner", test.given, o.FilesRepository)
		}
	}
	o := parsed(t, map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "INPUT_HASHES-REPOSITORY": " <me/r>\n", "INPUT_SIGNING-KEY": armor, "INPUT_TOKEN": "t",
	})
	if o.HashesRepository != "https://github.com/me/r.git" {
		t.Errorf("hashes-repository %q", o.HashesRepository)
	}
}

// TestMasksAreForTheRunnerOnly: in a step that somebody wrote, the output may go
// into a file.
func TestMasksAreForTheRunnerOnly(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]bool{"true": true, "": false} {
		env, _, stderr := testEnv(map[string]string{"GITHUB_ACTIONS": "true", "HACKAGE_MIRROR_ACTION": step, "INPUT_BUCKET": "./b", "INPUT_SIGNING-KEY": armor})
		if code := echo.main(t.Context(), []string{"sync"}, env); code != CodeDone {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		if got := strings.Contains(stderr.String(), "bm90IGEga2V5"); got != want {
			t.Errorf("step %q: the key is in the log: %t", step, got)
		}
	}
}

// TestFoldersOfHostedRunners: such a run is green for ever, and nothing is left of it.
func TestFoldersOfHostedRunners(t *testing.T) {
	t.Parallel()
	folder, key := t.TempDir(), writeSecret(t, armor, 0o600)
	for _, test := range []struct {
		runner, arg string
		want        bool
	}{
		{"github-hosted", "--bucket=" + folder, true},
		{"github-hosted", "--files-repository=" + folder, true},
		{"github-hosted", "--hashes-repository=./new", true},
		{"github-hosted", "--files-repository=git@github.com:me/r.git", false},
		{"github-hosted", "--bucket=s3://name", false},
		{"self-hosted", "--bucket=" + folder, false},
	} {
		env, _, stderr := testEnv(map[string]string{"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": test.runner})
		if code := echo.main(t.Context(), []string{"sync", test.arg, "--signing-key", key}, env); code != CodeDone {
			t.Fatalf("%s: exit code %d: %s", test.arg, code, stderr)
		}
		if got := strings.Contains(stderr.String(), "deleted after the run"); got != test.want {
			t.Errorf("%s on a %s runner: %s", test.arg, test.runner, stderr)
		}
	}
}

// TestCommentsAreNamed: in whatever option somebody noted something.
func TestCommentsAreNamed(t *testing.T) {
	t.Parallel()
	for option, value := range map[string]string{
		"root-keys": "abc", "packages": "aeson", "keep": "README.md", "accept-mismatch": "a-1@b", "public-url": "https://host", "s3-endpoint": "https://host",
		"s3-region": "us-east-1", "branch": "data", "tag": "current", "bucket": "s3://name", "upstream": "https://host", "files-repository": "git@host:r", "hashes-repository": "git@host:r",
	} {
		got := refused(t, map[string]string{inputVariables(option)[0]: value + " # ours"})
		if !strings.Contains(got, fmt.Sprintf("%s %q contains a comment", option, addresses.Shown(value))) {
			t.Errorf("%s: %s", option, got)
		}
	}
}

// TestAddressesInAddresses: a user and a password there end up in logs and records.
func TestAddressesInAddresses(t *testing.T) {
	t.Parallel()
	for _, option := range []string{"public-url", "s3-endpoint", "upstream", "files-repository", "hashes-repository"} {
		got := refused(t, map[string]string{inputVariables(option)[0]: "https://host/https://me:hunter2@host/x"}, "--bucket=./b")
		if !strings.Contains(got, option) || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %s", option, got)
		}
	}
}
