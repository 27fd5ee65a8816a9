//go:build unix

package acttest

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// began is what the program says first, action what act says before it, and
// notice what it says before it gives notice.
const (
	began  = "mirroring http"
	action = "Run Main hackage-mirror/hackage-mirror@v1"
	notice = "Run Main hackage-mirror/hackage-mirror/.github/actions/notice@v1"
)

// TestMirror lives through the life of a mirror: each part goes on from where
// the one before it ended.
func TestMirror(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	schedule := filepath.Join(t.TempDir(), "event.json")
	write(t, schedule, `{"schedule":"23 * * * *"}`, 0o644)

	out := s.mirror(true, "schedule", "-e", schedule)
	says(t, out.String(), "v1.2.3 for linux-", "downloaded and checked", notice)
	t.Logf("first run by cron: %.2f s from uses: to our first line, with the download", out.between(t, action, began).Seconds())
	s.check()
	s.watcher.hears(t, "start", "secret-ping")

	before := s.state()
	out = s.mirror(true, "schedule", "-e", schedule)
	says(t, out.String(), "kept from an earlier job", "nothing new")
	t.Logf("nothing new: %.2f s from uses: to our first line, with the program kept", out.between(t, action, began).Seconds())
	s.unchanged(before)

	s.hackage.Upload("grown", "1.0", nil, nil)
	out = s.mirror(true, "workflow_dispatch", "--input", "dry-run=true")
	says(t, out.String(), "dry run, writing nothing")
	if strings.Contains(out.String(), notice) {
		t.Errorf("a dry run gives notice:\n%s", out)
	}
	s.unchanged(before)
	s.watcher.hears(t, "start", "secret-ping") // of the quiet run, and not of the dry one

	says(t, s.mirror(true, "workflow_dispatch", "--input", "verbose=true").String(), "grown-1.0")
	s.check()
	s.hackage.Revise("grown", "1.0", []byte("name: grown\nversion: 1.0\nx-revision: 1\n"))
	s.assume()
	s.mirror(true, "repository_dispatch")
	s.check()
	s.failing()
	s.cancelled()
	s.interrupted()
	s.noticeInAStep()
}

// Several jobs fill a bucket in parallel, and another one publishes it.
func TestBackfill(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ok, out := s.event("backfill.yml", "workflow_dispatch", "--input", "shards=2")
	if !ok {
		t.Fatalf("the run failed:\n%s", out)
	}
	says(t, out.String(), "[shard:1/2]", "[shard:2/2]", "[Backfill/publish]")
	s.check()
	if ok, out := s.event("backfill.yml", "workflow_dispatch", "--input", "shards=1000"); ok {
		t.Errorf("a thousand jobs were started:\n%s", out)
	}
}

// On a branch the Action builds itself, from the folder that uses: ./ names.
func TestActionBuildsItself(t *testing.T) {
	t.Parallel()
	files := t.TempDir()
	copyTree(t, files)
	r := newRunner(t, map[string]string{})
	r.repository = files
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"remote", "add", "origin", "https://github.com/me/mirror"}, {"add", "."}, {"commit", "-q", "-m", "all"}} {
		must(t, files, gitEnv(), "git", args...)
	}
	nothing := t.TempDir()
	write(t, filepath.Join(nothing, "action.yml"), "name: nothing\nruns:\n  using: composite\n  steps:\n    - shell: bash\n      run: echo nothing to set up\n", 0o644)
	setup := regexp.MustCompile(`actions/setup-go@[0-9a-f]{40}`).FindString(read(t, filepath.Join(files, ".github", "workflows", "test.yml")))
	r.stubs = []string{setup + "=" + nothing}
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
		r.env = append(r.env, name+"="+strings.TrimSpace(must(t, files, environment(), "go", "env", name)))
	}
	ok, out := r.event("test.yml", "push", "-j", "action", "--matrix", "os:ubuntu-latest")
	if !ok {
		t.Fatalf("the run failed:\n%s", out)
	}
	says(t, out.String(), "Building from source", "this commit of the Action is not a release")
}

// assume lets the workflow open the bucket by a role of AWS and no longer by an
// access key. What stands in for the action that assumes it takes the key out of
// the role's name.
func (s *stage) assume() {
	s.Helper()
	folder := s.T.TempDir()
	write(s.T, filepath.Join(folder, "action.yml"), `name: role
inputs:
  role-to-assume: {required: true}
runs:
  using: composite
  steps:
    - shell: bash
      env:
        ROLE: ${{ inputs.role-to-assume }}
      run: |
        IFS=/ read -r _ id key <<<"$ROLE"
        printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n' "$id" "$key" >>"$GITHUB_ENV"
`, 0o644)
	s.stubs = slices.DeleteFunc(s.stubs, func(stub string) bool { return strings.HasPrefix(stub, awsAction) })
	s.stubs = append(s.stubs, awsAction+"="+folder)
	s.variables["AWS_ROLE"] = "role/" + s.s3.ID + "/" + s.s3.Secret
	delete(s.secrets, "AWS_ACCESS_KEY_ID")
	delete(s.secrets, "AWS_SECRET_ACCESS_KEY")
}

// failing: upstream refuses, and an issue says so until it does no more.
func (s *stage) failing() {
	s.Helper()
	before := s.state()
	s.upstream.Fault("/timestamp.json", hackagetest.Status(http.StatusForbidden))
	s.mirror(false, "workflow_dispatch")
	if issues := s.forge.issues(); len(issues) != 0 {
		s.T.Errorf("after one run that failed the issues are %+v", issues)
	}
	s.forge.ran("failure")
	s.mirror(false, "workflow_dispatch")
	s.published(before)
	issues := s.forge.issues()
	if len(issues) != 1 || issues[0].State != "open" || issues[0].Title != "Mirror Hackage fails" {
		s.T.Fatalf("after two runs that failed the issues are %+v", issues)
	}
	says(s.T, issues[0].Body, "- Failing since: ", "- Latest: ", "https://github.com/me/mirror/actions/runs/", "timestamp.json")
	s.T.Logf("the issue:\n%s", issues[0].Body)
	s.upstream.Heal()
	s.hackage.Upload("healed", "1.0", nil, nil)
	s.mirror(true, "workflow_dispatch")
	s.check()
	if issues := s.forge.issues(); len(issues) != 1 || issues[0].State != "closed" {
		s.T.Errorf("after a good run the issues are %+v", issues)
	}
}

// cancelled: the job ends in the middle of a download. No notice is given, and
// the next run brings what was left.
func (s *stage) cancelled() {
	s.Helper()
	before := s.state()
	out := s.stall("late-1.0", func(act int) int { return act })
	if strings.Contains(out.String(), notice) || len(s.forge.issues()) != 1 {
		s.T.Errorf("a cancelled run gives notice:\n%s", out)
	}
	s.published(before)
	s.mirror(true, "workflow_dispatch")
	s.check()
}

// interrupted: the runner sends SIGINT to the step's process, as GitHub's does
// for a cancelled job; the program is that process and ends in good order.
func (s *stage) interrupted() {
	s.Helper()
	before := s.state()
	out := s.stall("later-1.0", func(act int) int { return s.step(act) })
	says(s.T, out.String(), "because the run was interrupted")
	s.published(before)
	s.mirror(true, "workflow_dispatch")
	s.check()
}

// noticeInAStep: with the variable NOTICE the job that mirrors gives notice, and
// no other job starts.
func (s *stage) noticeInAStep() {
	s.Helper()
	s.variables["NOTICE"] = "step"
	out := s.mirror(true, "workflow_dispatch").String()
	if !strings.Contains(out, notice) || strings.Contains(out, "[Mirror Hackage/notice]") {
		s.T.Errorf("the notice is not given in the job that mirrors, and there alone:\n%s", out)
	}
}

// stall runs the workflow while upstream never ends a new release's tarball, and
// interrupts a process once the tarball is asked for.
func (s *stage) stall(release string, whom func(act int) (pid int)) *log {
	s.Helper()
	name, version, _ := strings.Cut(release, "-")
	s.hackage.Upload(name, version, nil, nil)
	s.upstream.Fault("/package/"+release+".tar.gz", hackagetest.Stall(0))
	defer s.upstream.Heal()
	ctx, cancel := context.WithTimeout(s.T.Context(), 5*time.Minute)
	defer cancel()
	out := &log{}
	cmd := s.command(ctx, out, "mirror.yml", "workflow_dispatch")
	if err := cmd.Start(); err != nil {
		s.T.Fatal(err)
	}
	for s.upstream.Count("/package/"+release+".tar.gz") == 0 && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	if err := syscall.Kill(whom(cmd.Process.Pid), syscall.SIGINT); err != nil {
		s.T.Error(err)
	}
	if err := cmd.Wait(); err == nil || ctx.Err() != nil {
		s.T.Fatalf("the interrupted run ended with %v, %v:\n%s", err, ctx.Err(), out)
	}
	s.keepsSecrets(out)
	return out
}

// step returns the process of the step that act runs, which must be the program
// itself.
func (s *stage) step(act int) int {
	s.Helper()
	found := 0
	processes, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		s.T.Fatal(err)
	}
	for _, process := range processes {
		raw, err := os.ReadFile(process)
		if err != nil {
			continue // it ended
		}
		if strings.Contains(string(raw), "\nPPid:\t"+strconv.Itoa(act)+"\n") {
			program, _ := os.Readlink(filepath.Join(filepath.Dir(process), "exe"))
			if !strings.HasPrefix(filepath.Base(program), "hackage-mirror-") {
				s.T.Errorf("the step's process is %q, not the program", program)
			}
			if found, err = strconv.Atoi(filepath.Base(filepath.Dir(process))); err != nil {
				s.T.Fatal(err)
			}
		}
	}
	if found == 0 {
		s.T.Fatal("the step's process is not found")
	}
	return found
}

// published fails the test if readers find anything else than before: immutable
// files may have come, but nothing points to them.
func (s *stage) published(before map[string]string) {
	s.Helper()
	after := s.state()
	for _, name := range []string{"files", "hashes", "timestamp.json", "snapshot.json", "01-index.tar.gz", "root.json"} {
		if before[name] == "" || after[name] != before[name] {
			s.T.Errorf("%s was published by a run that did not end", name)
		}
	}
}
