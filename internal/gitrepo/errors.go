package gitrepo

import (
	"errors"
	"strings"
)

// Errors of a remote.
var (
	// ErrMoved says that a ref of the remote is not where the caller saw
	// it, or that the new commit does not descend from it.
	ErrMoved = errors.New("the remote has moved")
	// ErrRefused says that a hook, a rule or a missing right of the remote
	// stopped the push. The remote's words are in the error.
	ErrRefused = errors.New("the remote refused")
	// ErrHidden says that the remote does not show its tags, so that nobody
	// could read what is pushed.
	ErrHidden = errors.New("the remote hides its tags (uploadpack.hideRefs or transfer.hideRefs for refs/tags); allow them there")
	// ErrAuth says that the remote does not take the key or the token.
	ErrAuth = errors.New("the remote refused the credentials")
	// ErrHostKey says that the remote's ssh host key is not a known one.
	ErrHostKey = errors.New("the remote's host key is unknown")
	// ErrNoRepository says that nothing at the address is a git repository
	// that we may see.
	ErrNoRepository = errors.New("no git repository at the address")
	// ErrObjectFormat says that the remote's object ids are not SHA-1.
	ErrObjectFormat = errors.New("the remote does not use SHA-1 object ids")
	// ErrURL is wrapped by every refusal of an address.
	ErrURL = errors.New("not a repository address that can be used")
)

// Errors of objects.
var (
	// ErrTooLarge says that an object is larger than MaxObject or MaxBlob.
	ErrTooLarge = errors.New("object is too large")
	// ErrNotFile says that what is there is not a file that can be used: a
	// folder, a submodule, or too large.
	ErrNotFile = errors.New("not a usable file")
)

// A complaint is a phrase of git, ssh or a host, in lower case, and the error
// that it stands for. LC_ALL=C keeps git's phrases in English.
type complaint struct {
	phrase string
	err    error
}

// complaints are tried in order: the first lines are the more telling ones,
// since ssh and git add general ones behind them.
func complaints() []complaint {
	return []complaint{
		{"host key verification failed", ErrHostKey},
		{"mismatched algorithms", ErrObjectFormat},
		{"unsupported object format", ErrObjectFormat},
		{"unknown object format", ErrObjectFormat},
		{"does not support this repository's hash algorithm", ErrObjectFormat},
		{"marked as read only", ErrRefused},
		{"write access to repository not granted", ErrRefused},
		{"remote: permission to", ErrRefused},
		{"error: permission to", ErrRefused},
		{"permission denied (", ErrAuth},
		{"authentication failed", ErrAuth},
		{"could not read username", ErrAuth},
		{"could not read password", ErrAuth},
		{"no supported authentication methods", ErrAuth},
		{"too many authentication failures", ErrAuth},
		{"returned error: 401", ErrAuth},
		{"returned error: 403", ErrAuth},
		{"repository not found", ErrNoRepository},
		{"does not appear to be a git repository", ErrNoRepository},
		{"not a git repository", ErrNoRepository},
		{"returned error: 404", ErrNoRepository},
	}
}

// classify finds what the words of a failed git mean, nil if nothing known.
func classify(words string) error {
	words = strings.ToLower(words)
	for _, c := range complaints() {
		if strings.Contains(words, c.phrase) {
			return c.err
		}
	}
	if strings.Contains(words, "repository '") && strings.Contains(words, "' not found") {
		return ErrNoRepository
	}
	return nil
}
