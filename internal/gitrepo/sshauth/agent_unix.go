//go:build unix

package sshauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/temp"
)

// useKey serves the key by an agent of this process and leaves only the public key in
// a file, by which ssh asks for the one it may use.
func (l *Login) useKey(dir string, key any) (identity string, err error) {
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return "", fmt.Errorf("read ssh key: %w", err)
	}
	identity = folder + "/id.pub"
	public := ssh.MarshalAuthorizedKey(signer.PublicKey())
	if err := os.WriteFile(filepath.Join(dir, identity), public, 0o600); err != nil {
		return "", fmt.Errorf("prepare ssh: %w", err)
	}
	a, err := serveAgent(dir, key)
	if err != nil {
		return "", err
	}
	l.Env, l.close = []string{"SSH_AUTH_SOCK=" + a.socket}, a.Close
	return identity, nil
}

// A keyAgent is an ssh agent with one key, on a socket in a private folder.
type keyAgent struct {
	keys     agent.Agent
	socket   string
	short    *temp.Folder // of the socket; nil if it is in the one that was given
	listener net.Listener
	group    errgroup.Group
	life     context.Context
	end      context.CancelFunc
}

func serveAgent(dir string, key any) (*keyAgent, error) {
	a := &keyAgent{keys: agent.NewKeyring(), socket: filepath.Join(dir, folder, "agent")}
	if err := a.keys.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		return nil, fmt.Errorf("prepare ssh agent: %w", err)
	}
	if len(a.socket) > socketPath {
		short, err := shortFolder()
		if err != nil {
			return nil, fmt.Errorf("prepare ssh agent: %w", err)
		}
		a.short, a.socket = short, filepath.Join(short.Path, "agent")
	}
	listener, err := net.Listen("unix", a.socket)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare ssh agent: %w", err), a.removeFolder())
	}
	a.listener = listener
	a.life, a.end = context.WithCancel(context.Background())
	a.group.Go(a.accept)
	return a, nil
}

// shortFolder makes a private folder whose path leaves room for a socket's name.
func shortFolder() (*temp.Folder, error) {
	parent, err := filepath.Abs(os.TempDir())
	if err != nil || len(parent) > socketPath-40 {
		parent = "/tmp"
	}
	return temp.MakeIn(parent)
}

// accept serves each connection until the listener is closed.
func (a *keyAgent) accept() error {
	for {
		conn, err := a.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("serve ssh agent: %w", err)
		}
		a.group.Go(func() error {
			stop := context.AfterFunc(a.life, func() { _ = conn.Close() }) // what it still had to say has no reader
			defer stop()
			// It ends with an error when the peer closes, which is right.
			_ = agent.ServeAgent(signOnly{a.keys.(agent.ExtendedAgent)}, conn)
			_ = conn.Close()
			return nil
		})
	}
}

// Close ends the agent and forgets the key.
func (a *keyAgent) Close() error {
	a.end()
	return errors.Join(a.listener.Close(), a.group.Wait(), a.keys.RemoveAll(), a.removeFolder())
}

func (a *keyAgent) removeFolder() error {
	if a.short == nil {
		return nil
	}
	return a.short.Close()
}

// signOnly is an agent that lists and signs and takes no orders.
type signOnly struct{ agent.ExtendedAgent }

var errSignOnly = errors.New("this agent only signs")

func (signOnly) Add(agent.AddedKey) error       { return errSignOnly }
func (signOnly) Remove(ssh.PublicKey) error     { return errSignOnly }
func (signOnly) RemoveAll() error               { return errSignOnly }
func (signOnly) Lock([]byte) error              { return errSignOnly }
func (signOnly) Unlock([]byte) error            { return errSignOnly }
func (signOnly) Signers() ([]ssh.Signer, error) { return nil, errSignOnly }
