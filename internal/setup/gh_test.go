package setup

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

func TestHandsOverToGitHub(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.github = newGitHub(t, "me/mirror", "me/all-cabal-files")
	passphrase := []byte("correct horse battery staple")
	y.change = func(s *Setup) { s.Passphrase = passphrase }
	said := y.must()
	g := y.github
	if !g.repos["me/all-cabal-hashes"] {
		t.Error("the repository that was missing is still missing")
	}
	y.checkGitHub(passphrase)
	files := y.contents()
	if files[private[0]] != string(g.secrets["SIGNING_KEY"]) || files[private[1]] != "" || files[private[2]] != "" {
		t.Error("the signing key must stay, and the deploy keys must not")
	}
	y.says(said, "no longer a file", "Keep ", " and its passphrase")
	hides(t, said, g.secrets["SIGNING_KEY"], g.secrets["FILES_SSH_KEY"], g.secrets["HASHES_SSH_KEY"], passphrase)
	g.hides(g.secrets["SIGNING_KEY"], g.secrets["FILES_SSH_KEY"], g.secrets["HASHES_SSH_KEY"], passphrase)
	for _, done := range []string{"repo create", "deploy-key add", "secret set"} {
		if strings.Contains(said, done) {
			t.Errorf("%q is left to do, and it is done:\n%s", done, said)
		}
	}
	before := y.contents()
	y.must()
	y.same(before)
	y.checkGitHub(passphrase)
}

// checkGitHub holds what GitHub has: each deploy key opens its repository only,
// and the workflow has its private half.
func (y *try) checkGitHub(passphrase []byte) {
	y.Helper()
	g := y.github
	for name, repo := range map[string]string{"FILES_SSH_KEY": "me/all-cabal-files", "HASHES_SSH_KEY": "me/all-cabal-hashes"} {
		key, err := ssh.ParsePrivateKey(g.secrets[name])
		if err != nil {
			y.Errorf("secret %s: %v", name, err)
			continue
		}
		line := string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(key.PublicKey())))
		if len(g.deploy[repo]) != 1 || !strings.Contains(g.deploy[repo][0], line) {
			y.Errorf("%s lets in %q, and the workflow has %q", repo, g.deploy[repo], line)
		}
	}
	if _, err := openpgp.NewSigner(g.secrets["SIGNING_KEY"], passphrase, noon); err != nil {
		y.Errorf("the signing key of the workflow: %v", err)
	}
	if !bytes.Equal(g.secrets["SIGNING_PASSPHRASE"], passphrase) {
		y.Errorf("the passphrase is %q", g.secrets["SIGNING_PASSPHRASE"])
	}
}

// gh may fail at any call, or do what it was told and the answer is lost, or all
// is interrupted. The next run must put everything right.
func TestGoesOnAfterAnyFailureOfGH(t *testing.T) {
	t.Parallel()
	full := newTry(t)
	full.github = newGitHub(t)
	full.must()
	calls := len(full.github.calls)
	if calls < 10 {
		t.Fatalf("a run makes only %d calls", calls)
	}
	broken := errors.New("HTTP 502: Bad Gateway")
	for n := 1; n <= calls; n++ {
		for _, how := range []string{"fails", "is lost", "is interrupted"} {
			y := newTry(t)
			y.github = newGitHub(t)
			ctx, cancel := context.WithCancel(t.Context())
			hit := false // a call that fails by itself has no answer to lose
			at := func(call int) error {
				if call != n {
					return nil
				}
				// Without git's answer the release is just not known.
				hit = y.github.calls[call-1][0] == "gh" || how == "is interrupted"
				if how == "is interrupted" {
					cancel()
					return context.Canceled
				}
				return broken
			}
			if how == "fails" {
				y.github.stop = at
			} else {
				y.github.lose = at
			}
			said, err := y.doWith(ctx)
			cancel()
			if err == nil && hit {
				t.Errorf("call %d %s, and all was well:\n%s", n, how, said)
			}
			y.github.stop, y.github.lose = nil, nil
			y.must()
			y.checkGitHub(nil)
		}
	}
}

// A secret that somebody set is used as it is, and no key is made beside it.
func TestSecretsThatAreThere(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.github = newGitHub(t, "me/mirror", "me/all-cabal-files", "me/all-cabal-hashes")
	for _, name := range []string{"SIGNING_KEY", "FILES_SSH_KEY", "HASHES_SSH_KEY"} {
		y.github.secrets[name] = []byte("theirs")
	}
	y.must()
	files := y.contents()
	for _, name := range private {
		if files[name] != "" {
			t.Errorf("%s was made", name)
		}
	}
	for name, value := range y.github.secrets {
		if string(value) != "theirs" {
			t.Errorf("secret %s was changed", name)
		}
	}
}

func TestFailuresOfGHAreInTheList(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.github = newGitHub(t, "me/mirror", "me/all-cabal-files")
	y.github.stop = func(int) error {
		call := y.github.calls[len(y.github.calls)-1]
		if slices.Contains(call, "create") || slices.Contains(call, "set") {
			return errors.New("HTTP 403: Resource not accessible")
		}
		return nil
	}
	said, err := y.do()
	if !errors.Is(err, ErrLeft) || !strings.Contains(err.Error(), "create repository me/all-cabal-hashes: HTTP 403") {
		t.Errorf("it says %v", err)
	}
	y.says(said, "gh repo create me/all-cabal-hashes --public", "--repo me/all-cabal-hashes --allow-write", "gh secret set SIGNING_KEY")
	if strings.Contains(said, "gh repo create me/all-cabal-files") || strings.Contains(said, "--repo me/all-cabal-files --allow-write") {
		t.Errorf("it lists what is done:\n%s", said)
	}
	for _, name := range private {
		if y.contents()[name] == "" {
			t.Errorf("%s is gone, and GitHub does not have it", name)
		}
	}
}
