package openpgp

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A gpgHome is a key ring of real gpg.
type gpgHome struct{ dir, program string }

// newGPG makes an empty key ring. Its folder is short, as gpg's agent listens
// on a socket in it, and the agent is ended with the test.
func newGPG(t testing.TB) gpgHome {
	t.Helper()
	program, err := exec.LookPath("gpg")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("gpg is not installed, and in CI every test runs")
	} else if err != nil {
		t.Skip("not tested: gpg is not installed")
	}
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
	return h.fingerprints(t)[0]
}

// fingerprints lists those of the private keys and their subkeys.
func (h gpgHome) fingerprints(t testing.TB) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(h.run(t, "", "--with-colons", "--list-secret-keys")) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			all = append(all, fields[9])
		}
	}
	if len(all) == 0 {
		t.Fatal("gpg has no key")
	}
	return all
}

func (h gpgHome) export(t testing.TB, how string, more ...string) []byte {
	t.Helper()
	return []byte(h.run(t, "", append([]string{"--armor", "--passphrase", "", how}, more...)...))
}

// verifies has gpg import a public key into a new key ring and verify a
// signature.
func gpgVerifies(t testing.TB, public []byte, signed, signature string) (words string, err error) {
	t.Helper()
	home := newGPG(t)
	if _, words, err := home.try(string(public), "--import"); err != nil {
		return words, err
	}
	file := filepath.Join(home.dir, "signature")
	if err := os.WriteFile(file, []byte(signature), 0o600); err != nil {
		t.Fatal(err)
	}
	_, words, err = home.try(signed, "--verify", file, "-")
	return words, err
}
