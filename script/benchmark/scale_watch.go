package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A usage is what one process and those that it started took.
type usage struct {
	wall, cpu time.Duration // cpu is user and system time of all of them
	own       int64         // the most memory in bytes that the process itself held
	children  int64         // the most that one of its children did
	disk      int64         // the most bytes in its temporary folder
}

// plus adds what came afterwards.
func (u usage) plus(v usage) usage {
	return usage{
		wall: u.wall + v.wall, cpu: u.cpu + v.cpu,
		own: max(u.own, v.own), children: max(u.children, v.children), disk: max(u.disk, v.disk),
	}
}

// How often a running process is looked at: often in the beginning, so that
// short runs are seen well, and then less, so that looking costs little. The
// system keeps each process's peak until it ends, so no more is missed than what
// was taken in the last moments.
const (
	lookEvery  = 10 * time.Millisecond
	lookSeldom = 50 * time.Millisecond
	looksOften = 300
)

// A job is a program to be run and looked at.
type job struct {
	program     string
	arguments   []string
	environment []string
	dir         string // to run in
	temporary   string // the folder whose size is looked at; empty for none
	stdin       *os.File
}

// watch runs a job to its end. It returns what the program wrote.
func watch(ctx context.Context, j job) (usage, string, error) {
	command := exec.CommandContext(ctx, j.program, j.arguments...)
	command.Env, command.Dir = j.environment, j.dir
	if j.stdin != nil {
		command.Stdin = j.stdin
	}
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	// A program that is interrupted ends its own children.
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second
	begun := time.Now()
	if err := command.Start(); err != nil {
		return usage{}, "", err
	}
	looks := make(chan usage, 1)
	ended := make(chan struct{})
	go func() { looks <- look(command.Process.Pid, j.temporary, ended) }() // until ended is closed
	err := command.Wait()
	wall := time.Since(begun)
	close(ended)
	u := <-looks
	u.wall, u.cpu = wall, command.ProcessState.UserTime()+command.ProcessState.SystemTime()
	if err != nil {
		return u, said.String(), fmt.Errorf("run %s %s: %w: %s", filepath.Base(j.program), firstOf(j.arguments), err, strings.TrimSpace(said.String()))
	}
	return u, said.String(), nil
}

func firstOf(arguments []string) string {
	if len(arguments) == 0 {
		return ""
	}
	return arguments[0]
}

// look watches memory and disk until the channel is closed.
func look(pid int, temporary string, ended <-chan struct{}) usage {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var u usage
	for n := 0; ; n++ {
		if n == looksOften {
			ticker.Reset(lookSeldom)
		}
		own, children := memoryOf(pid)
		u = u.plus(usage{own: own, children: children, disk: sizeOf(temporary)})
		select {
		case <-ended:
			return u
		case <-ticker.C:
		}
	}
}

// sizeOf returns the bytes in a folder whose files come and go meanwhile.
func sizeOf(folder string) int64 {
	var size int64
	if folder == "" {
		return 0
	}
	_ = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size
}
