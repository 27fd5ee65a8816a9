package allcabal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// files and hashes exchanged, or the one pushed over the other.
func TestOtherKindIsRefused(t *testing.T) {
	t.Parallel()
	for _, hashes := range []bool{true, false} {
		for name, spoil := range map[string]func(r *rig){
			"as it is":                         func(*rig) {},
			"without tag":                      func(r *rig) { r.git("update-ref", "-d", "refs/tags/current-hackage") },
			"of an older tool":                 func(r *rig) { r.byOlderTool(r.hackage.Now(), "hackage^{tree}") },
			"with a tag of the first versions": func(r *rig) { r.tagOfFirstVersions() },
		} {
			t.Run(fmt.Sprint(name, hashes), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, hackagetest.Small())
				r.options.Hashes = hashes
				r.mustRun()
				spoil(r)
				refs := r.git("for-each-ref")
				r.options.Hashes = !hashes
				_, _, err := r.run()
				if !errors.Is(err, ErrKind) || r.git("for-each-ref") != refs {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

// A tag of the first versions is believed once the tree fits, and then says it.
func TestTagOfTheFirstVersionsIsBroughtUp(t *testing.T) {
	t.Parallel()
	for _, hashes := range []bool{true, false} {
		r := newRig(t, hackagetest.Small())
		r.options.Hashes = hashes
		r.mustRun()
		head := r.git("rev-parse", "hackage")
		r.tagOfFirstVersions()
		d, result := r.mustRun()
		if !result.Changed || result.Commits != 0 || r.git("rev-parse", "hackage") != head || d.State().Kind != d.kind() {
			t.Errorf("result %+v", result)
		}
		if _, result := r.mustRun(); result.Changed {
			t.Error("it is brought up a second time")
		}
	}
}

func TestTagOfAnotherBranchIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	r.git("branch", "other", "hackage")
	r.options.Branch = "other"
	if _, _, err := r.run(); !errors.Is(err, ErrTag) || !strings.Contains(err.Error(), `branch "hackage"`) {
		t.Errorf("error %v", err)
	}
}

// Tags that are neither ours nor the older tools' are not moved.
func TestTagsOfSomethingElseAreRefused(t *testing.T) {
	t.Parallel()
	for name, make := range map[string][]string{
		"annotated":           {"tag", "-f", "-a", "-m", "Version 1", "current-hackage", "hackage"},
		"at another commit":   {"update-ref", "refs/tags/current-hackage", "display"},
		"at a tree":           {"update-ref", "refs/tags/current-hackage", "hackage^{tree}"},
		"at a file":           {"update-ref", "refs/tags/current-hackage", "hackage:extra/1.0/extra.cabal"},
		"annotated at a file": {"tag", "-f", "-a", "-m", "Update from Hackage at 2026-01-05T06:11:00Z", "current-hackage", "hackage:extra/1.0/extra.cabal"},
		"of a tag":            {"tag", "-f", "-a", "-m", "Update from Hackage at 2026-01-05T06:11:00Z", "current-hackage", "current-hackage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, hackagetest.Small())
			r.mustRun()
			r.git(append([]string{"-c", "user.name=X", "-c", "user.email=x@x"}, make...)...)
			refs := r.git("for-each-ref")
			_, _, err := r.run()
			if !errors.Is(err, ErrTag) || !strings.Contains(err.Error(), ":refs/tags/current-hackage`") || r.git("for-each-ref") != refs {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A key that was replaced is trusted for what it signed, and a key with another
// end is the same key.
func TestFormerKeyIsTrusted(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	former := r.signer
	r.signer = r.newSigner()
	r.options.Signer, r.keys = r.signer, r.signer.Keys()
	if _, _, err := r.run(); !errors.Is(err, ErrTag) || !strings.Contains(err.Error(), former.Fingerprint()) {
		t.Errorf("error %v", err)
	}
	// Nothing is taken over in silence when the tag is gone as well.
	r.awaited = []string{former.Fingerprint()}
	tag := r.id("refs/tags/current-hackage")
	head := r.id("hackage")
	r.git("update-ref", "-d", "refs/tags/current-hackage")
	r.commitByHand(r.evil())
	d, _ := r.mustRun()
	if d.Alarms() == nil || slices.Contains(r.tree("hackage"), "backdoor/1.0/backdoor.json") {
		t.Errorf("alarms %q, and there is %q", d.Alarms(), r.tree("hackage"))
	}
	r.git("update-ref", "refs/heads/hackage", head)
	r.git("update-ref", "refs/tags/current-hackage", tag)
	// Only the fingerprint is known: the key is on the branch display.
	h.Upload("new", "1", nil, nil)
	d, result := r.mustRun()
	if result.Commits != 1 || d.Adopting() != "" || d.Alarms() != nil {
		t.Errorf("result %+v, alarm %q", result, d.Alarms())
	}
	r.signed()
	r.check()
}

// A fingerprint does not vouch for another key that stands in its place.
func TestFingerprintIsOfTheKeyThatIsThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	former := r.signer
	evil := r.newSigner()
	r.git("update-ref", "-d", "refs/heads/display")
	blob := r.hashObject(evil.PublicKey())
	r.plumbRoot(map[string]string{"README.md": "100644 " + blob})
	r.git("update-ref", "refs/heads/display", "hackage")
	r.git("update-ref", "refs/heads/hackage", "current-hackage^{commit}")
	s := state.State{Ledger: state.Ledger{}}
	r.tagByHand(s, evil)
	r.signer = r.newSigner()
	r.options.Signer, r.keys, r.awaited = r.signer, r.signer.Keys(), []string{former.Fingerprint()}
	if _, _, err := r.run(); !errors.Is(err, ErrTag) || !strings.Contains(err.Error(), evil.Fingerprint()) {
		t.Errorf("error %v", err)
	}
}
