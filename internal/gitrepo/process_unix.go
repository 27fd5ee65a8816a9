//go:build unix && !linux

package gitrepo

import (
	"os/exec"
	"syscall"
)

// groupProcesses puts the process in a group of its own, which dies as a whole with
// the context.
func groupProcesses(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
