package gitrepo

import (
	"os/exec"
	"syscall"
)

// groupProcesses puts the process in a group of its own, which dies as a whole with
// the context, and lets git die when we do.
func groupProcesses(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
