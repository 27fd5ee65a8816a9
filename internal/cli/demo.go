package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/options"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
	"github.com/hackage-mirror/hackage-mirror/testdata/demo"
)

// The names in the demo's folder.
const (
	demoUpstream = "upstream"
	demoBucket   = "hackage"
	demoFiles    = "all-cabal-files.git"
	demoHashes   = "all-cabal-hashes.git"
	demoKey      = "key.asc"
	demoKeyring  = "gnupg"
)

// runDemo mirrors the small Hackage that comes with the program, twice: as it
// was, and after it grew. It needs nothing but git.
func runDemo(ctx context.Context, dir string, env Env) error {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		return &ExitError{Code: CodeUsage, Err: fmt.Errorf("demo folder %q is not empty; remove it or name another one", dir)}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make demo folder: %w", err)
	}
	key, err := openpgp.Generate("Demo of hackage-mirror", "demo@hackage-mirror.invalid", nil, env.Now(), time.Time{})
	if err != nil {
		return err
	}
	for generation := 1; generation <= demo.Generations; generation++ {
		if err := demoRun(ctx, dir, generation, key, env); err != nil {
			return err
		}
	}
	fingerprint, err := demoPublicKey(ctx, dir, key, env)
	if err != nil {
		return err
	}
	_, err = io.WriteString(env.Stdout, demoNext(dir, fingerprint))
	return err
}

// demoRun mirrors one generation. The key lives in memory only.
func demoRun(ctx context.Context, dir string, generation int, key []byte, env Env) error {
	occasion := []string{"the first run", "Hackage has grown; the second run mirrors what is new"}[generation-1]
	if _, err := fmt.Fprintf(env.Stdout, "== %s\n", occasion); err != nil {
		return err
	}
	at := func(name string) string {
		if filepath.IsAbs(dir) {
			return filepath.Join(dir, name)
		}
		return "." + string(filepath.Separator) + filepath.Join(dir, name)
	}
	if err := demo.Write(at(demoUpstream), generation); err != nil {
		return err
	}
	o := &options.Sync{
		Upstream: at(demoUpstream), RootKeys: demo.KeyIDs(), KeyThreshold: demo.Threshold,
		Bucket:           []string{at(demoBucket)},
		FilesRepository:  at(demoFiles),
		HashesRepository: at(demoHashes),
		Branch:           "hackage", Tag: "current-hackage",
		History: "daily", Concurrency: 10,
	}
	var err error
	if o.SigningKey, err = secret.New(bytes.Clone(key), secret.Key); err != nil {
		return err
	}
	if _, err := o.Check(); err != nil {
		return err
	}
	defer secret.Wipe(o)
	return runSync(ctx, o, env)
}

// demoPublicKey lays out the public key, and a keyring with it where gpg is
// there, so that the commands that are printed can check signatures.
func demoPublicKey(ctx context.Context, dir string, key []byte, env Env) (fingerprint string, err error) {
	signer, err := openpgp.NewSigner(key, nil, env.Now)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, demoKey)
	if err := os.WriteFile(path, signer.PublicKey(), 0o644); err != nil {
		return "", fmt.Errorf("write public key: %w", err)
	}
	keyring, err := filepath.Abs(filepath.Join(dir, demoKeyring))
	if err != nil {
		return "", fmt.Errorf("find demo folder: %w", err)
	}
	if err := os.Mkdir(keyring, 0o700); err != nil {
		return "", fmt.Errorf("make keyring: %w", err)
	}
	// A public key needs no agent, and one would stay behind with its sockets.
	// Where it fails, as in a folder whose path is too long for those, the demo
	// has been shown all the same.
	gpg := exec.CommandContext(ctx, "gpg", "--homedir", keyring, "--no-autostart", "--batch", "--quiet", "--import", path)
	if out, err := gpg.CombinedOutput(); err != nil && !errors.Is(err, exec.ErrNotFound) {
		env.warn(fmt.Sprintf("gpg cannot import the public key into %q: %v: %s; to check the signatures, import %q into your own keyring",
			keyring, err, strings.TrimSpace(string(out)), path))
	}
	return signer.Fingerprint(), nil
}

// demoNext is what the demo prints at the end: what to look at, as commands
// that can be pasted.
func demoNext(dir, fingerprint string) string {
	return strings.NewReplacer("DIR", plain.ShellWord(dir), "FINGERPRINT", fingerprint).Replace(`
What to look at next:

  ls DIR/hackage DIR/hackage/package
        the mirror; cabal and stack can use it as a secure repository. Open its
        index.html in a browser to see how the mirror is
  export GNUPGHOME="$(cd DIR/gnupg && pwd)"
        the demo's own keyring, with key FINGERPRINT
  git -C DIR/all-cabal-hashes.git verify-tag current-hackage
  git -C DIR/all-cabal-files.git verify-commit hackage
        gpg accepts the signatures
  git -C DIR/all-cabal-files.git log --oneline hackage
        each run appended to the history
  git -C DIR/all-cabal-hashes.git show hackage:split/0.2.5/split.json
  sha256sum DIR/hackage/package/split-0.2.5.tar.gz
        the digests of a release, and the same SHA-256 taken from the mirror
  git -C DIR/all-cabal-hashes.git cat-file tag current-hackage
        how far the repository is, for the next run to read
`)
}
