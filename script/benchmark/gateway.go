package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// region is the gateway's.
const region = "us-east-1"

// A gateway is an S3 server of our own on loopback over a folder, where each
// bucket is a folder.
type gateway struct {
	url     string
	folder  string
	secret  string
	command *exec.Cmd
	stop    func()
}

// startGateway starts one. Between the pick of a port and its use another
// program may take it, so it is tried a few times.
func startGateway(ctx context.Context, program, folder string) (*gateway, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	g := &gateway{folder: folder, secret: rand.Text()}
	var err error
	for range 5 {
		if err = g.start(ctx, program); err == nil {
			return g, nil
		}
	}
	return nil, fmt.Errorf("start %s: %w", program, err)
}

func (g *gateway) start(ctx context.Context, program string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var said bytes.Buffer
	command := exec.CommandContext(ctx, program, "--port", address, "--region", region,
		"--health", "/healthz", "--keep-alive", "--quiet", "posix", g.folder)
	command.Env = append(os.Environ(), "ROOT_ACCESS_KEY=benchmark", "ROOT_SECRET_KEY="+g.secret)
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		cancel()
		return err
	}
	ended := make(chan struct{})
	go func() { // ends with the process, which cancel ends
		_ = command.Wait() // it is killed, or said why it ended
		close(ended)
	}()
	g.url, g.command, g.stop = "http://"+address, command, func() { cancel(); <-ended }
	if err := ready(ctx, g.url+"/healthz", ended); err != nil {
		g.stop()
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	return nil
}

// ready waits until the address answers well.
func ready(ctx context.Context, address string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close() // nothing of it matters
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// cpu returns what the gateway used in all, after stop.
func (g *gateway) cpu() time.Duration {
	state := g.command.ProcessState
	return state.UserTime() + state.SystemTime()
}

// environment is what a client of the gateway needs, and nothing that the user's
// own environment says to it.
func (g *gateway) environment() []string {
	env := []string{"AWS_ACCESS_KEY_ID=benchmark", "AWS_SECRET_ACCESS_KEY=" + g.secret, "AWS_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true"}
	for _, name := range []string{"HOME", "PATH", "TMPDIR", "SystemRoot", "TEMP"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// tarballs returns how many tarballs lie in a bucket.
func (g *gateway) tarballs(bucket string) (int, error) {
	found, err := filepath.Glob(filepath.Join(g.folder, bucket, "package", "*.tar.gz"))
	return len(found), err
}
