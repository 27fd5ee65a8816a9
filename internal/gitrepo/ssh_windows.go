package gitrepo

import (
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// offerKey writes the key to a private file: neither of the ssh programs for
// Windows can reach an agent that Go can serve.
func offerKey(dir string, key any) (identity string, env []string, held closer, err error) {
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return "", nil, nil, fmt.Errorf("read ssh key: %w", err)
	}
	identity = sshFolder + "/id"
	file := keyFile(filepath.Join(dir, identity))
	if err := os.WriteFile(string(file), pem.EncodeToMemory(block), 0o600); err != nil {
		return "", nil, nil, errors.Join(fmt.Errorf("prepare ssh: %w", err), file.Close())
	}
	return identity, nil, file, nil
}

// A keyFile is the path of a private key on disk.
type keyFile string

// Close overwrites and removes the file.
func (f keyFile) Close() error {
	info, err := os.Stat(string(f))
	if err != nil {
		return nil // never written
	}
	zeros := make([]byte, info.Size())
	return errors.Join(os.WriteFile(string(f), zeros, 0o600), os.Remove(string(f)))
}
