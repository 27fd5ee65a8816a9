package run

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

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
	sshd := findProgram(t, "sshd", "/usr/sbin", "/usr/local/sbin", "/sbin")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, hackagetest.Small())
	keys := w.made(initArgs(w.path("init"))...)
	dir := t.TempDir()
	_, hostKey := keygen(t, filepath.Join(dir, "host"))
	var authorized strings.Builder
	for option, repository := range map[string]string{"files": w.files(), "hashes": w.hashes()} {
		public, err := os.ReadFile(filepath.Join(w.path("init"), "keys", option+"-ssh-key.pub"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&authorized, "restrict,command=\"case $SSH_ORIGINAL_COMMAND in *%s*) exec sh -c \\\"$SSH_ORIGINAL_COMMAND\\\";; *) exit 1;; esac\" %s", repository, public)
	}
	writeFile(t, filepath.Join(dir, "client.pub"), []byte(authorized.String()))
	port, ok := 0, false
	for range 5 {
		if port, ok = startSSHD(t, sshd, dir); ok {
			break
		}
	}
	if !ok {
		t.Fatal("sshd does not start")
	}
	args := w.over(fmt.Sprintf("ssh://%s@127.0.0.1:%d%s", me.Username, port, w.dir))
	w.use(keys)
	w.env["INPUT_SSH-KNOWN-HOSTS"] = fmt.Sprintf("[127.0.0.1]:%d %s\n", port, hostKey)
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

// What a workflow gives to the Action must be options of sync.
func TestWorkflowOfInitNamesOptions(t *testing.T) {
	t.Parallel()
	options := map[string]bool{}
	for _, flag := range syncFlags() {
		options[flag.Name] = true
	}
	input := regexp.MustCompile(`(?m)^          ([a-z0-9-]+):( |$)`)
	files, err := filepath.Glob(filepath.Join("..", "setup", "testdata", "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d workflows, %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, step, _ := strings.Cut(string(raw), "uses: hackage-mirror/hackage-mirror@v1\n")
		step, _, _ = strings.Cut(step, "\n  notice:")
		step, _, _ = strings.Cut(step, "uses: hackage-mirror/hackage-mirror/.github/actions/notice@v1\n")
		step, _, _ = strings.Cut(step, "\n        env:")
		found := input.FindAllStringSubmatch(step, -1)
		if len(found) < 4 {
			t.Errorf("%s: only the inputs %q were found", file, found)
		}
		for _, m := range found {
			if !options[m[1]] {
				t.Errorf("%s: %q is no option of sync", file, m[1])
			}
		}
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
