package sshauth

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A Login is what ssh needs to log in at a host: files below a folder, a running agent, and
// the options by which ssh finds them. The key does not touch the disk (Windows,
// whose ssh cannot reach such an agent, gets a private file that is overwritten and
// removed).
type Login struct {
	// Options are for ssh, as a shell reads them.
	Options []string
	// Env are variables for ssh.
	Env []string

	close func() error // nil if there is nothing to close
}

// folder lies in the one that Prepare is given, which is every child's working
// folder: ssh gets paths relative to it, so no character of a path needs
// quoting for the shell, for ssh's options or for its %-marks.
const folder = "ssh"

// Prepare makes a Login in a folder. Without a key the user's own ssh settings and
// agent are used; without known hosts GitHub's are known. home is the user's home
// folder, "" for none.
func Prepare(dir string, key, knownHosts []byte, home string) (*Login, error) {
	if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
		return nil, fmt.Errorf("prepare ssh: %w", err)
	}
	hosts, err := hostsFile(knownHosts)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, folder, "known_hosts"), hosts, 0o600); err != nil {
		return nil, fmt.Errorf("prepare ssh: %w", err)
	}
	l := &Login{Options: []string{
		"-o BatchMode=yes", "-o StrictHostKeyChecking=yes", "-o UpdateHostKeys=no", "-o PermitLocalCommand=no",
		"-o ConnectTimeout=30", "-o ServerAliveInterval=30", "-o ServerAliveCountMax=10",
	}}
	if len(key) == 0 {
		l.Options = append(l.Options, userOptions(len(knownHosts) > 0, home)...)
		return l, nil
	}
	private, err := ParseKey(key)
	if err != nil {
		return nil, err
	}
	identity, err := l.useKey(dir, private)
	if err != nil {
		return nil, err
	}
	l.Options = append(l.Options,
		"-F none", "-o UserKnownHostsFile="+folder+"/known_hosts", "-o GlobalKnownHostsFile=none",
		"-o IdentitiesOnly=yes", "-o IdentityFile="+identity, "-o PreferredAuthentications=publickey",
		"-o ForwardAgent=no", "-o ControlPath=none")
	return l, nil
}

// userOptions leave the user's ssh settings and agent in use. Known hosts that were
// given are the only ones; GitHub's stand beside the user's.
func userOptions(given bool, home string) []string {
	ours := folder + "/known_hosts"
	switch {
	case given:
		return []string{"-o UserKnownHostsFile=" + ours, "-o GlobalKnownHostsFile=none"}
	case home != "":
		return []string{"-o 'UserKnownHostsFile=" + ours + " ~/.ssh/known_hosts ~/.ssh/known_hosts2'"}
	}
	return []string{"-o UserKnownHostsFile=" + ours}
}

// Environment returns git's variables for the options, and those that ssh wants.
func (l *Login) Environment(more ...string) []string {
	return append([]string{"GIT_SSH_VARIANT=ssh", "GIT_SSH_COMMAND=ssh " + strings.Join(append(more, l.Options...), " ")}, l.Env...)
}

// Close ends what serves the key and forgets the key.
func (l *Login) Close() error {
	if l == nil || l.close == nil {
		return nil
	}
	return l.close()
}
