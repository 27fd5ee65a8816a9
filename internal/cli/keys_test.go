package cli

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

const passphrase = "correct horse battery staple"

// A gpgKey is a key that real gpg made, in a keyring of its own.
type gpgKey struct {
	home   string
	secret []byte
}

// newGPGKey has gpg make a key that signs.
func newGPGKey(t *testing.T, algorithm, expires, passphrase string) gpgKey {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil && os.Getenv("CI") == "" {
		t.Skip("not tested: gpg is not installed")
	}
	home, err := os.MkdirTemp("", "gpg") // short, for the sockets in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() // there may be none
		_ = os.RemoveAll(home)
	})
	k := gpgKey{home: home}
	k.gpg(t, passphrase, "--quick-generate-key", "Real Key <real@example.invalid>", algorithm, "sign", expires)
	k.secret = k.gpg(t, passphrase, "--armor", "--export-secret-keys")
	return k
}

func (k gpgKey) gpg(t *testing.T, passphrase string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", k.home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", passphrase}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("gpg %q: %v\n%s", args, err, stderr.Bytes())
	}
	return stdout.Bytes()
}

// checkSigned has git and gpg verify all of a repository's signatures.
func (w *world) checkSigned(k gpgKey, repository string) {
	w.Helper()
	w.gitKeyring(k.home, repository, append([]string{"verify-commit"}, strings.Fields(w.git(repository, "rev-list", "hackage", "display"))...)...)
	w.gitKeyring(k.home, repository, "verify-tag", "current-hackage")
}

// hides fails the test if a text holds a secret, line by line.
func (w *world) hides(text string, secrets ...string) {
	w.Helper()
	for _, secret := range secrets {
		for line := range strings.Lines(secret) {
			if line = strings.TrimSpace(line); len(line) >= 8 && !strings.HasPrefix(line, "-----") && strings.Contains(text, line) {
				w.Errorf("a secret is in what it says:\n%s", text)
			}
		}
	}
}

func TestKeysOfRealGPG(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ algorithm, passphrase string }{
		"RSA":                     {"rsa3072", ""},
		"RSA with passphrase":     {"rsa3072", passphrase},
		"Ed25519 with passphrase": {"ed25519", passphrase},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := newGPGKey(t, test.algorithm, "never", test.passphrase)
			w := newWorld(t, hackagetest.Small())
			w.env["INPUT_SIGNING-KEY"], w.env["INPUT_SIGNING-PASSPHRASE"] = string(key.secret), test.passphrase
			said := w.sync(CodeDone)
			w.grow()
			said += w.sync(CodeDone)
			for _, repository := range []string{w.files(), w.hashes()} {
				w.checkTree(repository, nil)
				w.checkSigned(key, repository)
			}
			if author := w.git(w.files(), "log", "-1", "--format=%an <%ae>", "hackage"); author != "Real Key <real@example.invalid>\n" {
				t.Errorf("the author is %q", author)
			}
			w.hides(said, string(key.secret), test.passphrase)
		})
	}
}

// TestKeyThatCannotSignIsRefusedBeforeAnythingIsWritten also says that no
// message gives a secret away.
func TestKeyThatCannotSignIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	locked := newGPGKey(t, "ed25519", "never", passphrase)
	expiring := newGPGKey(t, "ed25519", "1y", "")
	public := string(locked.gpg(t, "", "--armor", "--export"))
	garbage := "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" + noise() + "\n-----END PGP PRIVATE KEY BLOCK-----\n"
	for name, test := range map[string]struct {
		key, passphrase string
		now             time.Time
		code            int
		says            []string
	}{
		"wrong passphrase": {key: string(locked.secret), passphrase: "wrong horse", code: CodeError, says: []string{"passphrase is wrong"}},
		"no passphrase":    {key: string(locked.secret), code: CodeError, says: []string{"locked", "passphrase"}},
		"public key":       {key: public, code: CodeError, says: []string{"public key", "export"}},
		"expired key":      {key: string(expiring.secret), now: time.Now().AddDate(2, 0, 0), code: CodeError, says: []string{"expired on", "extend"}},
		"garbage in armor": {key: garbage, code: CodeError, says: []string{"read signing key", "not a private OpenPGP key"}},
		"garbage":          {key: noise(), code: CodeUsage, says: []string{"INPUT_SIGNING-KEY: "}},
		"no key at all":    {key: "", code: CodeUsage, says: []string{"signing-key"}},
		"key cut in half":  {key: string(locked.secret[:len(locked.secret)/2]), code: CodeError, says: []string{"not a private OpenPGP key"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			w.env["INPUT_SIGNING-KEY"], w.env["INPUT_SIGNING-PASSPHRASE"] = test.key, test.passphrase
			if !test.now.IsZero() {
				w.now = func() time.Time { return test.now }
			}
			said := w.sync(test.code)
			w.says(said, test.says...)
			if test.key != public {
				w.hides(said, test.key, test.passphrase)
			}
			if left := w.contents(w.dir); len(left) != 0 {
				t.Errorf("something was written: %q", slices.Sorted(maps.Keys(left)))
			}
		})
	}
}

// noise is a text that no reader takes for anything, yet in one line.
func noise() string {
	raw := sha512.Sum512([]byte("noise"))
	return base64.StdEncoding.EncodeToString(raw[:48])
}

// TestKeyWasReplaced: the next run refuses a tag by a key that it does not know, and
// goes on as ever once the former key is trusted.
func TestKeyWasReplaced(t *testing.T) {
	t.Parallel()
	for name, trust := range map[string]func(w *world, fingerprint, public string) string{
		"fingerprint": func(_ *world, fingerprint, _ string) string { return fingerprint },
		"text":        func(_ *world, _, public string) string { return public },
		"file": func(w *world, _, public string) string {
			writeFile(w.T, w.path("former.asc"), []byte(public))
			return w.path("former.asc")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			w.sync(CodeDone)
			w.hackage.Upload("new", "1.0", nil, nil)
			head := w.git(w.hashes(), "rev-parse", "hackage")
			former, err := openpgp.NewSigner(w.key, nil, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			key := newGPGKey(t, "ed25519", "never", "")
			w.env["INPUT_SIGNING-KEY"] = string(key.secret)
			refs := w.refs(w.hashes()) + w.refs(w.files())
			w.says(w.sync(CodeError), former.Fingerprint(), "trusted-keys", "adopt")
			if w.refs(w.hashes())+w.refs(w.files()) != refs {
				t.Error("it was refused, and something moved")
			}
			w.env["INPUT_TRUSTED-KEYS"] = trust(w, former.Fingerprint(), string(former.PublicKey()))
			w.sync(CodeDone)
			w.checkTree(w.hashes(), nil)
			if changed := strings.Fields(w.git(w.hashes(), "diff", "--name-only", strings.TrimSpace(head), "hackage")); len(changed) != 2 {
				t.Errorf("a new key changed %q", changed)
			}
			w.gitKeyring(key.home, w.hashes(), "verify-tag", "current-hackage")
			delete(w.env, "INPUT_TRUSTED-KEYS") // is no longer needed
			w.says(w.sync(CodeDone), "nothing new")
		})
	}
}
