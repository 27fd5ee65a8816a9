// Package servertest starts programs that serve on loopback, for tests and benchmarks.
package servertest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// Start starts the program of a command at an address (HOST:PORT) that is free, and
// waits until somebody listens there. The stop that it returns ends the program; so
// does the end of this process, however it ends.
func Start(command func(address string) *exec.Cmd) (address string, stop func(), err error) {
	if address, err = reserve(); err != nil {
		return "", nil, err
	}
	wanted := command(address)
	program := guarded(wanted)
	var said bytes.Buffer
	program.Stdout, program.Stderr = &said, &said
	life, err := program.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	if err := program.Start(); err != nil {
		return "", nil, err
	}
	ended := make(chan struct{})
	go func() { // ends with the process, which stop ends
		_ = program.Wait() // it is killed, or said why it ended
		close(ended)
	}()
	stop = func() {
		_ = life.Close() // closed already if it ended by itself
		if runtime.GOOS == "windows" {
			_ = program.Process.Kill()
		}
		<-ended
	}
	for {
		if connection, err := net.Dial("tcp", address); err == nil {
			return address, stop, connection.Close()
		}
		select {
		case <-ended:
			return "", nil, fmt.Errorf("start %s: it ended: %s", filepath.Base(wanted.Path), bytes.TrimSpace(said.Bytes()))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// reserve picks an address that the system gives to nobody else for the time that a
// program needs to listen there: a connection was closed at it, by its own side first,
// after which only who asks for just this port gets it.
func reserve() (address string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address = listener.Addr().String()
	client, err := net.Dial("tcp", address)
	if err != nil {
		return "", errors.Join(err, listener.Close())
	}
	server, err := listener.Accept()
	if err == nil {
		err = server.Close()
	}
	return address, errors.Join(err, client.Close(), listener.Close())
}

// guarded returns a command that ends when its standard input does, so no server
// outlives a test that is killed. Windows has no shell for that.
func guarded(c *exec.Cmd) *exec.Cmd {
	if runtime.GOOS == "windows" {
		return c
	}
	const script = `exec 3<&0
"$@" 3<&- &
server=$!
{ read -r _ <&3; kill -9 "$server"; } >/dev/null 2>&1 &
guard=$!
wait "$server"
kill "$guard"`
	shell := exec.Command("sh", append([]string{"-c", script, "sh", c.Path}, c.Args[1:]...)...)
	shell.Env, shell.Dir = c.Env, c.Dir
	return shell
}
