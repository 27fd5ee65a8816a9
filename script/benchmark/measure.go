package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"time"
)

// A sample is what one run of a program took.
type sample struct {
	Wall, CPU time.Duration // CPU of user and system, whose shares are guesses, with the programs that it ran
	Peak      int64         // bytes of memory of the largest process
	// What went over the lines to upstream, S3 and the git host.
	Requests, Connections [3]int64
	Bytes                 int64 // all that went over them, or what was cloned
}

// measureCommand is the argument that makes this program the parent of one that is
// measured: a process counts the memory of the one that started it as its own, and
// that which serves Hackage is large.
const measureCommand = "measure"

// measureChild runs the program that follows its own name, and writes what that took.
func measureChild(ctx context.Context, arguments []string, stdout io.Writer) error {
	command := exec.CommandContext(ctx, arguments[1], arguments[2:]...)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	from := time.Now()
	if err := command.Run(); err != nil {
		return err
	}
	took, p := time.Since(from), command.ProcessState
	return json.NewEncoder(stdout).Encode(sample{Wall: took, CPU: p.UserTime() + p.SystemTime(), Peak: peakMemory(p)})
}

// peakMemory returns the most memory in bytes that a process held which ended, or a
// process that it ran; 0 on systems that do not tell.
func peakMemory(p *os.ProcessState) int64 {
	field := reflect.Indirect(reflect.ValueOf(p.SysUsage())).FieldByName("Maxrss")
	switch {
	case !field.IsValid():
		return 0
	case runtime.GOOS == "darwin":
		return field.Int()
	}
	return field.Int() << 10
}

// execute runs a program to its end.
func execute(ctx context.Context, environment, arguments []string) (s sample, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	var out, said bytes.Buffer
	command := exec.CommandContext(ctx, self, append([]string{measureCommand}, arguments...)...)
	command.Env, command.Stdout, command.Stderr = environment, &out, &said
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) } // which ends the program, too
	if err := command.Run(); err != nil {
		return s, fmt.Errorf("run %s: %w: %s", filepath.Base(arguments[0]), err, bytes.TrimSpace(said.Bytes()))
	}
	return s, json.Unmarshal(out.Bytes(), &s)
}
