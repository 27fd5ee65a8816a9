package gitrepo

import (
	"errors"
	"regexp"
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

// remoteErrors are the words of git, ssh or a host for the errors above; LC_ALL=C keeps
// git's in English. The first that is found counts: ssh and git add general words
// behind the more telling ones.
var remoteErrors = [...]struct {
	err   error
	words *regexp.Regexp
}{
	{ErrHostKey, regexp.MustCompile(`(?i)host key verification failed`)},
	{ErrObjectFormat, regexp.MustCompile(`(?i)mismatched algorithms|(unsupported|unknown) object format|does not support this repository's hash algorithm`)},
	{ErrRefused, regexp.MustCompile(`(?i)marked as read only|write access to repository not granted|(remote|error): permission to`)},
	{ErrAuth, regexp.MustCompile(`(?i)permission denied \(|authentication failed|could not read (username|password)|no supported authentication methods|too many authentication failures|returned error: 40[13]`)},
	{ErrNoRepository, regexp.MustCompile(`(?is)repository not found|(does not appear to be|not) a git repository|returned error: 404|repository '.*' not found`)},
}

// classify finds what the words of a failed git mean, nil if nothing known.
func classify(words string) error {
	for _, c := range remoteErrors {
		if c.words.MatchString(words) {
			return c.err
		}
	}
	return nil
}
