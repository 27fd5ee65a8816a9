//go:build unix

package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// An outcome is all of the destinations that does not hang on the clock or on
// the randomness of signatures.
type outcome struct {
	bucket map[string]string // content by key
	repos  map[string]repoOutcome
}

type repoOutcome struct {
	commits string // message, tree and author's date of each
	tag     string
	display bool
}

// sinceDate is when a ledger line was made.
var sinceDate = regexp.MustCompile(`since=[0-9TZ:-]+`)

// outcome reads the destinations below dir and checks their signatures and
// objects on the way.
func (h *history) outcome(t *testing.T, dir string) outcome {
	t.Helper()
	there := &world{T: t, dir: dir}
	there.look = there.inFolder
	out := outcome{bucket: there.contents(there.bucket()), repos: map[string]repoOutcome{}}
	for _, name := range slices.Concat(pointers()...) {
		if out.bucket[name] == "" {
			t.Errorf("after a run the bucket has no %q", name)
		}
	}
	out.bucket["hackage-mirror.json"] = normalState(t, out.bucket["hackage-mirror.json"])
	out.bucket[status.Key] = there.normalStatus()
	for _, key := range []string{"index.html", "badge.svg", "badge.json", "feed.xml", "metrics.txt"} {
		delete(out.bucket, key) // normalStatus held them against the status
	}
	for _, repo := range []string{there.files(), there.hashes()} {
		there.git(repo, "fsck", "--strict", "--no-dangling")
		for _, line := range strings.Fields(there.gitKeyringOutput(h.gpg, repo, "log", "--format=%G?", "hackage")) {
			// U is a good signature by a key that the keyring does not say
			// whether to trust.
			if line != "U" && line != "G" {
				t.Errorf("%s: a commit's signature is %q", repo, line)
			}
		}
		there.gitKeyring(h.gpg, repo, "verify-tag", "current-hackage")
		if there.git(repo, "rev-parse", "current-hackage^{commit}") != there.git(repo, "rev-parse", "hackage") {
			t.Errorf("%s: the tag is not at the head of the branch", repo)
		}
		out.repos[filepath.Base(repo)] = there.repoOutcome(repo)
	}
	return out
}

func (w *world) repoOutcome(repo string) repoOutcome {
	w.Helper()
	tag, _, _ := strings.Cut(w.git(repo, "for-each-ref", "--format=%(contents)", "refs/tags/current-hackage"), "-----BEGIN PGP")
	return repoOutcome{
		commits: w.git(repo, "log", "--format=%s %T %aI", "hackage"),
		tag:     sinceDate.ReplaceAllString(tag, "since="),
		display: strings.Contains(w.refs(repo), "refs/heads/display"),
	}
}

// gitKeyringOutput is git with a keyring.
func (w *world) gitKeyringOutput(keyring, repository string, args ...string) string {
	w.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), "GNUPGHOME="+keyring)
	out, err := cmd.Output()
	if err != nil {
		w.Errorf("git %q in %q: %v", args, repository, err)
	}
	return string(out)
}

// normalState is hackage-mirror.json without times and names of runs.
func normalState(t *testing.T, raw string) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(raw), &fields); err != nil {
		t.Fatalf("hackage-mirror.json: %v", err)
	}
	delete(fields, "updated")
	if s, ok := fields["state"].(map[string]any); ok {
		delete(s, "Nonce")
		told, _ := s["Told"].(string)
		_, s["Told"], _ = strings.Cut(told, " ") // the time
	}
	normal, err := json.MarshalIndent(fields, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return sinceDate.ReplaceAllString(string(normal), "since=")
}

// differences says in what another outcome is not this one.
func (o outcome) differences(other outcome) []string {
	var out []string
	for key, content := range o.bucket {
		if got, ok := other.bucket[key]; !ok {
			out = append(out, fmt.Sprintf("the bucket lacks %q", key))
		} else if got != content {
			out = append(out, fmt.Sprintf("the bucket has another %q:\n%.2000s\ninstead of\n%.2000s", key, got, content))
		}
	}
	for key := range other.bucket {
		if _, ok := o.bucket[key]; !ok {
			out = append(out, fmt.Sprintf("the bucket has %q, which an undisturbed run does not make", key))
		}
	}
	for name, want := range o.repos {
		if got := other.repos[name]; got != want {
			out = append(out, fmt.Sprintf("%s is\n%+v\ninstead of\n%+v", name, got, want))
		}
	}
	slices.Sort(out)
	return out
}
