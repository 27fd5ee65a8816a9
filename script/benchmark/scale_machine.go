package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// machine tells what the numbers depend on.
func machine() string {
	said := fmt.Sprintf("%s/%s with %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if raw, err := os.ReadFile("/proc/meminfo"); err == nil {
		said += fmt.Sprintf(" and %.0f GB of memory", float64(parseKB(string(raw), "MemTotal:"))/(1<<30))
	}
	if raw, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		said += ", kernel " + strings.TrimSpace(string(raw))
	}
	git := "no git"
	if raw, err := exec.Command("git", "version").Output(); err == nil {
		git = strings.TrimSpace(string(raw))
	}
	return said + ", " + runtime.Version() + ", " + git
}

// loadAverage tells how many processes wanted to run in the minute before,
// where that is known.
func loadAverage() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	load, _, _ := strings.Cut(string(raw), " ")
	return ", on a machine with a load of " + load + " before"
}

// parseStatus reads the name of a process and the most memory in bytes that it
// held from its /proc/PID/status.
func parseStatus(text string) (string, int64) {
	var name string
	if _, rest, found := strings.Cut("\n"+text, "\nName:"); found {
		name, _, _ = strings.Cut(rest, "\n")
	}
	return strings.TrimSpace(name), parseKB(text, "VmHWM:")
}

// parseKB reads a line of a number of kB, in bytes; 0 if there is none.
func parseKB(text, label string) int64 {
	_, rest, found := strings.Cut("\n"+text, "\n"+label)
	if !found {
		return 0
	}
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), "kB")), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
