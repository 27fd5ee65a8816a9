package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/options"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary the command itself for the scripts, and a
// second command that says what sync would be started with.
func TestMain(m *testing.M) {
	if os.Getenv("GIT_CONFIG_COUNT") == "" {
		// Nothing is to ask GitHub for the release of the Action.
		for name, value := range map[string]string{
			"COUNT": "1", "KEY_0": "url./nowhere/.insteadOf", "VALUE_0": "https://github.com/hackage-mirror/",
		} {
			_ = os.Setenv("GIT_CONFIG_"+name, value) // a name without =
		}
	}
	testscript.Main(m, map[string]func(){
		program: func() {
			ctx, stop := Interruptible()
			code := Main(ctx, os.Args[1:], ProcessEnv())
			stop()
			os.Exit(code)
		},
		"options":       func() { os.Exit(echo.main(context.Background(), os.Args[1:], ProcessEnv())) },
		"stubborn":      stubborn,
		"demo-upstream": func() { os.Exit(demoUpstreamMain(os.Args[1:])) },
		"exit-code":     func() { os.Exit(exitCodeMain(os.Args[1:])) },
		"gh":            func() { os.Exit(ghMain()) },
	})
}

// stubborn is a command that does not end when it is asked to.
func stubborn() {
	ctx, stop := Interruptible()
	defer stop()
	fmt.Println("begun")
	<-ctx.Done()
	fmt.Println("asked")
	time.Sleep(time.Minute)
}

// echo prints the options of sync as JSON, then the length of each secret and
// what a child process would inherit.
var echo = commands{
	sync: func(_ context.Context, o *options.Sync, env Env) error {
		raw, err := json.Marshal(o)
		if err != nil {
			return err
		}
		fmt.Fprintf(env.Stdout, "%s\n", raw)
		for name, given := range secret.ByOption(o) {
			fmt.Fprintf(env.Stdout, "%s has %d bytes\n", name, len(given.Bytes()))
		}
		for _, variable := range os.Environ() {
			if strings.HasPrefix(variable, "INPUT_") {
				fmt.Fprintf(env.Stdout, "inherited %s\n", variable)
			}
		}
		return nil
	},
	demo: func(_ context.Context, dir string, env Env) error {
		_, err := fmt.Fprintf(env.Stdout, "demo in %s\n", dir)
		return err
	},
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true})
}

// testEnv returns an Env of the given variables and the streams it writes to.
func testEnv(variables map[string]string) (env Env, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return Env{
		Stdout: stdout, Stderr: stderr,
		LookupEnv: func(name string) (string, bool) { value, ok := variables[name]; return value, ok },
		Unsetenv:  func(name string) error { delete(variables, name); return nil },
		Now:       func() time.Time { return time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC) },
		Version:   "v1.2.3",
	}, stdout, stderr
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		err  error
		code int
		says string
	}{
		{"done", nil, CodeDone, ""},
		{"error", errors.New("open bucket \"x\": no"), CodeError, "hackage-mirror: open bucket \"x\": no\n"},
		{"degraded", &ExitError{Code: CodeDegraded, Err: errors.New("one mismatch"), Hint: "Look at it."}, CodeDegraded, "hackage-mirror: up to date, but look at this: one mismatch\nLook at it.\n"},
		{"said already", &ExitError{Code: CodeDegraded}, CodeDegraded, ""},
		{"wrapped", fmt.Errorf("sync: %w", &ExitError{Code: CodeUsage, Err: errors.New("bad")}), CodeUsage, "hackage-mirror: sync: bad\n"},
		{"joined", errors.Join(errors.New("a"), errors.New("::error::b")), CodeError, "hackage-mirror: a\nhackage-mirror: | ::error::b\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			env, _, stderr := testEnv(nil)
			c := commands{demo: func(context.Context, string, Env) error { return test.err }}
			if code := c.main(t.Context(), []string{"demo"}, env); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if stderr.String() != test.says {
				t.Errorf("stderr %q, want %q", stderr, test.says)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	for _, before := range []error{nil, &ExitError{Code: CodeDegraded}} {
		ctx, cancel := context.WithCancel(t.Context())
		env, _, stderr := testEnv(nil)
		c := commands{demo: func(ctx context.Context, _ string, _ Env) error {
			cancel()
			return errors.Join(before, fmt.Errorf("fetch index: %w", ctx.Err()))
		}}
		if code := c.main(ctx, []string{"demo"}, env); code != CodeInterrupted {
			t.Errorf("exit code %d, want %d", code, CodeInterrupted)
		}
		if !strings.Contains(stderr.String(), "Interrupted; the next run picks up from there.\n") {
			t.Errorf("stderr %q does not say that it was interrupted", stderr)
		}
	}
}

func TestActionRunsSyncByDefault(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"GITHUB_ACTIONS": "true", "INPUT_BUCKET": "./out", "INPUT_TOKEN": "abc"}
	env, _, stderr := testEnv(variables)
	var got *options.Sync
	var token string
	c := commands{sync: func(_ context.Context, o *options.Sync, _ Env) error {
		got, token = o, string(o.Token.Bytes())
		return nil
	}}
	if code := c.main(t.Context(), nil, env); code != CodeDone {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if len(got.Bucket) != 1 || got.Bucket[0] != "./out" {
		t.Errorf("bucket %q, want ./out", got.Bucket)
	}
	if _, set := variables["INPUT_TOKEN"]; token != "abc" || set {
		t.Errorf("token %q (still in the environment: %t), want abc and false", token, set)
	}
	if got.Token.Bytes() != nil {
		t.Error("the token is still in memory after the command")
	}
}

// Whatever command runs, its children must not inherit what was meant for sync.
func TestSecretsLeaveTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"demo"}, {"version"}, {"sync", "--signing-key", "x"}} {
		variables := map[string]string{
			"INPUT_SIGNING-KEY": "a", "INPUT_SIGNING_KEY": "b", "INPUT_SIGNING_PASSPHRASE": "c",
			"INPUT_SSH-KEY": "d", "INPUT_TOKEN": "", "INPUT_BRANCH": "e",
		}
		env, _, _ := testEnv(variables)
		_ = echo.main(t.Context(), args, env)
		if len(variables) != 1 || variables["INPUT_BRANCH"] != "e" {
			t.Errorf("%q left %v in the environment, want only the branch", args, variables)
		}
	}
}

func TestStuckSecretStopsTheCommand(t *testing.T) {
	t.Parallel()
	env, _, stderr := testEnv(map[string]string{"INPUT_TOKEN": "abc"})
	env.Unsetenv = func(string) error { return errors.New("no") }
	if code := echo.main(t.Context(), []string{"demo"}, env); code != CodeError {
		t.Errorf("exit code %d, want %d", code, CodeError)
	}
	if !strings.Contains(stderr.String(), "INPUT_TOKEN") || strings.Contains(stderr.String(), "abc") {
		t.Errorf("stderr %q must name the variable and not its value", stderr)
	}
}
