package gitrepo

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

const hostLine = "git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"

// TestKnownHosts: what ssh takes is taken, what it passes over is named.
func TestKnownHosts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text   string
		passed int // lines
	}{
		"a line":                {hostLine, 0},
		"ends in a comment":     {"# git.example.org:22 SSH-2.0\n" + hostLine + "\n# git.example.org:22 SSH-2.0\n", 0},
		"comment behind":        {hostLine + " of the operator", 0},
		"CRLF and empty lines":  {"\r\n" + hostLine + "\r\n\r\n", 0},
		"indented":              {"    " + hostLine, 0},
		"byte order mark":       {"\ufeff" + hostLine, 0},
		"hashed name":           {"|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= " + strings.SplitN(hostLine, " ", 2)[1], 0},
		"several names, a port": {"a,[b]:2222,*.c,!d " + strings.SplitN(hostLine, " ", 2)[1], 0},
		"authority":             {"@cert-authority *.example.org " + strings.SplitN(hostLine, " ", 2)[1], 0},
		"a note":                {"the keys of our host:\n" + hostLine, 1},
		"a key of SSH 1":        {hostLine + "\ngit.example.org 1024 35 1234567890", 1},
		"a cut line":            {hostLine + "\ngit.example.org ssh-rsa AAAA", 1},
	} {
		lines, warnings, err := KnownHosts([]byte(test.text))
		if err != nil || len(warnings) != test.passed || !bytes.Contains(lines, []byte("AAAAC3Nz")) {
			t.Errorf("%s: %q, %q, %v", name, lines, warnings, err)
		}
		if test.passed > 0 && len(warnings) > 0 && !strings.Contains(warnings[0], "passed over") {
			t.Errorf("%s: warns %q", name, warnings)
		}
	}
	for _, text := range []string{"", "github.com", "github.com ssh-ed25519 AAAA", "# only a comment\n"} {
		if _, _, err := KnownHosts([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	if got, err := hostsFile([]byte(" \n")); err != nil || string(got) != string(githubHosts) {
		t.Errorf("without any: %q, %v", got, err)
	}
}

// TestSSHKeysOfOpenSSH: ssh-keygen is asked what it takes, too.
func TestSSHKeysOfOpenSSH(t *testing.T) {
	t.Parallel()
	keygen := need(t, "ssh-keygen")
	for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
		for _, form := range []string{"RFC4716", "PEM", "PKCS8"} {
			file := filepath.Join(t.TempDir(), "key")
			if out, err := exec.Command(keygen, "-q", "-t", kind, "-m", form, "-N", "", "-f", file).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			public, err := os.ReadFile(file + ".pub")
			if err != nil {
				t.Fatal(err)
			}
			for name, pasted := range map[string]string{
				"as it is":          string(text),
				"public in front":   string(public) + string(text),
				"parameters before": "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + string(text),
				"on one line":       strings.ReplaceAll(string(text), "\n", " "),
				"written newlines":  strings.ReplaceAll(string(text), "\n", `\n`),
				"byte order mark":   "\ufeff" + strings.ReplaceAll(string(text), "\n", "\r\n"),
			} {
				key, err := ParseSSHKey([]byte(pasted))
				if err != nil {
					t.Errorf("%s %s %s: %v", kind, form, name, err)
					continue
				}
				signer, err := ssh.NewSignerFromKey(key)
				if err != nil || !bytes.HasPrefix(public, bytes.TrimSpace(ssh.MarshalAuthorizedKey(signer.PublicKey()))) {
					t.Errorf("%s %s %s: another key, %v", kind, form, name, err)
				}
			}
		}
	}
}

func TestSSHKeysThatAreNone(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ says, text string }{
		{"it has a passphrase", string(pem.EncodeToMemory(locked))},
		{"it has a passphrase", string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}))},
		{"it has a passphrase", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"},
		{"this is a public key", string(ssh.MarshalAuthorizedKey(signer.PublicKey()))},
		{"a key of PuTTY", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n"},
		{"an OpenPGP key", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n"},
		{"a DSA key", string(pem.EncodeToMemory(&pem.Block{Type: "DSA PRIVATE KEY", Bytes: []byte("x")}))},
		{"damaged or cut off", string(pem.EncodeToMemory(block)[:150])},
		{"not a private key", "hello"},
		{"OPENSSH PRIVATE KEY cannot be read", string(pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("x")}))},
	} {
		_, err := Open(t.Context(), Options{Dir: t.TempDir(), URL: "git@github.com:o/r", Auth: Auth{SSHKey: []byte(test.text)}})
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.says, err)
		}
	}
}
