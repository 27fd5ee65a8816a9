package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/testdata/demo"
)

// demoUpstreamMain is a command for scripts: DIR GENERATION KEY lays the demo's
// Hackage out in a folder, and makes a signing key unless there is one.
func demoUpstreamMain(args []string) int {
	if err := layOut(args); err != nil {
		fmt.Fprintln(os.Stderr, "demo-upstream:", err)
		return 1
	}
	return 0
}

func layOut(args []string) error {
	if len(args) != 3 {
		return errors.New("want DIR GENERATION KEY")
	}
	generation, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if err := demo.Write(args[0], generation); err != nil {
		return err
	}
	if _, err := os.Stat(args[2]); err == nil {
		return nil
	}
	key, err := openpgp.Generate("Script", "script@example.invalid", nil, time.Now(), time.Time{})
	if err != nil {
		return err
	}
	return os.WriteFile(args[2], key, 0o600)
}

// exitCodeMain is a command for scripts: WANT COMMAND... runs a command that
// must end with an exit code.
func exitCodeMain(args []string) int {
	if len(args) < 2 {
		fmt.Fprintln(os.Stderr, "exit-code: want CODE COMMAND...")
		return 1
	}
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "exit-code:", err)
		return 1
	}
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[0] {
		fmt.Fprintf(os.Stderr, "exit-code: it is %s, want %s\n", got, args[0])
		return 1
	}
	return 0
}
