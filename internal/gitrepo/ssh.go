package gitrepo

import (
	"bytes"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/hackage-mirror/hackage-mirror/internal/paste"
)

// githubHosts are GitHub's ssh host keys, as published at
// https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/githubs-ssh-key-fingerprints
//
//go:embed github_known_hosts
var githubHosts []byte

// sshFolder lies in the local repository, which is every child's working
// folder: ssh gets paths relative to it, so no character of a path needs
// quoting for the shell, for ssh's options or for its %-marks.
const sshFolder = "ssh"

// sshCommand writes the files that ssh needs and returns ssh's options, the
// variables that it wants to see, and what must be closed after the last use.
func sshCommand(dir string, a Auth, home string) (options, env []string, held closer, err error) {
	if err := os.Mkdir(filepath.Join(dir, sshFolder), 0o700); err != nil {
		return nil, nil, nil, fmt.Errorf("prepare ssh: %w", err)
	}
	hosts, err := hostsFile(a.KnownHosts)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, sshFolder, "known_hosts"), hosts, 0o600); err != nil {
		return nil, nil, nil, fmt.Errorf("prepare ssh: %w", err)
	}
	options = sshOptions()
	if len(a.SSHKey) == 0 {
		return append(options, ownSSH(len(a.KnownHosts) > 0, home)...), nil, nothing{}, nil
	}
	key, err := ParseSSHKey(a.SSHKey)
	if err != nil {
		return nil, nil, nil, err
	}
	identity, env, held, err := offerKey(dir, key)
	if err != nil {
		return nil, nil, nil, err
	}
	options = append(options,
		"-F none", "-o UserKnownHostsFile="+sshFolder+"/known_hosts", "-o GlobalKnownHostsFile=none",
		"-o IdentitiesOnly=yes", "-o IdentityFile="+identity, "-o PreferredAuthentications=publickey",
		"-o ForwardAgent=no", "-o ControlPath=none")
	return options, env, held, nil
}

// sshOptions hold with and without a key of ours.
func sshOptions() []string {
	return []string{
		"-o BatchMode=yes", "-o StrictHostKeyChecking=yes", "-o UpdateHostKeys=no", "-o PermitLocalCommand=no",
		"-o ConnectTimeout=30", "-o ServerAliveInterval=30", "-o ServerAliveCountMax=10",
	}
}

// ownSSH leaves the user's ssh settings and agent in use. Known hosts that were
// given are the only ones; GitHub's stand beside the user's.
func ownSSH(given bool, home string) []string {
	ours := sshFolder + "/known_hosts"
	switch {
	case given:
		return []string{"-o UserKnownHostsFile=" + ours, "-o GlobalKnownHostsFile=none"}
	case home != "":
		return []string{"-o 'UserKnownHostsFile=" + ours + " ~/.ssh/known_hosts ~/.ssh/known_hosts2'"}
	}
	return []string{"-o UserKnownHostsFile=" + ours}
}

func sshEnvironment(options []string) []string {
	return []string{"GIT_SSH_VARIANT=ssh", "GIT_SSH_COMMAND=ssh " + strings.Join(options, " ")}
}

// listSign begins an item of a list; no host has this name.
var listSign = regexp.MustCompile(`(?m)^[-*] +`)

// KnownHosts reads lines of known_hosts as people paste them. ssh passes over a
// line that it does not understand; those are named, one warning for each. It
// fails if no line names a host.
func KnownHosts(text []byte) (lines []byte, warnings []string, err error) {
	lines = listSign.ReplaceAll(paste.Lines(text), nil)
	found, number := false, 0
	for line := range bytes.Lines(lines) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		if _, _, _, _, _, err := ssh.ParseKnownHosts(line); err != nil {
			warnings = append(warnings, fmt.Sprintf("known hosts: line %d is skipped, as ssh does: it is not a host, a key type and a key (%v)", number, err))
			continue
		}
		found = true
	}
	if !found {
		return nil, nil, errors.New("read known hosts: no line is a host, a key type and a key, as in: git.example.org ssh-ed25519 AAAA…")
	}
	return lines, warnings, nil
}

// hostsFile returns what ssh gets as known_hosts: the given lines, or GitHub's.
func hostsFile(given []byte) ([]byte, error) {
	if len(bytes.TrimSpace(given)) == 0 {
		return githubHosts, nil
	}
	lines, _, err := KnownHosts(given)
	return lines, err
}

// ParseSSHKey reads a private key in any form that OpenSSH reads, as people
// paste it: the first private one in the text.
func ParseSSHKey(text []byte) (any, error) {
	text = paste.Lines(text)
	for rest := text; ; {
		var block *pem.Block
		switch block, rest = pem.Decode(rest); {
		case block == nil:
			return nil, fmt.Errorf("read ssh key: %s", noSSHKey(text))
		case block.Type == "ENCRYPTED PRIVATE KEY":
			return nil, errSSHLocked
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return parseBlock(block)
		}
	}
}

// oidDSA is how a key in PKCS #8 form says that it is one of DSA.
const oidDSA = "1.2.840.10040.4.1"

var errSSHLocked = errors.New("read ssh key: it has a passphrase; make a deploy key without one (ssh-keygen -t ed25519 -N '')")

func parseBlock(block *pem.Block) (any, error) {
	raw := pem.EncodeToMemory(block)
	defer clear(raw)
	key, err := ssh.ParseRawPrivateKey(raw)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return nil, errSSHLocked
	}
	if block.Type == "DSA PRIVATE KEY" || err != nil && (strings.Contains(err.Error(), "ssh-dss") || strings.Contains(err.Error(), oidDSA)) {
		return nil, errors.New("read ssh key: it is a DSA key, which ssh and hosts no longer accept; make another (ssh-keygen -t ed25519 -N '')")
	}
	if err != nil {
		// The parser's own words never quote the key.
		return nil, fmt.Errorf("read ssh key: its block %s cannot be read: %w", block.Type, err)
	}
	return key, nil
}

// noSSHKey says what a text without a private key is instead.
func noSSHKey(text []byte) string {
	_, _, _, _, err := ssh.ParseAuthorizedKey(bytes.TrimSpace(text))
	switch {
	case err == nil, bytes.Contains(text, []byte("BEGIN SSH2 PUBLIC")), bytes.Contains(text, []byte("BEGIN PUBLIC")):
		return "this is a public key; the private one is needed (the file without .pub)"
	case bytes.HasPrefix(text, []byte("PuTTY-User-Key-File")):
		return "this is a key of PuTTY; let puttygen write it in OpenSSH's form (puttygen KEY.ppk -O private-openssh)"
	case bytes.Contains(text, []byte("BEGIN PGP ")):
		return "this is an OpenPGP key, which is for signing; an ssh key is needed (ssh-keygen -t ed25519 -N '')"
	case bytes.Contains(text, []byte("-----BEGIN ")):
		return "not a private key: its block is damaged or cut off; copy it again, with its BEGIN and END lines"
	}
	return "not a private key in OpenSSH or PEM form"
}

// A closer holds something that must end with the Repo.
type closer interface{ Close() error }

type nothing struct{}

func (nothing) Close() error { return nil }
