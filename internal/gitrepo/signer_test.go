package gitrepo

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

// A gpgHome is a key ring of real gpg.
type gpgHome struct{ dir, program string }

// newGPG makes an empty key ring. Its folder is short, as gpg's agent listens
// on a socket in it, and the agent is ended with the test.
func newGPG(t testing.TB) gpgHome {
	t.Helper()
	program := need(t, "gpg")
	dir, err := os.MkdirTemp("", "gpg-")
	if err != nil {
		t.Fatal(err)
	}
	home := gpgHome{dir, program}
	t.Cleanup(func() {
		kill := exec.Command("gpgconf", "--homedir", dir, "--kill", "gpg-agent")
		if err := kill.Run(); err != nil {
			t.Errorf("end gpg-agent: %v", err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return home
}

func (h gpgHome) run(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out, words, err := h.try(stdin, args...)
	if err != nil {
		t.Fatalf("gpg %s: %v\n%s", strings.Join(args, " "), err, words)
	}
	return out
}

func (h gpgHome) try(stdin string, args ...string) (out, words string, err error) {
	cmd := exec.Command(h.program, append([]string{"--homedir", h.dir, "--batch", "--no-tty", "--pinentry-mode", "loopback"}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir, "LC_ALL=C"}
	cmd.Stdin = strings.NewReader(stdin)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

// generate makes a key by gpg's own parameters and returns its fingerprint.
func (h gpgHome) generate(t testing.TB, passphrase string, parameters ...string) string {
	t.Helper()
	protect := "%no-protection"
	if passphrase != "" {
		protect = "Passphrase: " + passphrase
	}
	h.run(t, strings.Join(parameters, "\n")+"\nName-Real: Mirror Bot\nName-Email: bot@example.org\n"+protect+"\n%commit\n", "--gen-key")
	for line := range strings.Lines(h.run(t, "", "--with-colons", "--list-secret-keys")) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			return fields[9]
		}
	}
	t.Fatal("gpg made no key")
	return ""
}

func (h gpgHome) export(t testing.TB, how, passphrase string) []byte {
	t.Helper()
	return []byte(h.run(t, "", "--armor", "--passphrase", passphrase, how))
}

// verifiedByGit pushes a signed commit and a signed tag and asks git and gpg.
func verifiedByGit(t *testing.T, s *openpgp.Signer) {
	t.Helper()
	home := newGPG(t)
	home.run(t, string(s.PublicKey()), "--import")
	remote := bareRemote(t)
	r := open(t, remote, Auth{})
	commit, err := tryCommit(t.Context(), r, "", map[string]string{"a/b": "c"}, s)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := r.WriteTag(t.Context(), tagOf(commit), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", New: commit}, Update{Ref: "refs/tags/current", New: tag}); err != nil {
		t.Fatal(err)
	}
	env := []string{"GNUPGHOME=" + home.dir}
	for _, args := range [][]string{{"verify-commit", "--raw", commit}, {"verify-tag", "--raw", "current"}} {
		out, err := tryGit(t, remote, env, "", args...)
		if err != nil || !strings.Contains(out, "[GNUPG:] VALIDSIG ") || !strings.Contains(out, s.Fingerprint()) {
			t.Errorf("git %s: %v\n%s", args[0], err, out)
		}
	}
	if out := plainGit(t, remote, "fsck", "--strict"); strings.Contains(out, "error") || strings.Contains(out, "warning") {
		t.Errorf("git fsck: %s", out)
	}
	checkReading(t, r, s, commit, tag)
}

// checkReading reads both objects back and verifies what was read.
func checkReading(t *testing.T, r *Repo, s *openpgp.Signer, commit, tag string) {
	t.Helper()
	c, err := r.ReadCommit(t.Context(), commit)
	if err != nil || c.Message != commitOf("").Message || c.Author != someone() || !c.CommitterWhen.Equal(noon()) {
		t.Fatalf("read commit %+v, %v", c, err)
	}
	by, err := s.Keys().Verify(c.Signed, c.Signature, time.Now())
	if err != nil || by != s.Fingerprint() {
		t.Errorf("the commit read back: by %s, %v", by, err)
	}
	g, err := r.ReadTag(t.Context(), tag)
	if err != nil || g.Message != tagOf("").Message || g.Object != commit || g.Name != "current" || g.Type != "commit" || g.Tagger != someone() || !g.When.Equal(noon()) {
		t.Fatalf("read tag %+v, %v", g, err)
	}
	if by, err = s.Keys().Verify(g.Signed, g.Signature, time.Now()); err != nil || by != s.Fingerprint() {
		t.Errorf("the tag read back: by %s, %v", by, err)
	}
	if _, err := s.Keys().Verify(append(g.Signed, '\n'), g.Signature, time.Now()); !errors.Is(err, openpgp.ErrSignature) {
		t.Errorf("one newline more verifies: %v", err)
	}
	if _, err := s.Keys().Verify(g.Signed, "", time.Now()); !errors.Is(err, openpgp.ErrSignature) {
		t.Errorf("no signature verifies: %v", err)
	}
}

func TestKeysOfGPG(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]struct {
		parameters []string
		passphrase string
	}{
		"ed25519":                 {[]string{"Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: sign", "Expire-Date: 0"}, ""},
		"ed25519 with passphrase": {[]string{"Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: sign", "Expire-Date: 2y"}, "correct horse"},
		"rsa3072":                 {[]string{"Key-Type: rsa", "Key-Length: 3072", "Expire-Date: 0"}, ""},
		"rsa4096 with passphrase": {[]string{"Key-Type: rsa", "Key-Length: 4096", "Expire-Date: 1y"}, "pass\tphrase ü"},
		"signing subkey":          {[]string{"Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: cert", "Subkey-Type: rsa", "Subkey-Length: 3072", "Subkey-Usage: sign", "Expire-Date: 1y"}, "p"},
		"with encryption subkey":  {[]string{"Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: sign", "Subkey-Type: ecdh", "Subkey-Curve: cv25519", "Subkey-Usage: encrypt", "Expire-Date: 0"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := newGPG(t)
			fingerprint := home.generate(t, k.passphrase, k.parameters...)
			key := home.export(t, "--export-secret-keys", k.passphrase)
			s, err := openpgp.NewSigner(key, []byte(k.passphrase), time.Now)
			if err != nil {
				t.Fatal(err)
			}
			if s.Fingerprint() != fingerprint || gitpack.SignerIdentity(s) != (gitpack.Identity{Name: "Mirror Bot", Email: "bot@example.org"}) {
				t.Errorf("key %s of %v, gpg says %s", s.Fingerprint(), gitpack.SignerIdentity(s), fingerprint)
			}
			if _, expires := s.Expires(); expires == strings.Contains(strings.Join(k.parameters, " "), "Expire-Date: 0") {
				t.Errorf("expires: %v", expires)
			}
			verifiedByGit(t, s)
		})
	}
}

func TestOnlySubkeyIsHere(t *testing.T) {
	t.Parallel()
	home := newGPG(t)
	home.generate(t, "p", "Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: cert,sign", "Subkey-Type: eddsa", "Subkey-Curve: ed25519", "Subkey-Usage: sign", "Expire-Date: 1y")
	s, err := openpgp.NewSigner(home.export(t, "--export-secret-subkeys", "p"), []byte("p"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	verifiedByGit(t, s)
}

func TestGeneratedKey(t *testing.T) {
	t.Parallel()
	s := testSigner(t)
	if gitpack.SignerIdentity(s) != someone() {
		t.Errorf("identity %v", gitpack.SignerIdentity(s))
	}
	verifiedByGit(t, s)
}

// testKey is a fresh private key, testSigner signs with one.
func testKey(t testing.TB) []byte {
	t.Helper()
	key, err := openpgp.Generate(someone().Name, someone().Email, nil, time.Now().Add(-time.Hour), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func testSigner(t testing.TB) *openpgp.Signer {
	t.Helper()
	s, err := openpgp.NewSigner(testKey(t), nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSignerIdentity: what a user id lacks, git must not lack.
func TestSignerIdentity(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, email string
		want        gitpack.Identity
	}{
		{"A B", "a@b.org", gitpack.Identity{Name: "A B", Email: "a@b.org"}},
		{"", "a@b.org", gitpack.Identity{Name: "a@b.org", Email: "a@b.org"}},
		{"a@b.org", "", gitpack.Identity{Name: "a@b.org", Email: "a@b.org"}},
		{"A B", "", gitpack.Identity{Name: "A B", Email: ""}},
	} {
		key, err := openpgp.Generate(test.name, test.email, nil, time.Now().Add(-time.Hour), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := openpgp.NewSigner(key, nil, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if got := gitpack.SignerIdentity(s); got != test.want {
			t.Errorf("%q %q is %+v, want %+v", test.name, test.email, got, test.want)
		}
	}
}

func TestKeyFileOnDiskIsNotNeeded(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	s, err := openpgp.NewSigner(key, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := openWith(t, Options{Dir: dir, URL: filepath.Join(t.TempDir(), "r"), Create: true})
	if _, err := tryCommit(t.Context(), r, "", map[string]string{"a": "b"}, s); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(key), "\n")
	noSecrets(t, dir, s.Fingerprint(), lines[3])
}
