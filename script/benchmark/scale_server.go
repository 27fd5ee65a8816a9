package main

import (
	"bytes"
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
	"strings"
)

// A scaleserver is an upstream process whose index can grow.
type scaleserver struct {
	url       string
	keys      []string
	threshold int
	command   *exec.Cmd
}

// startScaleserver starts one that serves the first n entries.
func startScaleserver(ctx context.Context, program, dir string, n int) (*scaleserver, error) {
	var err error
	for range 5 { // another program may take the port first
		var s *scaleserver
		if s, err = tryScaleserver(ctx, program, dir, n); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("start scaleserver: %w", err)
}

func tryScaleserver(ctx context.Context, program, dir string, n int) (*scaleserver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	var said bytes.Buffer
	s := &scaleserver{url: "http://" + address}
	s.command = exec.CommandContext(ctx, program, "-index", dir, "-addr", address, "-entries", strconv.Itoa(n))
	s.command.Stderr = &said
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the process, which close or ctx ends
		_ = s.command.Wait() // it is killed, or said why it ended
		close(ended)
	}()
	err = ready(waiting, s.url+"/keys", ended)
	if err == nil {
		err = s.readKeys(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String())), s.close())
	}
	return s, nil
}

// close ends the process.
func (s *scaleserver) close() error {
	if err := s.command.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// readKeys asks for the ids of the root keys and their threshold.
func (s *scaleserver) readKeys(ctx context.Context) error {
	raw, err := s.ask(ctx, http.MethodGet, "/keys")
	if err != nil {
		return err
	}
	s.keys, s.threshold, err = parseKeys(string(raw))
	return err
}

// parseKeys reads the lines of /keys: ids, and last "threshold N".
func parseKeys(text string) (keys []string, threshold int, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if n, found := strings.CutPrefix(line, "threshold "); found {
			threshold, err = strconv.Atoi(n)
		} else {
			keys = append(keys, line)
		}
	}
	if err != nil || threshold < 1 || len(keys) < threshold {
		return nil, 0, fmt.Errorf("read keys of scaleserver: %q", text)
	}
	return keys, threshold, nil
}

// grow makes the index one of n entries.
func (s *scaleserver) grow(ctx context.Context, n int) error {
	_, err := s.ask(ctx, http.MethodPost, "/limit?entries="+strconv.Itoa(n))
	return err
}

// reset sets the counts to zero.
func (s *scaleserver) reset(ctx context.Context) error {
	_, err := s.ask(ctx, http.MethodPost, "/stats/reset")
	return err
}

// counts returns what was asked for since.
func (s *scaleserver) counts(ctx context.Context) (traffic, error) {
	raw, err := s.ask(ctx, http.MethodGet, "/stats")
	if err != nil {
		return nil, err
	}
	return parseStats(raw)
}

// A count is of requests and the bytes of their answers.
type count struct {
	requests int
	bytes    int64
}

// traffic is counts by kind.
type traffic map[string]count

// total sums the kinds up.
func (t traffic) total() count {
	var all count
	for _, c := range t {
		all.requests += c.requests
		all.bytes += c.bytes
	}
	return all
}

// parseStats reads /stats and joins the kinds that mean the same to us.
func parseStats(raw []byte) (traffic, error) {
	var stats struct {
		Kinds map[string]struct {
			Requests int
			Bytes    int64
		}
	}
	if err := json.Unmarshal(raw, &stats); err != nil {
		return nil, fmt.Errorf("read counts of scaleserver: %w", err)
	}
	out := traffic{}
	for kind, n := range stats.Kinds {
		c := out[plainKind(kind)]
		out[plainKind(kind)] = count{c.requests + n.Requests, c.bytes + n.Bytes}
	}
	return out, nil
}

// plainKind names a kind of scaleserver's.
func plainKind(kind string) string {
	switch {
	case strings.HasPrefix(kind, "01-index"):
		return kindIndex
	case kind == "package":
		return kindTarballs
	}
	return kindMetadata // among it deprecated.json
}

// The kinds of what is asked for.
const (
	kindMetadata = "metadata"
	kindIndex    = "index"
	kindTarballs = "tarballs"
)

// ask makes one request.
func (s *scaleserver) ask(ctx context.Context, method, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, bytes.TrimSpace(raw))
	}
	return raw, nil
}
