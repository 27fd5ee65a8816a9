package sshauth

import (
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// useKey writes the key to a private file: neither of the ssh programs for Windows
// can reach an agent that Go can serve.
func (l *Login) useKey(dir string, key any) (identity string, err error) {
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return "", fmt.Errorf("read ssh key: %w", err)
	}
	identity = folder + "/id"
	file := filepath.Join(dir, identity)
	l.close = func() error { return overwrite(file) }
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		return "", errors.Join(fmt.Errorf("prepare ssh: %w", err), l.close())
	}
	return identity, nil
}

// overwrite overwrites and removes a file, if it was written.
func overwrite(file string) error {
	info, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(file, make([]byte, info.Size()), 0o600), os.Remove(file))
}
