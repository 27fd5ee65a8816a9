package cli

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// acceptLine is what the message about a mismatch asks to be copied.
var acceptLine = regexp.MustCompile(`with: (?:--accept-mismatch |gh variable set ACCEPT_MISMATCH --body ')(.*alpha-0\.2@[0-9a-f]{64})`)

// copied returns the line to paste that a run printed.
func copied(t *testing.T, said string) string {
	t.Helper()
	found := acceptLine.FindStringSubmatch(said)
	if found == nil {
		t.Fatalf("there is no line to copy in:\n%s", said)
	}
	return found[1]
}

// A person can acknowledge exactly the bytes that upstream serves. They are never
// published; other bytes are told of again; and the right ones are taken.
func TestAcknowledgedMismatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.stop()
	w.onGitHub()
	w.server.Fault("/"+alpha().TarballKey(), hackagetest.Lengthen(1))
	said := w.sync(CodeDegraded)
	w.says(said, "::warning title=hackage-mirror::up to date, but look at this: alpha-0.2: upstream has 321 bytes where 320 are signed; it was not published")
	line := copied(t, said)
	_, summary := w.afterStep()
	summary = html.UnescapeString(summary)
	w.says(summary, "alpha-0.2</code></a>: upstream has 321 bytes where 320 are signed", "gh variable set ACCEPT_MISMATCH --body '"+line+"'")

	accept := []string{"--accept-mismatch", line}
	w.says(w.sync(CodeDone, accept...), "alpha-0.2 mismatch since", "acknowledged; it is not published")
	w.sync(CodeDone, append(accept, "--full")...)
	w.checkAll(alpha())

	w.server.Heal()
	w.server.Fault("/"+alpha().TarballKey(), hackagetest.Corrupt(100))
	said = w.sync(CodeDegraded, accept...)
	w.says(said, "alpha-0.2: upstream has bytes with SHA-256 ")
	other := copied(t, said)
	if !strings.HasPrefix(other, line+",alpha-0.2@") || strings.Count(other, line) != 1 {
		t.Errorf("other bytes have the line %q, and %q was acknowledged before", other, line)
	}
	w.sync(CodeDone, "--accept-mismatch", other)

	w.server.Heal()
	w.sync(CodeDone, accept...)
	w.checkAll()
	w.owesNothing()
}
