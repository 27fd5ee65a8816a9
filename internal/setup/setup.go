package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// A Command runs a program with an input and returns what it printed. An error
// says what the program said of it.
type Command func(ctx context.Context, stdin []byte, program string, args ...string) (stdout []byte, err error)

// A Setup is one run of the command.
type Setup struct {
	Plan
	Answers       Answers // what the plan was made of
	Former        string  // pace that an earlier run set up, "" for none
	Passphrase    []byte  // of the signing key, empty for none
	Keys          string  // folder of the keys
	File          string  // of the workflow
	ForceWorkflow bool    // replace a workflow that differs
	GH            bool    // hand over to GitHub's command line
	Here          Folder  // what git says of the current folder
	Run           Command
	Now           func() time.Time
	Out           io.Writer
}

// A state is what a run finds and makes.
type state struct {
	keys       []*key            // the signing key first
	ssh        map[string]*key   // by the destination's option
	held       map[string]bool   // secrets and variables that GitHub has
	values     map[string]string // of the variables
	missing    map[string]bool   // repositories that are to be created by hand; nil: nobody looked
	admitted   map[string]bool   // ssh keys that may write, by the destination's option
	troubles   []error           // what gh could not do
	workflows  []workflow        // with what became of them
	dependabot *workflow         // not one, but a file that keeps the pins up to date; nil: another does
	pin        string            // why the workflow names no release, "" if it does
	removed    map[string]bool   // private files that were handed over
}

// ErrLeft is that of a run in which gh could not do all it was asked for.
var ErrLeft = errors.New("some steps were left for you")

// Do makes what is missing and prints what it did and what is left to do. What
// was made before an error stays, and the next run goes on from it.
func (s *Setup) Do(ctx context.Context) error {
	st := &state{
		ssh: map[string]*key{}, held: map[string]bool{}, values: map[string]string{}, admitted: map[string]bool{}, removed: map[string]bool{},
	}
	defer st.wipe()
	if err := s.checkFile(); err != nil {
		return err
	}
	if s.GH {
		if err := s.look(ctx, st); err != nil {
			return err
		}
	}
	if err := s.makeKeys(st); err != nil {
		return err
	}
	if err := s.writeWorkflows(ctx, st); err != nil {
		return err
	}
	if err := s.writeDependabot(st); err != nil {
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
		return fmt.Errorf("set up with gh: %w, as the printed list says: %w", ErrLeft, errors.Join(st.troubles...))
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
	if err := openKeys(s.Keys); err != nil {
		return err
	}
	if err := s.Answers.remember(s.Keys); err != nil {
		return err
	}
	destinations := s.destinations()
	if len(destinations) == 0 {
		return nil
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
	unchanged = "up to date"
	replaced  = "replaced"
	different = "differs from the one of this version, so it was left as it is. --force-workflow replaces it; git diff then shows what changed"
)
