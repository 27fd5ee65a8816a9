package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A destination is what a mirror keeps, and how a run gets there.
type destination struct {
	name    string
	bucket  string   // "folder", "S3" or nothing
	git     string   // of both repositories: "path", "ssh", "https" or nothing
	options []string // others of sync
}

// A route is the lines of one length to all servers.
type route struct {
	rtt                            time.Duration
	toUpstream, toS3, toSSH, toWeb *line
}

// newRoute returns the lines of a length to upstream, at an URL, and the servers. One to a
// server that was not started is not used.
func newRoute(upstream string, s *servers, rtt time.Duration) (_ *route, err error) {
	var lines [4]*line
	for i, to := range []string{strings.TrimPrefix(upstream, "http://"), s.s3, s.ssh, s.web} {
		if lines[i], err = newLine(to, rtt); err != nil {
			return nil, err
		}
	}
	return &route{rtt, lines[0], lines[1], lines[2], lines[3]}, nil
}

// count adds what went over the lines since it was last counted.
func (r *route) count(s *sample) {
	for i, l := range []*line{r.toUpstream, r.toS3, r.toSSH, r.toWeb} {
		server := min(i, 2) // the two ways to git are one
		s.Requests[server] += l.requests.Swap(0)
		s.Connections[server] += l.connections.Swap(0)
		s.Bytes += l.bytes.Swap(0)
	}
}

// A mirror is what one program keeps in a destination at the end of a route.
type mirror struct {
	destination
	*route
	*servers
	program program
	dir     string // of its repositories, and of its bucket if that is a folder
	sync    []string
	env     []string
}

// A program is one that is measured.
type program struct{ name, path string }

// Who did what was measured.
const (
	now    = "now"
	before = "before"
	byHand = "by hand"
)

// folders makes repositories as hosts have them, which do no housekeeping meanwhile, one to push
// from, two buckets on S3, and the file of known hosts.
const folders = `
mkdir "$1" "$2" "$2-copy"
for name in files hashes; do
  git init --quiet --bare "$1/$name"
  printf '[uploadpack]\nallowFilter=true\nallowAnySHA1InWant=true\n[http]\nreceivepack=true\n[receive]\nautogc=false\n[gc]\nauto=0\n' >>"$1/$name/config"
done
git init --quiet --bare "$1/hand"
export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x
git -C "$1/hand" update-ref HEAD "$(git -C "$1/hand" commit-tree -m x 4b825dc642cb6eb9a060e54bf8d69288fbee4904)"
if [ -f host.pub ]; then printf '[127.0.0.1]:%s ' "$3" | cat - host.pub >"$1/known"; fi`

// newMirror makes an empty mirror of a name below a folder.
func newMirror(ctx context.Context, below, name string, m mirror, h *hackage) (*mirror, error) {
	m.dir = filepath.Join(below, name)
	m.env = append(m.environment(below), "GIT_SSH_COMMAND=ssh -F none -i "+filepath.Join(below, "client")+" -o UserKnownHostsFile="+m.dir+"/known")
	port := m.toSSH.Addr().String()
	made := exec.CommandContext(ctx, "sh", "-euc", folders, "sh", m.dir, m.bucketFolder(), port[strings.LastIndex(port, ":")+1:])
	made.Dir, made.Env = below, m.env
	if said, err := made.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make repositories: %w: %s", err, said)
	}
	m.sync = []string{
		m.program.path, "sync", "--upstream", "http://" + m.toUpstream.Addr().String(),
		"--key-threshold", strconv.Itoa(h.Threshold()), "--root-keys", strings.Join(h.KeyIDs(), ","),
	}
	switch m.bucket {
	case "folder":
		m.sync = append(m.sync, "--bucket", filepath.Join(m.dir, "bucket"))
	case "S3":
		m.sync = append(m.sync, "--bucket", "s3://"+name+"?path-style=true&region="+region+"&endpoint=http://"+m.toS3.Addr().String())
	}
	if m.git != "" {
		m.sync = append(m.sync, "--signing-key", filepath.Join(below, "signing"), "--files-repository", m.repository("files"), "--hashes-repository", m.repository("hashes"))
	}
	if m.git == "ssh" {
		m.sync = append(m.sync, "--ssh-key", filepath.Join(below, "client"), "--ssh-known-hosts", m.dir+"/known")
	}
	m.sync = append(m.sync, m.options...)
	return &m, nil
}

// bucketFolder is where the S3 server keeps the bucket of the mirror's name.
func (m *mirror) bucketFolder() string { return filepath.Join(m.folder, filepath.Base(m.dir)) }

// repository is the address of one.
func (m *mirror) repository(name string) string {
	switch m.git {
	case "https":
		return "http://" + m.toWeb.Addr().String() + "/" + filepath.Base(m.dir) + "/" + name
	case "ssh":
		return "ssh://" + m.toSSH.Addr().String() + m.dir + "/" + name
	}
	return filepath.Join(m.dir, name)
}

// measure runs a command for the mirror.
func (m *mirror) measure(ctx context.Context, arguments []string) (sample, error) {
	_ = os.Truncate(m.sshLog, 0) // there is one if there is ssh
	m.count(new(sample))
	took, err := execute(ctx, m.env, arguments)
	if err != nil {
		return took, err
	}
	m.count(&took)
	said, _ := os.ReadFile(m.sshLog)
	took.Requests[2] += int64(strings.Count(string(said), "Starting session")) // a step of git
	took.Bytes += sizeOf(m.dir + "/output")
	return took, os.RemoveAll(m.dir + "/output")
}

// sizeOf returns the bytes of a file, or of the packs of a bare repository.
func sizeOf(path string) (sum int64) {
	packs, _ := filepath.Glob(filepath.Join(path, "objects", "pack", "*.pack")) // the pattern is good
	for _, name := range append(packs, path) {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
	}
	return sum
}
