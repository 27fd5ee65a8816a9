package gitrepo

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshauth"
)

// destination returns ssh's arguments for the address, nil if it has none.
func (a address) destination() []string {
	g, ok := addresses.ParseGit(a.forGit)
	if !ok || a.transport != overSSH {
		return nil
	}
	destination := []string{"--", g.Host}
	if g.User != "" {
		destination[1] = g.User + "@" + g.Host
	}
	if g.Port != "" {
		return append([]string{"-p", g.Port}, destination...)
	}
	return destination
}

// brokenOff are lines by which git says that a step broke off, and nothing of why. A host
// that refuses something mostly says what.
var brokenOff = regexp.MustCompile(`(?m)^(fatal: |error: )?(.*hung up unexpectedly.*|early EOF|.*unexpected disconnect.*|.*index-pack failed.*|fetch-pack: .*|failed to push some refs.*|Could not read from remote repository\.|Please make sure you have the correct access rights|and the repository exists\.|Connection to .* closed.*)?\s*$`)

// runRemote runs a step of git that talks to the remote, over the shared connection if
// there is one. Where that is lost meanwhile, the step is made once more without it:
// all of them can be, and a push that came through finds that everything is there.
func (r *Repo) runRemote(ctx context.Context, env []string, stdin []byte, args ...string) (out []byte, said string, err error) {
	r.steps++
	if r.connection == nil {
		return r.step(ctx, nil, env, stdin, args...)
	}
	shared, said, err := r.connection.Open(ctx, r.git.dir, r.git.env, r.login)
	if err != nil {
		return nil, said, r.git.failure(ctx, args[0], err, said)
	}
	over := r.connection
	if !shared {
		over = nil
	}
	out, said, err = r.step(ctx, over, env, stdin, args...)
	if why := sshauth.NotShared(said); shared && why != "" {
		r.connection.GiveUp(why)
	}
	if shared && err != nil && ctx.Err() == nil && (!r.connection.IsOpen() || strings.TrimSpace(brokenOff.ReplaceAllString(said, "")) == "") {
		r.connection.GiveUp("the shared connection broke off in the middle of a step")
		out, said, err = r.step(ctx, nil, env, stdin, args...)
	}
	if err != nil {
		return out, said, err
	}
	if why := r.connection.StepDone(); why != "" {
		r.notify(fmt.Sprintf("%s: each step of git connects anew: %s", r.connection.Host(), r.git.clean(why)))
	}
	return out, said, nil
}

// step is runRemote over a connection, or without one.
func (r *Repo) step(ctx context.Context, over *sshauth.Connection, env []string, stdin []byte, args ...string) ([]byte, string, error) {
	git := r.git
	git.env = slices.Concat(git.env, env)
	if over != nil {
		git.env = append(git.env, r.login.Environment(over.Options(git.dir)...)...)
	}
	return git.run(ctx, stdin, args...)
}
