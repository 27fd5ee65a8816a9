//go:build unix

package gitrepo

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/temp"
)

// offerKey serves the key by an agent of this process and leaves only the
// public key in a file, by which ssh asks for the one it may use.
func offerKey(dir string, key any) (identity string, env []string, held closer, err error) {
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return "", nil, nil, fmt.Errorf("read ssh key: %w", err)
	}
	identity = sshFolder + "/id.pub"
	public := ssh.MarshalAuthorizedKey(signer.PublicKey())
	if err := os.WriteFile(filepath.Join(dir, identity), public, 0o600); err != nil {
		return "", nil, nil, fmt.Errorf("prepare ssh: %w", err)
	}
	served, err := serveAgent(dir, key)
	if err != nil {
		return "", nil, nil, err
	}
	return identity, []string{"SSH_AUTH_SOCK=" + served.socket}, served, nil
}

// A keyAgent is an ssh agent with one key, on a socket in a private folder.
type keyAgent struct {
	keys     agent.Agent
	socket   string
	folder   *temp.Folder // nil if it is inside the repository's
	listener net.Listener
	group    errgroup.Group

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	ended bool
}

func serveAgent(dir string, key any) (*keyAgent, error) {
	a := &keyAgent{keys: agent.NewKeyring(), conns: map[net.Conn]struct{}{}}
	if err := a.keys.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		return nil, fmt.Errorf("prepare ssh agent: %w", err)
	}
	a.socket = filepath.Join(dir, sshFolder, "agent")
	if len(a.socket) > socketPath {
		folder, err := shortFolder()
		if err != nil {
			return nil, err
		}
		a.folder, a.socket = folder, filepath.Join(folder.Path, "agent")
	}
	listener, err := net.Listen("unix", a.socket)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare ssh agent: %w", err), a.removeFolder())
	}
	a.listener = listener
	a.group.Go(a.accept)
	return a, nil
}

// shortFolder makes a private folder whose path leaves room for a socket's name.
func shortFolder() (*temp.Folder, error) {
	parent := os.TempDir()
	if len(parent) > socketPath-40 {
		parent = "/tmp"
	}
	folder, err := temp.MakeIn(parent)
	if err != nil {
		return nil, fmt.Errorf("prepare ssh agent: %w", err)
	}
	return folder, nil
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
		if !a.hold(conn) {
			return conn.Close()
		}
		a.group.Go(func() error {
			defer a.release(conn)
			// It ends with the peer's leave, which is no news.
			_ = agent.ServeAgent(signOnly{a.keys.(agent.ExtendedAgent)}, conn)
			return nil
		})
	}
}

func (a *keyAgent) hold(conn net.Conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.conns[conn] = struct{}{}
	}
	return !a.ended
}

func (a *keyAgent) release(conn net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, conn)
	_ = conn.Close()
}

// Close ends the agent and forgets the key.
func (a *keyAgent) Close() error {
	a.mu.Lock()
	a.ended = true
	err := a.listener.Close()
	for conn := range a.conns {
		_ = conn.Close() // what it still had to say has no reader
	}
	a.mu.Unlock()
	return errors.Join(err, a.group.Wait(), a.keys.RemoveAll(), a.removeFolder())
}

func (a *keyAgent) removeFolder() error {
	if a.folder == nil {
		return nil
	}
	return a.folder.Close()
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
