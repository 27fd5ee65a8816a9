package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshtest"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// initArgs are options of init that put everything into a folder.
func initArgs(dir string, more ...string) []string {
	return append([]string{
		"init", "--yes", "--keys", filepath.Join(dir, "keys"), "--workflow", filepath.Join(dir, "mirror.yml"),
		"--repository", "me/mirror", "--files-repository", "me/files", "--hashes-repository", "me/hashes",
		"--signer", "Mirror <mirror@example.org>",
	}, more...)
}

// made runs init and returns the private keys, by option of sync, as the
// workflow gets them: text without the last newline.
func (w *world) made(args ...string) map[string]string {
	w.Helper()
	code, said := w.run(args...)
	if code != CodeDone {
		w.Fatalf("exit code %d:\n%s", code, said)
	}
	keys := map[string]string{}
	for option, file := range map[string]string{
		"signing-key": "signing-key.asc", "files-ssh-key": "files-ssh-key", "hashes-ssh-key": "hashes-ssh-key",
	} {
		raw, err := os.ReadFile(filepath.Join(w.path("init"), "keys", file))
		if err != nil {
			w.Fatal(err)
		}
		keys[option] = strings.TrimSpace(string(raw))
		w.hides(said, keys[option])
	}
	return keys
}

// use gives the keys to the runs that follow, as the Action would.
func (w *world) use(keys map[string]string) {
	for option, text := range keys {
		w.env["INPUT_"+strings.ToUpper(option)] = text
	}
	w.key = []byte(keys["signing-key"] + "\n")
}

// A run with exactly the keys that init made fills everything, and git and gpg
// accept the signatures.
func TestKeysOfInitMirror(t *testing.T) {
	t.Parallel()
	for name, passphrase := range map[string]string{"without a passphrase": "", "with a passphrase": passphrase} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			if passphrase != "" {
				w.env["INPUT_SIGNING-PASSPHRASE"] = passphrase
			}
			keys := w.made(initArgs(w.path("init"), "--expires", "1y")...)
			w.use(keys)
			if passphrase != "" {
				w.env["INPUT_SIGNING-PASSPHRASE"] = passphrase
			}
			said := w.sync(CodeDone)
			w.grow()
			said += w.sync(CodeDone)
			w.checkTree(w.files(), nil)
			w.checkTree(w.hashes(), nil)
			w.hides(said, keys["signing-key"], passphrase)
			key := w.gpgKeyOf(keys["signing-key"], filepath.Join(w.path("init"), "keys", "signing-key.pub.asc"), passphrase)
			w.checkSigned(key, w.files())
			w.checkSigned(key, w.hashes())
		})
	}
}

// gpgKeyOf has real gpg read both halves of a key, and sign with it.
func (w *world) gpgKeyOf(private, public, passphrase string) gpgKey {
	w.Helper()
	findProgram(w.T, "gpg")
	dir, err := os.MkdirTemp("", "gpg") // short, for the sockets in it
	if err != nil {
		w.Fatal(err)
	}
	k := gpgKey{home: dir}
	w.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run() // there may be none
		_ = os.RemoveAll(dir)
	})
	k.gpg(w.T, "", "--import", public)
	file := filepath.Join(w.T.TempDir(), "private.asc")
	writeFile(w.T, file, []byte(private+"\n"))
	k.gpg(w.T, passphrase, "--import", file)
	k.gpg(w.T, passphrase, "--output", filepath.Join(dir, "signed"), "--sign", file)
	k.gpg(w.T, "", "--verify", filepath.Join(dir, "signed"))
	return k
}

// Deploy keys of GitHub open one repository each: here, an sshd lets each of
// them do nothing but git in its own folder.
func TestDeployKeysOfInit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	keys := w.made(initArgs(w.path("init"))...)
	var authorized []string
	for option, repository := range map[string]string{"files": w.files(), "hashes": w.hashes()} {
		public, err := os.ReadFile(filepath.Join(w.path("init"), "keys", option+"-ssh-key.pub"))
		if err != nil {
			t.Fatal(err)
		}
		authorized = append(authorized, fmt.Sprintf("restrict,command=\"case $SSH_ORIGINAL_COMMAND in *%s*) exec sh -c \\\"$SSH_ORIGINAL_COMMAND\\\";; *) exit 1;; esac\" %s", repository, public))
	}
	host := sshtest.New(t, "", authorized...)
	args := w.over(host.URL(w.dir))
	w.use(keys)
	w.env["INPUT_SSH-KNOWN-HOSTS"] = host.KnownHosts()
	code, said := w.run(args...)
	if code != CodeDone {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
	w.checkAll()
	w.hides(said, keys["files-ssh-key"], keys["hashes-ssh-key"], keys["signing-key"])

	w.hackage.Upload("later", "1", nil, nil)
	w.env["INPUT_FILES-SSH-KEY"], w.env["INPUT_HASHES-SSH-KEY"] = keys["hashes-ssh-key"], keys["files-ssh-key"]
	if code, said = w.run(args...); code != CodeError {
		t.Errorf("keys of the wrong repositories: exit code %d:\n%s", code, said)
	}
	w.says(said, "files-repository", "hashes-repository")
	delete(w.env, "INPUT_FILES-SSH-KEY")
	delete(w.env, "INPUT_HASHES-SSH-KEY")
	w.env["INPUT_SSH-KEY"], w.env["INPUT_FILES-SSH-KEY"] = keys["hashes-ssh-key"], keys["files-ssh-key"]
	if code, said = w.run(args...); code != CodeDone {
		t.Errorf("ssh-key beside files-ssh-key: exit code %d:\n%s", code, said)
	}
	w.checkAll()
}

// Who moves here brings the key that readers know.
func TestInitTakesAKeyOfGPG(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	key := newGPGKey(t, "rsa3072", "never", passphrase)
	if err := os.MkdirAll(filepath.Join(w.path("init"), "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(w.path("init"), "keys", "signing-key.asc")
	writeFile(t, file, key.secret)
	w.env["INPUT_SIGNING-PASSPHRASE"] = passphrase
	code, said := w.run(initArgs(w.path("init"))...)
	if code != CodeDone {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
	w.says(said, "signs as Real Key <real@example.invalid>", "; kept", "gh secret set SIGNING_PASSPHRASE")
	w.hides(said, string(key.secret), passphrase)
	if raw, err := os.ReadFile(file); err != nil || string(raw) != string(key.secret) {
		t.Errorf("the key was changed, %v", err)
	}
	newer := gpgKey{home: t.TempDir()}
	newer.gpg(t, "", "--show-keys", filepath.Join(w.path("init"), "keys", "signing-key.pub.asc"))
}

// Whenever it is killed, the next run ends right: each secret and deploy key is
// set once, and they fit.
func TestInitIsKilled(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n++ {
		github, dir := t.TempDir(), t.TempDir()
		start := func(killed string) (string, error) {
			cmd := &exec.Cmd{Path: self, Args: append([]string{program}, initArgs(dir, "--gh")...), Dir: dir} // see TestMain
			cmd.Env = append(os.Environ(), "GH_STATE="+github, "GH_KILL="+killed)
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		_, killed := start(strconv.Itoa(n))
		if killed == nil {
			if n < 12 {
				t.Errorf("a run made only %d calls", n-1)
			}
			return
		}
		if out, err := start(""); err != nil {
			t.Fatalf("after a kill at call %d: %v\n%s", n, err, out)
		}
		for option, repository := range map[string]string{"FILES": "files", "HASHES": "hashes"} {
			private, err := os.ReadFile(filepath.Join(github, "secret-me_mirror-"+option+"_SSH_KEY"))
			if err != nil {
				t.Fatalf("after a kill at call %d: %v", n, err)
			}
			public, err := os.ReadFile(filepath.Join(github, "deploy-me_"+repository))
			if err != nil {
				t.Fatalf("after a kill at call %d: %v", n, err)
			}
			key, err := ssh.ParsePrivateKey(private)
			if err != nil || !strings.HasPrefix(string(public), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))) {
				t.Errorf("after a kill at call %d, the key of %s does not open it: %v", n, repository, err)
			}
		}
	}
}

// The commands that init prints are run as they are printed, in a new repository,
// in one without a remote, and in a folder that is none yet.
func TestCommandsOfInitWork(t *testing.T) {
	t.Parallel()
	bash := findProgram(t, "bash")
	for name, before := range map[string]string{
		"a new repository":          "git init -q && git remote add origin https://github.com/me/mirror && git init -q --bare $GH_STATE/me/mirror.git",
		"one without a remote":      "git init -q",
		"a folder":                  "true",
		"a clone of something else": "git init -q && git remote add origin https://github.com/me/else && git init -q --bare $GH_STATE/me/mirror.git",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, github := t.TempDir(), t.TempDir()
			shell := func(script string) string {
				cmd := exec.Command(bash, "-e", "-c", script)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "GH_STATE="+github, "HOME="+dir, "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_COUNT=3",
					"GIT_CONFIG_KEY_0=url."+github+"/.insteadOf", "GIT_CONFIG_VALUE_0=https://github.com/",
					"GIT_CONFIG_KEY_1=user.name", "GIT_CONFIG_VALUE_1=Me", "GIT_CONFIG_KEY_2=user.email", "GIT_CONFIG_VALUE_2=me@example.org")
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", script, err, out)
				}
				return string(out)
			}
			shell(before)
			said := shell("hackage-mirror init --yes --repository me/mirror --bucket 's3://my-hackage' --files-repository me/files --hashes-repository me/hashes")
			var commands []string
			for line := range strings.Lines(said) {
				if command, ok := strings.CutPrefix(line, "      "); ok {
					commands = append(commands, command)
				}
			}
			shell(strings.ReplaceAll(strings.Join(commands, ""), "gh secret set AWS_", "echo x | gh secret set AWS_"))
			if files := shell("git -C $GH_STATE/me/mirror.git ls-tree -r --name-only $(git branch --show-current)"); files != ".github/dependabot.yml\n.github/workflows/mirror.yml\n" {
				t.Errorf("on GitHub are the files %q", files)
			}
			calls := shell("cat $GH_STATE/argv")
			for _, want := range []string{
				"variable set HASHES_REPOSITORY --repo me/mirror --body git@github.com:me/hashes.git\n", "variable set BUCKET --repo me/mirror --body s3://my-hackage\n",
				"secret set AWS_SECRET_ACCESS_KEY", "workflow run mirror.yml --repo me/mirror -f dry-run=true\n", "repo create me/hashes --public\n",
			} {
				if !strings.Contains(calls, want) {
					t.Errorf("gh was not called with %q:\n%s", want, calls)
				}
			}
		})
	}
}

func TestInitWipesThePassphrase(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"INPUT_SIGNING_PASSPHRASE": passphrase}
	env, _, stderr := testEnv(variables)
	var held []byte
	c := commands{init: func(_ context.Context, o *InitOptions, _ Env) error {
		held = o.SigningPassphrase.Bytes()
		if string(held) != passphrase {
			t.Errorf("the passphrase is %q", held)
		}
		return nil
	}}
	if code := c.main(t.Context(), []string{"init"}, env); code != CodeDone {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if strings.Trim(string(held), "\x00") != "" || len(variables) != 0 {
		t.Errorf("afterwards there is %q in memory and %v in the environment", held, variables)
	}
}
