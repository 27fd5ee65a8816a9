package sshauth

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

const hostLine = "git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"

// The tables in docs/keys.md are written by: go test ./internal/gitrepo/sshauth -run Forms -update
var update = flag.Bool("update", false, "write the tables into docs/keys.md")

// need finds a program. Without it a test is left out, except in CI, where the
// program must be there.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed, and in CI every test runs", program)
	}
	if err != nil {
		t.Skipf("not tested: %s is not installed", program)
	}
	return path
}

// opensshVersion is that of the ssh here.
func opensshVersion(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(need(t, "ssh"), "-V").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(string(out), "OpenSSH_"), " ")
	return strings.TrimRight(version, ",")
}

// inTable holds the table between two marks of docs/keys.md to these lines. An
// ssh of another version than the table's may think otherwise.
func inTable(t *testing.T, mark, lines string) {
	t.Helper()
	const doc = "../../../docs/keys.md"
	head := "| form | OpenSSH " + opensshVersion(t) + " | here |\n|---|---|---|\n"
	raw, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+mark+" -->\n", "<!-- /"+mark+" -->"
	before, rest, _ := strings.Cut(string(raw), begin)
	inside, after, ok := strings.Cut(rest, end)
	switch {
	case !ok:
		t.Fatalf("%s lacks the marks of %s", doc, mark)
	case *update:
		if err := os.WriteFile(doc, []byte(before+begin+head+lines+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case strings.HasPrefix(inside, head) && inside != head+lines, !strings.HasPrefix(inside, "| form | OpenSSH "):
		t.Errorf("%s does not have the table %s; run: go test ./internal/gitrepo/sshauth -run Forms -update\n%s", doc, mark, lines)
	}
}

// verdict runs ssh-keygen on a file with a text.
func verdict(t *testing.T, text, well, ill string, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if exec.Command(need(t, "ssh-keygen"), append(args, "-f", file)...).Run() != nil {
		return ill
	}
	return well
}

// TestKnownHostsForms: what ssh takes is taken, and what it passes over is named.
func TestKnownHostsForms(t *testing.T) {
	key := strings.SplitN(hostLine, " ", 2)[1]
	var lines strings.Builder
	for _, test := range []struct {
		name, text string
		passed     int // lines
		refused    bool
	}{
		{"a line", hostLine, 0, false},
		{"ends in a comment, as `ssh-keyscan` writes", "# git.example.org:22 SSH-2.0\n" + hostLine + "\n# git.example.org:22 SSH-2.0\n", 0, false},
		{"comment behind the key", hostLine + " of the operator", 0, false},
		{"CRLF and empty lines", "\r\n" + hostLine + "\r\n\r\n", 0, false},
		{"indented", "    " + hostLine, 0, false},
		{"byte order mark", "\ufeff" + hostLine, 0, false},
		{"hashed name", knownhosts.HashHostname("git.example.org") + " " + key, 0, false},
		{"several names, patterns, a port", "a,[b]:2222,*.example.org,!d " + key, 0, false},
		{"authority", "@cert-authority *.example.org " + key, 0, false},
		{"line ends written as \\n", "# ours\\n" + hostLine + `\n`, 0, false},
		{"in quotes", `"` + hostLine + `"`, 0, false},
		{"as a list", "  - " + hostLine + "\n  - " + hostLine, 0, false},
		{"coded in base64 once more", base64.StdEncoding.EncodeToString([]byte(hostLine + "\n")), 0, false},
		{"a note before", "the keys of our host:\n" + hostLine, 1, false},
		{"a key of SSH 1 behind", hostLine + "\ngit.example.org 1024 35 1234567890", 1, false},
		{"a cut line behind", hostLine + "\ngit.example.org ssh-rsa AAAA", 1, false},
		{"a host alone", "git.example.org", 0, true},
		{"a cut key", "git.example.org ssh-ed25519 AAAA", 0, true},
		{"comments only", "# git.example.org\n", 0, true},
		{"a public key without its host", key, 0, true},
		{"nothing", "", 0, true},
	} {
		here := "accepted"
		got, warnings, err := KnownHosts([]byte(test.text))
		switch {
		case test.refused:
			here = "refused: no line is a host, a key type and a key"
			if err == nil || !strings.Contains(err.Error(), "no line is a host, a key type and a key") {
				t.Errorf("%s: %v", test.name, err)
			}
		case err != nil || len(warnings) != test.passed || !bytes.Contains(got, []byte("AAAAC3Nz")):
			t.Errorf("%s: %q, %q, %v", test.name, got, warnings, err)
		case test.passed > 0:
			here = "accepted, with a warning that names the line"
			if !strings.Contains(warnings[0], "is skipped, as ssh does") {
				t.Errorf("%s: warns %q", test.name, warnings)
			}
		}
		lines.WriteString("| " + test.name + " | " + verdict(t, test.text, "finds the host", "finds no host", "-F", "git.example.org") + " | " + here + " |\n")
	}
	if got, err := hostsFile([]byte(" \n")); err != nil || string(got) != string(githubHosts) {
		t.Errorf("without any: %q, %v", got, err)
	}
	inTable(t, "known hosts", lines.String())
}

// sshForms are keys as somebody may give them; says is of a refusal.
func sshForms(t *testing.T) []struct{ name, text, says string } {
	t.Helper()
	generate := func(passphrase string, args ...string) (private, public string) {
		file := filepath.Join(t.TempDir(), "key")
		if out, err := exec.Command(need(t, "ssh-keygen"), append(args, "-q", "-N", passphrase, "-f", file)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		half, err := os.ReadFile(file + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		return string(text), string(half)
	}
	var forms []struct{ name, text, says string }
	add := func(name, text, says string) {
		forms = append(forms, struct{ name, text, says string }{name, text, says})
	}
	for _, kind := range [][]string{{"RSA", "-t", "rsa", "-b", "2048"}, {"ECDSA", "-t", "ecdsa"}, {"Ed25519", "-t", "ed25519"}} {
		for _, form := range [][]string{{"OpenSSH", "RFC4716"}, {"PEM", "PEM"}, {"PKCS #8", "PKCS8"}} {
			key, _ := generate("", append(slices.Clone(kind[1:]), "-m", form[1])...)
			add(kind[0]+", `-m "+form[1]+"`", key, "")
		}
	}
	key, public := generate("", "-t", "ecdsa", "-m", "PEM")
	add("parameters in front, as openssl writes them", "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"+key, "")
	add("public key in front", public+key, "")
	add("byte order mark, CRLF", "\ufeff"+strings.ReplaceAll(key, "\n", "\r\n"), "")
	add("indented, no last line end", strings.TrimRight("  "+strings.ReplaceAll(key, "\n", "\n  "), "\n "), "")
	add("all on one line", strings.ReplaceAll(key, "\n", " "), "")
	add("line ends written as \\n", strings.ReplaceAll(key, "\n", `\n`), "")
	add("written as \\n, with a note in front", "our key:\n"+strings.ReplaceAll(key, "\n", `\n`)+"\n", "")
	add("in quotes, as in a file of settings", `SSH_KEY="`+key+`"`, "")
	add("in JSON", `{"key": "`+strings.ReplaceAll(key, "\n", `\n`)+`"}`, "")
	add("quoted by `> `", "> "+strings.ReplaceAll(strings.TrimSpace(key), "\n", "\n> "), "")
	add("data on one line", strings.Replace(strings.NewReplacer("\n", "", "KEY-----", "KEY-----\n").Replace(key), "-----END", "\n-----END", 1), "")
	add("coded in base64 once more", base64.StdEncoding.EncodeToString([]byte(key)), "")
	for _, form := range []string{"RFC4716", "PEM", "PKCS8"} {
		locked, _ := generate("secret", "-t", "ecdsa", "-m", form)
		add("with a passphrase, `-m "+form+"`", locked, "it has a passphrase")
		add("that, all on one line", strings.ReplaceAll(locked, "\n", " "), "it has a passphrase")
	}
	old := string(pem.EncodeToMemory(&pem.Block{Type: "DSA PRIVATE KEY", Bytes: []byte("x")}))
	add("DSA", old, "it is a DSA key")
	add("of PuTTY", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "a key of PuTTY")
	add("an OpenPGP key", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n", "an OpenPGP key")
	add("public key only", public, "this is a public key")
	add("cut off", key[:len(key)/2], "damaged or cut off")
	add("damaged", string(pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("x")})), "OPENSSH PRIVATE KEY cannot be read")
	add("words", "hello", "not a private key")
	return forms
}

// TestSSHKeyForms: ssh-keygen is asked what it takes, too.
func TestSSHKeyForms(t *testing.T) {
	var lines strings.Builder
	for _, form := range sshForms(t) {
		here := "accepted"
		login, err := Prepare(t.TempDir(), []byte(form.text), nil, "")
		err = errors.Join(err, login.Close())
		switch {
		case form.says == "" && err != nil:
			t.Errorf("%s: %v", form.name, err)
		case form.says != "":
			here = "refused: …" + form.says + "…"
			if err == nil || !strings.Contains(err.Error(), form.says) {
				t.Errorf("%s: %v; want %q", form.name, err, form.says)
			}
		}
		lines.WriteString("| " + form.name + " | " + verdict(t, form.text, "reads it", "does not read it", "-y", "-P", "") + " | " + here + " |\n")
	}
	inTable(t, "ssh", lines.String())
}

// TestGitHubHostKeys holds the embedded keys to the fingerprints that GitHub
// publishes.
func TestGitHubHostKeys(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"ssh-ed25519":         "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
		"ecdsa-sha2-nistp256": "SHA256:p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM",
		"ssh-rsa":             "SHA256:uNiVztksCsDhcc0u9e8BujQXVUpKZIDTMczCvj3tD2s",
	}
	for rest := githubHosts; len(rest) > 0; {
		_, hosts, key, _, after, err := ssh.ParseKnownHosts(rest)
		if err != nil {
			t.Fatal(err)
		}
		rest = after
		if !slices.Equal(hosts, []string{"github.com", "[ssh.github.com]:443"}) || want[key.Type()] != ssh.FingerprintSHA256(key) {
			t.Errorf("%v: %s %s", hosts, key.Type(), ssh.FingerprintSHA256(key))
		}
		delete(want, key.Type())
	}
	if len(want) != 0 {
		t.Errorf("lacking: %v", want)
	}
}
