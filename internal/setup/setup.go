package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// A Command runs a program with an input and returns what it printed. An error
// says what the program said of it.
type Command func(ctx context.Context, stdin []byte, program string, args ...string) (stdout []byte, err error)

// A Setup is one run of the command.
type Setup struct {
	Plan
	Passphrase    []byte // of the signing key, empty for none
	Keys          string // folder of the keys
	File          string // of the workflow
	ForceWorkflow bool   // replace a workflow that differs
	GH            bool   // hand over to GitHub's command line
	Run           Command
	Now           func() time.Time
	Out           io.Writer
}

// A state is what a run finds and makes.
type state struct {
	keys     []*key          // the signing key first
	ssh      map[string]*key // by the destination's option
	held     map[string]bool // secrets and variables that GitHub has
	missing  map[string]bool // repositories that are to be created by hand; nil: nobody looked
	admitted map[string]bool // ssh keys that may write, by the destination's option
	troubles []error         // what gh could not do
	workflow string          // what became of it
	diff     string          // what a workflow that is there has otherwise
	removed  map[string]bool // private files that were handed over
}

// ErrLeft is that of a run in which gh could not do all it was asked for.
var ErrLeft = errors.New("some steps were left for you")

// Do makes what is missing and prints what it did and what is left to do. What
// was made before an error stays, and the next run goes on from it.
func (s *Setup) Do(ctx context.Context) error {
	st := &state{
		ssh: map[string]*key{}, held: map[string]bool{}, admitted: map[string]bool{}, removed: map[string]bool{},
	}
	defer st.wipe()
	if s.GH {
		if err := s.look(ctx, st); err != nil {
			return err
		}
	}
	if err := s.makeKeys(st); err != nil {
		return err
	}
	if err := s.writeWorkflow(st); err != nil {
		return err
	}
	if s.GH {
		s.handOver(ctx, st)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := io.WriteString(s.Out, s.words(st)); err != nil {
		return err
	}
	if len(st.troubles) > 0 {
		return fmt.Errorf("set up with gh: %w; they are in the list above: %w", ErrLeft, errors.Join(st.troubles...))
	}
	return nil
}

// wipe overwrites the private keys in memory.
func (st *state) wipe() {
	for _, k := range st.keys {
		clear(k.private)
	}
}

// makeKeys finds or makes the keys that the plan needs.
func (s *Setup) makeKeys(st *state) error {
	destinations := s.destinations()
	if len(destinations) == 0 {
		return nil
	}
	if err := openKeys(s.Keys); err != nil {
		return err
	}
	signing, err := s.signingKey(st.held[signingSecret])
	if err != nil {
		return err
	}
	st.keys = append(st.keys, signing)
	for _, d := range destinations {
		if s.door(d.remote) != DeployKeys {
			continue
		}
		k, err := s.sshKey(d, st.held[sshSecret(d.option)])
		if err != nil {
			return err
		}
		st.keys, st.ssh[d.option] = append(st.keys, k), k
	}
	return nil
}

// What became of the workflow.
const (
	written   = "written"
	unchanged = "as it should be"
	replaced  = "replaced"
	different = "differs from what would be written, and stays as it is"
)

// writeWorkflow writes the workflow unless another one is there.
func (s *Setup) writeWorkflow(st *state) error {
	content, err := s.Workflow()
	if err != nil {
		return err
	}
	there, err := readFile(s.File)
	if err != nil {
		return err
	}
	switch {
	case bytes.Equal(there, content):
		st.workflow = unchanged
		return nil
	case there != nil && !s.ForceWorkflow:
		st.workflow, st.diff = different, diffLines(string(there), string(content))
		return nil
	case there != nil:
		st.workflow = replaced
		return replace(s.File, content, 0o644)
	}
	if err := os.MkdirAll(filepath.Dir(s.File), 0o755); err != nil {
		return fmt.Errorf("make a folder for the workflow: %w", err)
	}
	if err := clean(filepath.Dir(s.File)); err != nil {
		return err
	}
	made, err := create(s.File, content, 0o644)
	if err == nil && !made {
		err = fmt.Errorf("write %q: it has appeared just now; run this again", s.File)
	}
	st.workflow = written
	return err
}
