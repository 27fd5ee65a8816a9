package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshtest"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/servertest"
)

// region is that of the S3 server.
const region = "us-east-1"

// servers are all that a mirror talks to but upstream, on loopback.
type servers struct {
	folder       string // of S3: each bucket is a folder in it
	sshLog       string // a file, "" if there is no ssh
	s3, ssh, web string // HOST:PORT; ssh and web are of git
	stop         func()
}

// startServers starts them, those of git if they are wanted, with their files in a folder:
// also a key to sign with and one for ssh.
func startServers(ctx context.Context, versitygw, dir string, git bool) (_ *servers, err error) {
	s := &servers{folder: filepath.Join(dir, "s3"), stop: func() {}}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	key, err := openpgp.Generate("Benchmark", "benchmark@example.org", nil, time.Now(), time.Time{})
	err = errors.Join(err, os.WriteFile(filepath.Join(dir, "signing"), key, 0o600), os.Mkdir(s.folder, 0o755))
	if err != nil {
		return nil, err
	}
	address, stop, err := servertest.Start(func(address string) *exec.Cmd {
		c := exec.Command(versitygw, "--port", address, "--region", region, "--keep-alive", "--quiet", "posix", s.folder)
		c.Env = append(os.Environ(), "ROOT_ACCESS_KEY=benchmark", "ROOT_SECRET_KEY=benchmark")
		return c
	})
	if err != nil {
		return nil, err
	}
	s.s3, s.stop = address, stop
	if !git {
		return s, nil
	}
	if err := s.startSSH(dir); err != nil {
		return nil, err
	}
	return s, s.startWeb(ctx, dir)
}

// startSSH starts an sshd, which lets git speak its newer protocol, as the large hosts
// do, and writes a key for it and its own into the folder.
func (s *servers) startSSH(dir string) error {
	key, public := sshtest.NewKey("ed25519")
	host, err := sshtest.Start(dir, "AcceptEnv GIT_PROTOCOL\n", public)
	if err != nil {
		return err
	}
	stop := s.stop
	s.ssh, s.sshLog, s.stop = host.Address, host.Log, func() { stop(); host.Stop() }
	return errors.Join(os.WriteFile(filepath.Join(dir, "client"), key, 0o600), os.WriteFile(filepath.Join(dir, "host.pub"), []byte(host.HostKey+"\n"), 0o600))
}

// startWeb serves the repositories below a folder over HTTP.
func (s *servers) startWeb(ctx context.Context, dir string) error {
	path, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return fmt.Errorf("ask git where its programs are: %w", err)
	}
	web := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"), InheritEnv: []string{"PATH"}, Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"},
	})
	stop := s.stop
	s.web, s.stop = web.Listener.Addr().String(), func() { web.Close(); stop() }
	return nil
}

// environment is what a client of S3 wants, and nothing that the user's own
// environment says to it or to git.
func (s *servers) environment(home string) []string {
	env := []string{
		"AWS_ACCESS_KEY_ID=benchmark", "AWS_SECRET_ACCESS_KEY=benchmark", "AWS_REGION=" + region,
		"AWS_EC2_METADATA_DISABLED=true", "HOME=" + home, "GIT_CONFIG_NOSYSTEM=1",
	}
	for _, name := range []string{"PATH", "TMPDIR", "SystemRoot", "TEMP"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}
