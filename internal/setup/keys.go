package setup

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshauth"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

// A key is a pair of files, and the secret of GitHub that hands the private one
// to the workflow.
type key struct {
	Secret  string // its name on GitHub
	Path    string // of the private half
	Public  string // path of the public half
	Private []byte // nil: it is not here
	made    bool   // in this run
	// elsewhere: the private half was not looked for any further. GitHub has a
	// secret of that name, or the public half shows that it was here once.
	elsewhere bool

	loose   bool // others can read the private half
	removed bool // GitHub has the private half now, and the file is gone

	signer *openpgp.Signer // of a signing key that is here
	Locked bool            // it has a passphrase

	Remote  Remote // that an ssh key opens
	line    string // of an ssh key: its public half without a comment
	allowed bool   // the ssh key may write to the remote
}

// The names of keys: the secret's, and the files'.
const (
	signingSecret    = "SIGNING_KEY"
	passphraseSecret = "SIGNING_PASSPHRASE"
	signingFile      = "signing-key.asc"
	signingPublic    = "signing-key.pub.asc"
)

// sshSecret is the name of the secret with the ssh key for a destination.
func sshSecret(option string) string {
	return map[string]string{"files": "FILES_SSH_KEY", "hashes": "HASHES_SSH_KEY"}[option]
}

// signingKey returns the signing key in the folder, and makes one if there is
// none. secretSet says that GitHub has the secret already.
func (s *Setup) signingKey(secretSet bool) (*key, error) {
	k := &key{Secret: signingSecret, Path: filepath.Join(s.Keys, signingFile), Public: filepath.Join(s.Keys, signingPublic)}
	err := k.findOrMake(secretSet, func() ([]byte, error) {
		if s.Plan.Signer == (gitpack.Identity{}) {
			return nil, &AnswerError{errors.New("the signing key needs a name and an address; give --signer 'NAME <ADDRESS>'")}
		}
		return openpgp.Generate(s.Plan.Signer.Name, s.Plan.Signer.Email, s.Passphrase, s.Now(), s.Plan.Expires)
	})
	if err != nil || k.Private == nil {
		return k, err
	}
	if err := k.openSigning(s.Passphrase, s.Now); err != nil {
		return nil, err
	}
	return k, k.savePublic(k.signer.PublicKey())
}

// openSigning tries a signing key.
func (k *key) openSigning(passphrase []byte, now func() time.Time) error {
	var err error
	k.signer, err = openpgp.NewSigner(k.Private, nil, now)
	if errors.Is(err, openpgp.ErrPassphrase) {
		k.Locked = true
		if len(passphrase) > 0 {
			k.signer, err = openpgp.NewSigner(k.Private, passphrase, now)
		}
	}
	switch {
	case errors.Is(err, openpgp.ErrPassphrase):
		return fmt.Errorf("open %q: %w; give its passphrase as a file by --signing-passphrase, or itself as HACKAGE_MIRROR_SIGNING_PASSPHRASE in the environment", k.Path, err)
	case errors.Is(err, openpgp.ErrKeyExpired):
		return fmt.Errorf("open %q: %w", k.Path, err)
	case err != nil:
		return fmt.Errorf("open %q: %w; replace the file, or move it elsewhere to get a new key", k.Path, err)
	}
	return nil
}

// sshKey returns the ssh key for a destination, and makes one if there is none.
func (s *Setup) sshKey(d destination, secretSet bool) (*key, error) {
	path := filepath.Join(s.Keys, d.option+"-ssh-key")
	k := &key{Secret: sshSecret(d.option), Path: path, Public: path + ".pub", Remote: d.remote}
	if err := k.checkRemote(s.Repository); err != nil {
		return nil, err
	}
	comment := "hackage-mirror-" + d.option + forRemote + d.remote.String()
	err := k.findOrMake(secretSet, func() ([]byte, error) { return newSSHKey(comment) })
	if err != nil {
		return nil, err
	}
	if k.Private == nil {
		return k, k.readPublic()
	}
	private, err := sshauth.ParseKey(k.Private)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w; replace the file, or move it elsewhere to get a new key", k.Path, err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w; replace it with an OpenSSH private key without a passphrase, or move it elsewhere to get a new key", k.Path, err)
	}
	k.line = publicLine(signer.PublicKey())
	return k, k.savePublic([]byte(k.line + " " + comment + "\n"))
}

// publicLine is the public half of an ssh key without a comment.
func publicLine(public ssh.PublicKey) string {
	return string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(public)))
}

// forRemote stands in the comment of an ssh key before the repository that it opens.
const forRemote = " for "

// checkRemote refuses a key that was made for another repository on GitHub, which
// lets a deploy key into one only.
func (k *key) checkRemote(workflow string) error {
	raw, err := readFile(k.Public)
	if err != nil {
		return err
	}
	_, comment, _, _, err := ssh.ParseAuthorizedKey(raw)
	_, before, known := strings.Cut(comment, forRemote)
	slug := k.Remote.Slug
	if _, other := ParseSlug(before); err != nil || !known || other != nil || slug == "" || strings.EqualFold(before, slug) {
		return nil // damaged ones are told of where they are read
	}
	return fmt.Errorf("%q is the deploy key of %s, and GitHub lets a deploy key into one repository only; to get another one for %s, run: rm -f %s %s; "+
		"if %s has the secret %s, also run: gh secret delete %s --repo %s; then run this again. If %s is the new name of the same repository, write it at the end of %q instead",
		k.Public, before, slug, plain.ShellWord(k.Path), plain.ShellWord(k.Public), workflow, k.Secret, k.Secret, workflow, slug, k.Public)
}

// readPublic reads the public half of an ssh key whose private half is elsewhere.
func (k *key) readPublic() error {
	raw, err := readFile(k.Public)
	if err != nil || raw == nil {
		return err
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(raw)
	if err != nil {
		return fmt.Errorf("read %q: %w; remove it to get a new key", k.Public, err)
	}
	k.line = publicLine(public)
	return nil
}

// findOrMake reads the private half, or makes a key, unless GitHub holds it or the
// public half shows that it was here once: then the key is elsewhere.
func (k *key) findOrMake(secretSet bool, generate func() ([]byte, error)) (err error) {
	if k.Private, err = readFile(k.Path); err != nil {
		return err
	}
	if k.Private != nil {
		info, err := os.Stat(k.Path)
		k.loose = err == nil && runtime.GOOS != "windows" && info.Mode()&0o077 != 0 // there modes say nothing
		return err
	}
	public, err := readFile(k.Public)
	if k.elsewhere = secretSet || public != nil; err != nil || k.elsewhere {
		return err
	}
	if k.Private, err = generate(); err != nil {
		return err
	}
	k.made = true
	return create(k.Path, k.Private, 0o600)
}

// savePublic writes the public half if there is none, and refuses one of
// another key.
func (k *key) savePublic(text []byte) error {
	there, err := readFile(k.Public)
	switch {
	case err != nil:
		return err
	case there == nil:
		return create(k.Public, text, 0o644)
	case !samePublic(there, text):
		return fmt.Errorf("%q is not the public half of %q; remove it and run this again to rewrite it", k.Public, k.Path)
	}
	return nil
}

// samePublic compares two public keys, in either form, but for what may differ:
// comments of ssh, and signatures and dates of OpenPGP.
func samePublic(a, b []byte) bool {
	one, _, _, _, err := ssh.ParseAuthorizedKey(a)
	two, _, _, _, err2 := ssh.ParseAuthorizedKey(b)
	if err == nil && err2 == nil {
		return bytes.Equal(one.Marshal(), two.Marshal())
	}
	keys, err := openpgp.ReadKeys(a)
	others, err2 := openpgp.ReadKeys(b)
	return err == nil && err2 == nil && slices.Equal(keys.Fingerprints(), others.Fingerprints())
}

// newSSHKey makes an Ed25519 key as ssh-keygen writes it, without a passphrase.
func newSSHKey(comment string) ([]byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make an ssh key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return nil, fmt.Errorf("make an ssh key: %w", err)
	}
	return pem.EncodeToMemory(block), nil
}
