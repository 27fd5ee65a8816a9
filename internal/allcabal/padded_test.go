package allcabal

import (
	"bytes"
	"encoding/hex"
	"os/exec"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// padded writes a tree anew with zeros before each mode, as old tools did, down to
// the files.
func (r *rig) padded(tree string) string {
	r.Helper()
	var raw bytes.Buffer
	for line := range strings.SplitSeq(strings.TrimSuffix(r.git("ls-tree", "-z", tree), "\x00"), "\x00") {
		head, name, _ := strings.Cut(line, "\t")
		fields := strings.Fields(head)
		if fields[1] == "tree" {
			fields[2] = r.padded(fields[2])
		}
		id, err := hex.DecodeString(fields[2])
		if err != nil {
			r.Fatal(err)
		}
		raw.WriteString("0" + strings.TrimLeft(fields[0], "0") + " " + name + "\x00" + string(id))
	}
	cmd := exec.Command("git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
	cmd.Dir, cmd.Stdin = r.remote, &raw
	out, err := cmd.Output()
	if err != nil {
		r.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// A repository of an old tool with zeros before the modes of its trees loses
// nothing, and of its trees those are written anew in which something changes.
func TestTreesOfOldWritersAreAdopted(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	head := r.byOlderTool(h.Now(), r.padded("hackage^{tree}"))
	if d, result := r.mustRun(); result.Commits != 0 || d.Adopting() != "" {
		t.Errorf("adopting what is right: %+v", result)
	}
	h.Upload("alpha", "9", nil, nil)
	r.mustRun()
	for _, path := range []string{"extra", "alpha/0.2"} {
		if got, want := r.git("rev-parse", "hackage:"+path), r.git("rev-parse", head+":"+path); got != want || got == "" {
			t.Errorf("the tree of %q was written anew", path)
		}
	}
	if got, want := strings.Fields(r.git("diff", "--name-status", head, "hackage")), []string{"A", "alpha/9/alpha.cabal", "A", "alpha/9/alpha.json"}; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("it changed %q, want %q", got, want)
	}
}
