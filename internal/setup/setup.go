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
	keys     []*key            // the signing key first
	settings map[string]string // secrets and variables that GitHub has; of the latter the value
	missing  map[string]bool   // repositories that are to be created by hand; nil: nobody looked
	failed   []error           // what gh could not do
	files    []file            // with what became of them
	pin      string            // why the workflow names no release, "" if it does
}

// has reports whether GitHub has a secret or a variable.
func (st *state) has(setting string) bool { _, ok := st.settings[setting]; return ok }

// ErrLeft is that of a run in which gh could not do all it was asked for.
var ErrLeft = errors.New("some steps were left for you")

// Do makes what is missing and prints what it did and what is left to do. What
// was made before an error stays, and the next run goes on from it.
func (s *Setup) Do(ctx context.Context) error {
	st := &state{settings: map[string]string{}}
	defer st.wipe()
	if err := s.checkFile(); err != nil {
		return err
	}
	if s.GH {
		if err := s.readGitHub(ctx, st); err != nil {
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
		s.configureGitHub(ctx, st)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := io.WriteString(s.Out, (&checklist{Setup: s, state: st}).String()); err != nil {
		return err
	}
	if len(st.failed) > 0 {
		return fmt.Errorf("set up with gh: %w, as the printed list says: %w", ErrLeft, errors.Join(st.failed...))
	}
	return nil
}

// wipe overwrites the private keys in memory.
func (st *state) wipe() {
	for _, k := range st.keys {
		clear(k.Private)
	}
}

// makeKeys finds or makes the keys that the plan needs.
func (s *Setup) makeKeys(st *state) error {
	if err := makeKeysFolder(s.Keys); err != nil {
		return err
	}
	if err := s.Answers.save(s.Keys); err != nil {
		return err
	}
	destinations := s.destinations()
	if len(destinations) == 0 {
		return nil
	}
	signing, err := s.signingKey(st.has(signingSecret))
	if err != nil {
		return err
	}
	st.keys = append(st.keys, signing)
	for _, d := range destinations {
		if s.authFor(d.remote) != DeployKeys {
			continue
		}
		k, err := s.sshKey(d, st.has(sshSecret(d.option)))
		if err != nil {
			return err
		}
		st.keys = append(st.keys, k)
	}
	return nil
}
