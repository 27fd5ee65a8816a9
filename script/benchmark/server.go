package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// A server is an upstream in a process of its own. In the program that measures,
// its files would count as memory of whatever is started from there.
type server struct {
	announcement
	command *exec.Cmd
}

// An announcement is the line that an upstream's process writes when it is
// ready.
type announcement struct {
	URL       string
	Keys      []string
	Threshold int
	Releases  int
}

// serveCommand is the argument that makes this program an upstream's process.
const serveCommand = "serve"

// startServer starts a process that serves so many releases. With a folder it
// writes the tarballs into it first.
func startServer(ctx context.Context, releases, size int, latency time.Duration, folder string) (_ *server, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{command: exec.CommandContext(ctx, self, serveCommand, strconv.Itoa(releases), strconv.Itoa(size), latency.String(), folder)}
	s.command.Stderr = os.Stderr
	stdout, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s.announcement)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start an upstream: %w", err), s.close())
	}
	return s, nil
}

// close ends the process.
func (s *server) close() error {
	err := s.command.Process.Kill()
	_ = s.command.Wait() // it was killed
	return err
}

// ask sends a request that has no other answer than success.
func (s *server) ask(ctx context.Context, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	said, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("upstream: %s", said)
	}
	return nil
}

// serve is the other process. It ends when it is killed.
func serve(_ context.Context, arguments []string, stdout io.Writer) error {
	if len(arguments) != 4 {
		return errors.New("serve wants four arguments")
	}
	releases, err := strconv.Atoi(arguments[0])
	size, err2 := strconv.Atoi(arguments[1])
	latency, err3 := time.ParseDuration(arguments[2])
	if err := errors.Join(err, err2, err3); err != nil {
		return err
	}
	u := newUpstream(releases, size)
	if folder := arguments[3]; folder != "" {
		if err := u.writeTarballs(folder); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	line := announcement{URL: "http://" + listener.Addr().String(), Keys: u.keys, Threshold: u.threshold, Releases: releases}
	if err := json.NewEncoder(stdout).Encode(line); err != nil {
		return err
	}
	s := &http.Server{Handler: newHost(u, latency), ReadHeaderTimeout: time.Minute}
	return s.Serve(listener)
}
