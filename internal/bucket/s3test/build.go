package s3test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	// server is the command, toolsModule what says its version.
	server      = "github.com/versity/versitygw/cmd/versitygw"
	toolsModule = "script/tools/go.mod"
)

// required is the line of the tools module that pins the server.
var required = regexp.MustCompile(`(?m)^\s*github\.com/versity/versitygw (v\S+)`)

// Build returns the path of the server's program. If the cache lacks it, it is
// built, by one process at a time.
func Build(ctx context.Context) (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	module, err := os.ReadFile(filepath.Join(root, toolsModule))
	if err != nil {
		return "", err
	}
	version := required.FindSubmatch(module)
	if version == nil {
		return "", fmt.Errorf("read %s: it does not require versitygw", toolsModule)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("versitygw-%s-%s-%s", version[1], runtime.GOOS, runtime.GOARCH)
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	program := filepath.Join(cache, "hackage-mirror", name)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	return program, build(ctx, root, program)
}

// build puts the program in place, whole or not at all.
func build(ctx context.Context, root, program string) (err error) {
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		return err
	}
	lock := flock.New(program + ".lock")
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return fmt.Errorf("wait for another build of %q: %w", program, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if _, err := os.Stat(program); err == nil {
		return nil // another process built it meanwhile
	}
	made := program + ".new"
	command := exec.CommandContext(ctx, "go", "build", "-modfile="+toolsModule, "-trimpath", "-o", made, server)
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", server, err, strings.TrimSpace(string(said)))
	}
	return os.Rename(made, program)
}

// repository returns the folder that this module lies in, from one inside it.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err := os.Stat(filepath.Join(dir, filepath.FromSlash(toolsModule)))
		if err == nil {
			return dir, nil
		}
		above := filepath.Dir(dir)
		if above == dir || !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("look for %s: %w", toolsModule, err)
		}
		dir = above
	}
}
