package gitrepo

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
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

// sshCommand writes the files that ssh needs and returns the variables that
// make git use them, and what must be closed after the last use.
func sshCommand(dir string, a Auth, home string) (env []string, held closer, err error) {
	if err := os.Mkdir(filepath.Join(dir, sshFolder), 0o700); err != nil {
		return nil, nil, fmt.Errorf("prepare ssh: %w", err)
	}
	hosts, err := hostsFile(a.KnownHosts)
	if err != nil {
		return nil, nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, sshFolder, "known_hosts"), hosts, 0o600); err != nil {
		return nil, nil, fmt.Errorf("prepare ssh: %w", err)
	}
	options := sshOptions()
	if len(a.SSHKey) == 0 {
		options = append(options, ownSSH(len(a.KnownHosts) > 0, home)...)
		return sshEnvironment(options), nothing{}, nil
	}
	key, err := parseSSHKey(a.SSHKey)
	if err != nil {
		return nil, nil, err
	}
	identity, env, held, err := offerKey(dir, key)
	if err != nil {
		return nil, nil, err
	}
	options = append(options,
		"-F none", "-o UserKnownHostsFile="+sshFolder+"/known_hosts", "-o GlobalKnownHostsFile=none",
		"-o IdentitiesOnly=yes", "-o IdentityFile="+identity, "-o PreferredAuthentications=publickey",
		"-o ForwardAgent=no", "-o ControlPath=none")
	return append(env, sshEnvironment(options)...), held, nil
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

// hostsFile checks the lines of a known_hosts text; without one it is GitHub's.
func hostsFile(given []byte) ([]byte, error) {
	if len(bytes.TrimSpace(given)) == 0 {
		return githubHosts, nil
	}
	lines := unixLines(given)
	for rest := lines; len(rest) > 0; {
		var err error
		if _, _, _, _, rest, err = ssh.ParseKnownHosts(rest); err != nil {
			return nil, fmt.Errorf("read known hosts: each line is a host, a key type and a key, as ssh keeps them: %w", err)
		}
		if len(bytes.TrimSpace(rest)) == 0 {
			break
		}
	}
	return lines, nil
}

// parseSSHKey reads a private key as ssh-keygen writes it. Texts that went
// through forms and secret stores often lack the last newline or have CRLF.
func parseSSHKey(text []byte) (any, error) {
	key, err := ssh.ParseRawPrivateKey(unixLines(text))
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, errors.New("read ssh key: it has a passphrase; make a deploy key without one (ssh-keygen -t ed25519 -N '')")
	case err != nil && looksPublic(text):
		return nil, errors.New("read ssh key: this is a public key; the private one is needed (the file without .pub)")
	case err != nil:
		// The parser's own words never quote the key.
		return nil, fmt.Errorf("read ssh key: not a private key in OpenSSH or PEM form: %w", err)
	}
	return key, nil
}

func looksPublic(text []byte) bool {
	_, _, _, _, err := ssh.ParseAuthorizedKey(bytes.TrimSpace(text))
	return err == nil
}

func unixLines(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	return append(bytes.TrimSpace(text), '\n')
}

// A closer holds something that must end with the Repo.
type closer interface{ Close() error }

type nothing struct{}

func (nothing) Close() error { return nil }
