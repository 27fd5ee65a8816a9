//go:build unix

package acttest

import (
	"path/filepath"
	"strings"
	"testing"
)

// The probe in the docs is a workflow as it is printed, and needs nothing of the
// mirror's owner: no secret, no right.
func TestProbeRuns(t *testing.T) {
	t.Parallel()
	file := filepath.Join(root(t), "docs", "probe.yml")
	text := read(t, file)
	says(t, text, "\npermissions: {}\n", "\n    timeout-minutes: ", "uses: hackage-mirror/hackage-mirror@v1\n")
	must(t, root(t), environment(), "go", "tool", "-modfile="+filepath.Join("script", "tools", "go.mod"), "actionlint", "-no-color", "-shellcheck=", "-pyflakes=", file)
	for name, value := range inputs(text)[0] {
		if variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_")); name != "command" && value != "${{ vars."+variable+" }}" {
			t.Errorf("it sets %s to %s", name, value)
		}
	}
	s := newStage(t)
	s.mirror(true, "workflow_dispatch")
	write(t, filepath.Join(s.repository, ".github", "workflows", "probe.yml"), text, 0o644)
	must(t, s.repository, gitEnv(), "git", "add", ".")
	must(t, s.repository, gitEnv(), "git", "commit", "-qm", "the probe")
	s.secrets = nil
	s.variables["BUCKET"], s.variables["FILES_REPOSITORY"], s.variables["HASHES_REPOSITORY"] = s.s3.PublicURL(s.bucket), "", ""
	probe := func(success bool) string {
		t.Helper()
		ok, out := s.event("probe.yml", "workflow_dispatch")
		if ok != success {
			t.Fatalf("the run succeeded: %v, want %v:\n%s", ok, success, out)
		}
		return out.String()
	}
	says(t, probe(true), "fresh: nothing of upstream's index is missing")
	s.hackage.Upload("grown", "1.0", nil, nil) // of a year that is long over
	says(t, probe(false), "stale: bucket "+s.variables["BUCKET"], "it lacks 2 entries", "exit status 3")
}
