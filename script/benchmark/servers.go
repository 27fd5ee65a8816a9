package main

import (
	"errors"
	"io"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
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
// also a key to sign with and one for ssh. Those that it returns are to be stopped, also
// beside an error.
func startServers(versitygw, dir string, git bool) (*servers, error) {
	s := &servers{folder: filepath.Join(dir, "s3"), stop: func() {}}
	key, err := openpgp.Generate("Benchmark", "benchmark@example.org", nil, time.Now(), time.Time{})
	err = errors.Join(err, os.WriteFile(filepath.Join(dir, "signing"), key, 0o600), os.Mkdir(s.folder, 0o755))
	if err != nil {
		return s, err
	}
	address, stop, err := servertest.Start(func(address string) *exec.Cmd {
		c := exec.Command(versitygw, "--port", address, "--region", region, "--keep-alive", "--quiet", "posix", s.folder)
		c.Env = append(os.Environ(), "ROOT_ACCESS_KEY=benchmark", "ROOT_SECRET_KEY=benchmark")
		return c
	})
	if err != nil {
		return s, err
	}
	s.s3, s.stop = address, stop
	if !git {
		return s, nil
	}
	if err := s.startSSH(dir); err != nil {
		return s, err
	}
	return s, s.startWeb(dir)
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
func (s *servers) startWeb(dir string) error {
	program, err := exec.LookPath("git")
	if err != nil {
		return err
	}
	web := httptest.NewServer(&cgi.Handler{
		Path: program, Args: []string{"http-backend"}, InheritEnv: []string{"PATH"}, Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"},
	})
	stop := s.stop
	s.web, s.stop = web.Listener.Addr().String(), func() { web.Close(); stop() }
	return nil
}

// environment is what a client of S3 wants, and nothing that the user's own
// environment says to it or to git.
func (s *servers) environment(home string) []string {
	return []string{
		"AWS_ACCESS_KEY_ID=benchmark", "AWS_SECRET_ACCESS_KEY=benchmark", "AWS_REGION=" + region,
		"AWS_EC2_METADATA_DISABLED=true", "HOME=" + home, "GIT_CONFIG_NOSYSTEM=1",
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.Getenv("TMPDIR"),
	}
}
