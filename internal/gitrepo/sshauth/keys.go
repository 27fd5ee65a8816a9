package sshauth

import (
	"bytes"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
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

// ParseKey reads a private key in any form that OpenSSH reads, as people
// paste it: the first private one in the text.
func ParseKey(text []byte) (any, error) {
	text = paste.Lines(text)
	for rest := text; ; {
		var block *pem.Block
		switch block, rest = pem.Decode(rest); {
		case block == nil:
			return nil, fmt.Errorf("read ssh key: %s", notAKey(text))
		case block.Type == "ENCRYPTED PRIVATE KEY":
			return nil, errLocked
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return parseBlock(block)
		}
	}
}

// oidDSA is how a key in PKCS #8 form says that it is one of DSA.
const oidDSA = "1.2.840.10040.4.1"

var errLocked = errors.New("read ssh key: it has a passphrase; make a deploy key without one (ssh-keygen -t ed25519 -N '')")

func parseBlock(block *pem.Block) (any, error) {
	raw := pem.EncodeToMemory(block)
	defer clear(raw)
	key, err := ssh.ParseRawPrivateKey(raw)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return nil, errLocked
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

// notAKey says what a text without a private key is instead.
func notAKey(text []byte) string {
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
