package setup

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

// noon is when all tests run; keys are made then.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// usual are the answers of most mirrors.
func usual() Answers {
	return Answers{
		Repository: "me/mirror", Files: "me/all-cabal-files", Hashes: "me/all-cabal-hashes",
		Access: string(DeployKeys), Signer: "Mirror <mirror@example.org>",
	}
}

// A try is a folder in which the command runs again and again.
type try struct {
	*testing.T
	dir     string
	answers Answers
	github  *github // nil: gh is not used
	change  func(*Setup)
}

func newTry(t *testing.T) *try {
	t.Helper()
	return &try{T: t, dir: t.TempDir(), answers: usual()}
}

func (y *try) path(name string) string { return filepath.Join(y.dir, filepath.FromSlash(name)) }

// do runs once and returns what was printed.
func (y *try) do() (string, error) {
	y.Helper()
	return y.doWith(y.Context())
}

func (y *try) doWith(ctx context.Context) (string, error) {
	y.Helper()
	plan, err := y.answers.Plan(noon())
	if err != nil {
		y.Fatal(err)
	}
	var out bytes.Buffer
	s := &Setup{Plan: plan, Answers: y.answers, Here: Folder{true, "git@github.com:me/mirror.git", "trunk"}, Keys: y.path("keys"), File: y.path(".github/workflows/mirror.yml"), Now: noon, Out: &out}
	if y.github != nil {
		s.GH, s.Run = true, y.github.run
	} else {
		s.Run = newGitHub(y.T).run
	}
	if y.change != nil {
		y.change(s)
	}
	err = s.Do(ctx)
	return out.String(), err
}

// must is do, which must succeed.
func (y *try) must() string {
	y.Helper()
	said, err := y.do()
	if err != nil {
		y.Fatalf("%v\n%s", err, said)
	}
	return said
}

// contents reads all files of the folder.
func (y *try) contents() map[string]string {
	y.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(y.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		name, _ := filepath.Rel(y.dir, path)
		files[filepath.ToSlash(name)] = string(raw)
		return err
	})
	if err != nil {
		y.Fatal(err)
	}
	return files
}

func (y *try) write(name, content string) {
	y.Helper()
	if err := os.MkdirAll(filepath.Dir(y.path(name)), 0o755); err != nil {
		y.Fatal(err)
	}
	if err := os.WriteFile(y.path(name), []byte(content), 0o600); err != nil {
		y.Fatal(err)
	}
}

// same fails the test unless two readings of the folder are equal.
func (y *try) same(before map[string]string) {
	y.Helper()
	after := y.contents()
	for name, content := range before {
		if after[name] != content {
			y.Errorf("%s was changed", name)
		}
		delete(after, name)
	}
	for name := range after {
		y.Errorf("%s is new", name)
	}
}

func (y *try) says(text string, parts ...string) {
	y.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			y.Errorf("it does not say %q:\n%s", part, text)
		}
	}
}

// private are the private halves of keys.
var private = []string{"keys/signing-key.asc", "keys/files-ssh-key", "keys/hashes-ssh-key"}

func TestMakesKeysAndWorkflow(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	said := y.must()
	files := y.contents()
	for _, name := range append([]string{
		"keys/.gitignore", "keys/signing-key.pub.asc", "keys/files-ssh-key.pub", "keys/hashes-ssh-key.pub", ".github/workflows/mirror.yml",
	}, private...) {
		if files[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	if len(files) != 10 || files["keys/.gitignore"] != "*\n" {
		t.Errorf("there are %d files, .gitignore has %q", len(files), files["keys/.gitignore"])
	}
	for _, name := range private {
		hides(t, said, []byte(files[name]))
		if info, err := os.Stat(y.path(name)); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	y.says(said, "signs as Mirror <mirror@example.org>", "never expires", "opens me/all-cabal-files",
		"gh secret set SIGNING_KEY --repo me/mirror < ", "gh secret set FILES_SSH_KEY", "--repo me/all-cabal-hashes --allow-write",
		"gh gpg-key add ", "git add ", "gh workflow run mirror.yml")
	if strings.Contains(said, "PASSPHRASE") || strings.Contains(said, "AWS_") {
		t.Errorf("it asks for what this plan does not need:\n%s", said)
	}
}

func TestTheKeysAreGood(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.must()
	files := y.contents()
	signer, err := openpgp.NewSigner([]byte(files[private[0]]), nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	if gitpack.SignerIdentity(signer) != (gitpack.Identity{Name: "Mirror", Email: "mirror@example.org"}) {
		t.Errorf("the key is of %v", gitpack.SignerIdentity(signer))
	}
	if string(signer.PublicKey()) != files["keys/signing-key.pub.asc"] {
		t.Error("the public half is not of the private one")
	}
	var lines []string
	for _, name := range private[1:] {
		key, err := ssh.ParsePrivateKey([]byte(files[name]))
		if err != nil {
			t.Fatal(err)
		}
		line := string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(key.PublicKey())))
		if !strings.HasPrefix(line, "ssh-ed25519 ") || !strings.HasPrefix(files[name+".pub"], line+" hackage-mirror-") {
			t.Errorf("%s: %q is not the public half, %q", name, files[name+".pub"], line)
		}
		lines = append(lines, line)
	}
	if lines[0] == lines[1] {
		t.Error("both repositories have the same key")
	}
}

func TestExpiryAndPassphrase(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.answers.Expires = "2y"
	passphrase := []byte("correct horse battery staple")
	y.change = func(s *Setup) { s.Passphrase = passphrase }
	said := y.must()
	y.says(said, "expires on 2028-11-22", "gh secret set SIGNING_PASSPHRASE")
	hides(t, said, passphrase)
	key := []byte(y.contents()[private[0]])
	if _, err := openpgp.NewSigner(key, nil, noon); !errors.Is(err, openpgp.ErrPassphrase) {
		t.Errorf("without its passphrase: %v", err)
	}
	signer, err := openpgp.NewSigner(key, passphrase, noon)
	if err != nil {
		t.Fatal(err)
	}
	if end, ok := signer.Expires(); !ok || !end.Equal(noon().AddDate(2, 0, 0)) {
		t.Errorf("it expires %v, %v", end, ok)
	}
	before := y.contents()
	y.must()
	y.same(before)
	y.change = nil
	said, err = y.do()
	if !errors.Is(err, openpgp.ErrPassphrase) || !strings.Contains(err.Error(), "--signing-passphrase") {
		t.Errorf("again without the passphrase: %v\n%s", err, said)
	}
	y.same(before)
}

func TestAgainChangesNothing(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.must()
	before := y.contents()
	y.answers.Signer = "Somebody Else <else@example.org>"
	y.must()
	if after := y.contents(); after["keys/answers.json"] == before["keys/answers.json"] {
		t.Error("the new answer is not remembered")
	} else {
		before["keys/answers.json"] = after["keys/answers.json"]
	}
	for range 2 {
		said := y.must()
		y.same(before)
		y.says(said, "signs as Mirror <mirror@example.org>", "; kept", unchanged)
		if strings.Contains(said, "; made") || strings.Contains(said, written) {
			t.Errorf("it says that it made something:\n%s", said)
		}
	}
	// What was answered once is remembered.
	before = y.contents()
	remembered, err := Remembered(y.path("keys"))
	if err != nil {
		t.Fatal(err)
	}
	y.answers = Answers{Repository: "me/mirror"}.Or(remembered)
	y.must()
	y.same(before)
	y.write("keys/answers.json", "{")
	if _, err := Remembered(y.path("keys")); err == nil || !strings.Contains(err.Error(), "remove it to be asked again") {
		t.Errorf("damaged answers: %v", err)
	}
}

// A run may be killed between any two files, or while it writes one. All that it
// made until then must serve the next run.
func TestGoesOnFromAnyHalfWrittenState(t *testing.T) {
	t.Parallel()
	whole := newTry(t)
	whole.must()
	files := whole.contents()
	order := []string{
		"keys/.gitignore", "keys/answers.json", "keys/signing-key.asc", "keys/signing-key.pub.asc", "keys/files-ssh-key", "keys/files-ssh-key.pub",
		"keys/hashes-ssh-key", "keys/hashes-ssh-key.pub", ".github/workflows/mirror.yml", ".github/dependabot.yml",
	}
	if len(order) != len(files) {
		t.Fatalf("%d files in an order of %d", len(files), len(order))
	}
	for n := range order {
		y := newTry(t)
		for _, name := range order[:n] {
			y.write(name, files[name])
		}
		for _, dir := range []string{"keys/", ".github/workflows/", ".github/"} {
			y.write(dir+newMark+"123", files[order[n]][:len(files[order[n]])/2])
		}
		y.must()
		after := y.contents()
		if len(after) != len(files) {
			t.Errorf("after %d files there are %d, want %d", n, len(after), len(files))
		}
		for _, name := range order[:n] {
			if after[name] != files[name] {
				t.Errorf("after %d files, %s was changed", n, name)
			}
			if after[name+".pub"] != "" && after[name+".pub"] != files[name+".pub"] {
				t.Errorf("after %d files, %s got another public half", n, name)
			}
		}
		if after[".github/workflows/mirror.yml"] != files[".github/workflows/mirror.yml"] {
			t.Errorf("after %d files the workflow is another one", n)
		}
		y.must()
		y.same(after)
	}
}

func TestRefusesDamagedKeys(t *testing.T) {
	t.Parallel()
	other := newTry(t)
	other.must()
	foreign := other.contents()
	for _, test := range []struct {
		name, file, content string
		says                string
	}{
		{"half a signing key", private[0], foreign[private[0]][:200], "move it elsewhere"},
		{"an empty signing key", private[0], "", "move it elsewhere"},
		{"a public signing key", private[0], foreign["keys/signing-key.pub.asc"], "move it elsewhere"},
		{"half an ssh key", private[1], foreign[private[1]][:200], "cut off"},
		{"a public ssh key", private[2], foreign[private[2]+".pub"], "this is a public key"},
		{"the public half of another signing key", "keys/signing-key.pub.asc", foreign["keys/signing-key.pub.asc"], "is not the public half"},
		{"the public half of another ssh key", "keys/files-ssh-key.pub", foreign["keys/files-ssh-key.pub"], "is not the public half"},
		{"a public half that is none", "keys/files-ssh-key.pub", "nothing", "is not the public half"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			y := newTry(t)
			y.must()
			y.write(test.file, test.content)
			before := y.contents()
			_, err := y.do()
			if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), filepath.Base(test.file)) {
				t.Errorf("%v; want %q and the file", err, test.says)
			}
			if err != nil {
				hides(t, err.Error(), []byte(test.content))
			}
			y.same(before)
		})
	}
}

func TestKeyThatOthersCanRead(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such bits")
	}
	y := newTry(t)
	y.must()
	if err := os.Chmod(y.path(private[1]), 0o644); err != nil {
		t.Fatal(err)
	}
	y.says(y.must(), "chmod 600 "+y.path(private[1]))
}

// Whoever moved a private key to a safe place keeps it.
func TestPrivateKeyIsElsewhere(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.must()
	for _, name := range private {
		if err := os.Remove(y.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	before := y.contents()
	y.says(y.must(), "no longer here", "If it is lost, remove")
	y.same(before)
}

// GitHub refuses a deploy key that another repository has.
func TestDeployKeyOfAnotherRepository(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.must()
	y.says(y.contents()["keys/files-ssh-key.pub"], " hackage-mirror-files for me/all-cabal-files\n")
	y.answers.Files = "me/others"
	for range 2 {
		before := y.contents()
		said, err := y.do()
		if err == nil {
			t.Fatalf("the key was taken for two repositories:\n%s", said)
		}
		y.says(err.Error(), "is the deploy key of me/all-cabal-files", "for me/others", "gh secret delete FILES_SSH_KEY --repo me/mirror")
		delete(before, "keys/answers.json")
		after := y.contents()
		for name, text := range before {
			if after[name] != text {
				t.Errorf("%s was changed", name)
			}
		}
		_ = os.Remove(y.path("keys/files-ssh-key")) // as after it was handed to gh
	}
	if err := os.Remove(y.path("keys/files-ssh-key.pub")); err != nil {
		t.Fatal(err)
	}
	y.says(y.must(), "opens me/others; made", "opens me/all-cabal-hashes; kept")
	y.answers.Files = "git@git.example.org:me/files.git"
	y.says(y.must(), "opens git@git.example.org:me/files.git; kept")
}

func TestWorkflowThatDiffers(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	const file = ".github/workflows/mirror.yml"
	y.must()
	ours := y.contents()[file]
	edited := strings.Replace(ours, "timeout-minutes: 345", "timeout-minutes: 60", 1)
	y.write(file, edited)
	said := y.must()
	y.says(said, different, "--force-workflow")
	if got := y.contents()[file]; got != edited {
		t.Error("a workflow that differs was changed")
	}
	y.change = func(s *Setup) { s.ForceWorkflow = true }
	y.says(y.must(), replaced)
	if got := y.contents()[file]; got != ours {
		t.Errorf("the workflow was not written anew:\n%s", got)
	}
}

func TestNobodySigns(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.answers.Signer = ""
	if _, err := y.do(); err == nil || !strings.Contains(err.Error(), "--signer") {
		t.Errorf("%v; want a word about --signer", err)
	}
	if files := y.contents(); len(files) != 2 {
		t.Errorf("it wrote %d files, want .gitignore and the answers alone", len(files))
	}
}

func TestBucketAloneNeedsNoKeys(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.answers = Answers{Repository: "me/mirror", Buckets: []string{"s3://my-hackage"}, Role: "arn:aws:iam::123456789012:role/mirror", Access: string(DeployKeys)}
	said := y.must()
	y.says(said, "Let the role trust this workflow", "Say in which region s3://my-hackage is: gh variable set S3_REGION --repo me/mirror --body REGION")
	if files := y.contents(); len(files) != 4 {
		t.Errorf("files: %d, want the workflow, dependabot.yml, and the answers in a folder that git leaves out", len(files))
	}
	if strings.Contains(said, "secret set") || strings.Contains(said, "gpg") {
		t.Errorf("it asks for what this plan does not need:\n%s", said)
	}
}
