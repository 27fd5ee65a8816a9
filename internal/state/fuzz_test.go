package state_test

import (
	"bytes"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// What is read from a file is written so that it reads the same, whatever the
// file was.
func FuzzFile(f *testing.F) {
	f.Add(file(bucketFull()).JSON())
	f.Add(file(state.State{}).JSON())
	f.Add([]byte(`{"tool":"\ud800","updated":"2026-11-22T06:01:02.5+01:00","state":{"Index-Length":"0"},"pending":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		read, err := state.ParseFile(raw)
		if err != nil {
			return
		}
		written := read.JSON()
		again, err := state.ParseFile(written)
		if err != nil {
			t.Fatalf("written but not readable: %v\n%s", err, written)
		}
		if !bytes.Equal(again.JSON(), written) {
			t.Fatalf("written\n%s\nthen\n%s", written, again.JSON())
		}
	})
}

// The same of a tag's message.
func FuzzMessage(f *testing.F) {
	f.Add(full().Message(subject, "tool"))
	f.Add(state.State{}.Message(subject, "tool"))
	f.Add("x\n\nIndex-Length: 0\nPackages:  a\t\nPending: a-1 missing since= cabal=0+0:")
	f.Fuzz(func(t *testing.T, message string) {
		read, err := state.ParseMessage(message)
		if err != nil {
			return
		}
		written := read.Message(subject, "tool")
		again, err := state.ParseMessage(written)
		if err != nil {
			t.Fatalf("written but not readable: %v\n%s", err, written)
		}
		if again.Message(subject, "tool") != written || !again.Equal(read) {
			t.Fatalf("written\n%s\nthen\n%s", written, again.Message(subject, "tool"))
		}
	})
}
