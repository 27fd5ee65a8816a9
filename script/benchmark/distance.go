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
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// distanceCommand measures runs from far away: the servers are near, and the lines to
// them long.
const distanceCommand = "distance"

// far is the longest time there and back of those that are measured.
const far = 100 * time.Millisecond

// A distance is that bench.
type distance struct {
	settings
	dir, log string // log is sshd's
	gateway  *gateway
	ways     []time.Duration
	rows     []string                               // WHAT | OVER, in order
	walls    map[string]map[time.Duration][]float64 // in seconds
	spent    map[string][6]int64                    // requests and connections: upstream, S3, git
}

func runDistance(ctx context.Context, arguments []string, stdout io.Writer) (err error) {
	b := &distance{ways: []time.Duration{0, 30 * time.Millisecond, far}, walls: map[string]map[time.Duration][]float64{}, spent: map[string][6]int64{}}
	if b.settings, err = parse(arguments); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "hackage-mirror-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := b.run(ctx); err != nil {
		return err
	}
	targets := b.judge()
	text := b.markdown(targets)
	if _, err = io.WriteString(stdout, text); err == nil && b.write != "" {
		err = writePart(b.write, distanceCommand, text)
	}
	if n := missed(targets); err == nil && n > 0 {
		err = fmt.Errorf("%d times: %w", n, errMissed)
	}
	return err
}

// setUp makes keys and becomes an sshd at a port, which lets git speak its newer
// protocol, as the large hosts do.
const setUp = `
for key in host client; do ssh-keygen -q -t ed25519 -N "" -C "" -f $key; done
printf '%s\n' "ListenAddress 127.0.0.1:$1" "HostKey $PWD/host" "AuthorizedKeysFile $PWD/client.pub" "PidFile none" "StrictModes no" "UsePAM no" \
  "PermitRootLogin yes" "LogLevel VERBOSE" "AcceptEnv GIT_PROTOCOL" >settings
exec "$(PATH=$PATH:/usr/sbin command -v sshd)" -D -f "$PWD/settings" -E "$PWD/log"`

// run starts the servers and measures everything.
func (b *distance) run(ctx context.Context) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	key, err := newKey(packet.PubKeyAlgoEdDSA)
	b.log = filepath.Join(b.dir, "log")
	if err := errors.Join(err, os.WriteFile(filepath.Join(b.dir, "signing"), key, 0o600)); err != nil {
		return err
	}
	if b.gateway, err = startGateway(ctx, b.versitygw, filepath.Join(b.dir, "s3")); err != nil {
		return err
	}
	defer b.gateway.stop()
	backend, err := exec.Command("git", "--exec-path").Output()
	web := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(backend)), "git-http-backend"), InheritEnv: []string{"PATH"}, Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + b.dir, "GIT_HTTP_EXPORT_ALL=1"},
	})
	defer web.Close()
	probe := httptest.NewServer(nil) // its port will be sshd's
	probe.Close()
	ssh := probe.Listener.Addr().String()
	sshd := exec.CommandContext(ctx, "sh", "-euc", setUp, "sh", ssh[strings.LastIndex(ssh, ":")+1:])
	sshd.Dir = b.dir
	if err := errors.Join(err, sshd.Start()); err != nil {
		return err
	}
	defer func() { stop(); _ = sshd.Wait() }() // it is killed
	for said := ""; !strings.Contains(said, "Server listening"); time.Sleep(10 * time.Millisecond) {
		raw, _ := os.ReadFile(b.log) // not there yet
		if said = string(raw); ctx.Err() != nil || strings.Contains(said, "Cannot bind") {
			return fmt.Errorf("start sshd: %s", said)
		}
	}
	for _, rtt := range b.ways {
		for _, kind := range [][2]string{{"S3", ssh}, {"ssh", ssh}, {"https", web.Listener.Addr().String()}, {"S3 and ssh", ssh}} {
			if err := b.measure(ctx, kind[0], rtt, kind[1]); err != nil {
				return fmt.Errorf("%s, %s: %w", kind[0], rtt, err)
			}
		}
	}
	return nil
}

// A farWorld is an upstream and its destinations at the end of lines.
type farWorld struct {
	*distance
	over      string
	rtt       time.Duration
	dir       string // of its repositories; its name is also the bucket's
	hackage   *hackagetest.Hackage
	lines     [3]*line // to upstream, S3, git
	arguments []string
	env       []string
	changes   int
}

// measure measures all over lines of one kind and length.
func (b *distance) measure(ctx context.Context, over string, rtt time.Duration, git string) (err error) {
	name := fmt.Sprintf("%s-%d", strings.ToLower(strings.ReplaceAll(over, " ", "-")), rtt.Milliseconds())
	w := &farWorld{distance: b, over: over, rtt: rtt, dir: filepath.Join(b.dir, name), hackage: hackagetest.New(hackagetest.Options{Seed: name})}
	upstream := w.hackage.Serve()
	defer upstream.Close()
	for i, to := range []string{upstream.URL, b.gateway.url, git} {
		if w.lines[i], err = newLine(strings.TrimPrefix(to, "http://"), rtt); err != nil {
			return err
		}
		defer w.lines[i].Close()
	}
	if err := w.prepare(ctx); err != nil {
		return err
	}
	sync := func(uploads, revisions int) func() (sample, error) {
		return func() (sample, error) {
			w.grow(uploads, revisions)
			return execute(ctx, w.env, b.mirror, w.arguments...)
		}
	}
	err = w.once("first fill of 100 releases", sync(100, 0))
	if err == nil && over == "S3" {
		err = w.once("s5cmd: upload of what the first fill put", func() (sample, error) {
			return execute(ctx, w.env, b.s5cmd, "--log", "error", "--endpoint-url", "http://"+w.lines[1].Addr().String(), "--numworkers", "16",
				"cp", "--exclude", ".*", filepath.Join(b.gateway.folder, name)+"/", "s3://copy-of-"+name+"/")
		})
	}
	for range b.rounds { // in turns
		err = errors.Join(err, w.once("nothing new", sync(0, 0)), w.once("one revision", sync(0, 1)),
			w.once("two revisions", sync(0, 2)), w.once("50 entries with 23 releases", sync(23, 4)))
		if over != "S3" {
			w.changes++
			err = errors.Join(err,
				w.once(byLS, func() (sample, error) { return execute(ctx, w.env, "git", "ls-remote", w.address("files")) }),
				w.once(byPush, func() (sample, error) {
					return execute(ctx, w.env, "git", "push", "--quiet", w.address("files"), "HEAD:refs/heads/hand-"+strconv.Itoa(w.changes))
				}))
		}
	}
	return err
}

// What is done by hand over the same line.
const (
	byLS   = "git ls-remote of one repository"
	byPush = "git push of a branch to one repository"
)

// grow adds releases, of two entries each, and revisions, of one.
func (w *farWorld) grow(uploads, revisions int) {
	for i := range uploads + revisions {
		w.changes++
		name := fmt.Sprintf("package%03d", w.changes)
		if i < uploads {
			w.hackage.Upload(name, "1", cabalFile(name, "1"), hackagetest.Noise(name, 20_000))
			continue
		}
		name = fmt.Sprintf("package%03d", 1+w.changes%100)
		w.hackage.Revise(name, "1", append(cabalFile(name, "1"), fmt.Sprintf("-- %d\n", w.changes)...))
	}
}

// address is that of a repository at the other end.
func (w *farWorld) address(repository string) string {
	if w.over == "https" {
		return "http://" + w.lines[2].Addr().String() + "/" + filepath.Base(w.dir) + "/" + repository
	}
	return "ssh://" + w.lines[2].Addr().String() + w.dir + "/" + repository
}

// farFolders makes the repositories and buckets, one to push from, and known hosts.
const farFolders = `
for name in files hashes; do
  git init --quiet --bare "$1/$name"
  for key in uploadpack.allowFilter uploadpack.allowAnySHA1InWant http.receivepack; do git -C "$1/$name" config $key true; done
done
mkdir -p "$2/$(basename "$1")" "$2/copy-of-$(basename "$1")"
git init --quiet --bare "$1/hand"
export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x
git -C "$1/hand" update-ref HEAD "$(git -C "$1/hand" commit-tree -m x 4b825dc642cb6eb9a060e54bf8d69288fbee4904)"
printf '[127.0.0.1]:%s ' "$3" | cat - host.pub >"$1/known"`

// prepare makes what a run needs.
func (w *farWorld) prepare(ctx context.Context) error {
	port := w.lines[2].Addr().String()
	port = port[strings.LastIndex(port, ":")+1:]
	w.env = append(w.gateway.environment(), "HOME="+w.distance.dir, "GIT_SSH_COMMAND=ssh -F none -i "+filepath.Join(w.distance.dir, "client")+" -o UserKnownHostsFile="+w.dir+"/known")
	made := exec.CommandContext(ctx, "sh", "-euc", farFolders, "sh", w.dir, w.gateway.folder, port)
	made.Dir, made.Env = w.distance.dir, w.env
	if said, err := made.CombinedOutput(); err != nil {
		return fmt.Errorf("make repositories: %w: %s", err, said)
	}
	w.env = append(w.env, "GIT_DIR="+w.dir+"/hand")
	w.arguments = []string{"sync", "--upstream", "http://" + w.lines[0].Addr().String(), "--key-threshold", strconv.Itoa(w.hackage.Threshold())}
	for _, id := range w.hackage.KeyIDs() {
		w.arguments = append(w.arguments, "--root-keys", id)
	}
	if strings.HasPrefix(w.over, "S3") {
		w.arguments = append(w.arguments, "--bucket", "s3://"+filepath.Base(w.dir)+"?path-style=true&region="+region+"&endpoint=http://"+w.lines[1].Addr().String())
	}
	if w.over != "S3" {
		w.arguments = append(w.arguments, "--signing-key", filepath.Join(w.distance.dir, "signing"), "--files-repository", w.address("files"), "--hashes-repository", w.address("hashes"))
	}
	if strings.HasSuffix(w.over, "ssh") {
		w.arguments = append(w.arguments, "--ssh-key", filepath.Join(w.distance.dir, "client"), "--ssh-known-hosts", w.dir+"/known")
	}
	return nil
}

// once measures something, and keeps what it cost.
func (w *farWorld) once(what string, do func() (sample, error)) error {
	row := what + " | " + w.over
	if w.walls[row] == nil {
		w.rows, w.walls[row] = append(w.rows, row), map[time.Duration][]float64{}
	}
	_ = os.Truncate(w.log, 0)
	for _, l := range w.lines {
		l.requests.Store(0)
		l.connections.Store(0)
	}
	took, err := do()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	var spent [6]int64
	for i, l := range w.lines {
		spent[i], spent[i+3] = l.requests.Load(), l.connections.Load()
	}
	said, _ := os.ReadFile(w.log) // of git over ssh, a step counts as a request
	spent[2] += int64(strings.Count(string(said), "Starting session"))
	w.walls[row][w.rtt], w.spent[row] = append(w.walls[row][w.rtt], took.wall.Seconds()), spent
	fmt.Fprintf(os.Stderr, "%s: %s: %.2f s, %d\n", w.rtt, row, took.wall.Seconds(), spent)
	return nil
}

// judge holds the times at the longest way against those by hand.
func (b *distance) judge() (targets []target) {
	at := func(what, over string) float64 { return median(b.walls[what+" | "+over][far]) }
	add := func(name string, most, got float64) {
		targets = append(targets, target{name, fmt.Sprintf("at most %.1f", most), fmt.Sprintf("%.2f", got), got <= most})
	}
	for _, over := range []string{"ssh", "https", "S3 and ssh"} {
		add("nothing new, over "+over+" / git ls-remote", 1.5, at("nothing new", over)/at(byLS, over))
	}
	const all = "S3 and ssh"
	add("two revisions into all three / git ls-remote and git push", 1.6, at("two revisions", all)/(at(byLS, all)+at(byPush, all)))
	most := int64(0)
	for row, spent := range b.spent {
		if strings.HasSuffix(row, "ssh") {
			most = max(most, spent[5])
		}
	}
	add("ssh connections of a run, to two repositories with one key", 1, float64(most))
	return targets
}

// markdown returns the report for people.
func (b *distance) markdown(targets []target) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s, %s. The median of %d rounds in turns, a first fill once; targets at 100 ms. versitygw, git http-backend (in the clear) and sshd are on loopback, behind lines that delay. Rounds are how many times 100 ms it takes longer at 100 ms than at 0. Requests and connections are those to upstream, S3 and the git host; over ssh, a step of git is a request.\n",
		time.Now().UTC().Format(time.DateOnly), machine(), b.rounds)
	writeTargets(&out, targets)
	out.WriteString("\n| what | over | 0 ms | 30 ms | 100 ms | rounds | requests | connections |\n|---|---|---|---|---|---|---|---|\n")
	for _, row := range b.rows {
		at, s := func(rtt time.Duration) float64 { return median(b.walls[row][rtt]) }, b.spent[row]
		fmt.Fprintf(&out, "| %s | %.2f s | %.2f s | %.2f s | %.1f | %d, %d, %d | %d, %d, %d |\n",
			row, at(0), at(b.ways[1]), at(far), (at(far)-at(0))/far.Seconds(), s[0], s[1], s[2], s[3], s[4], s[5])
	}
	return out.String()
}
