package cli

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// saidTwice returns what an error says twice: a part between colons, or a word that
// is a place.
func saidTwice(message string) (twice []string) {
	seen := map[string]bool{}
	for part := range strings.SplitSeq(message, ": ") {
		words := strings.Fields(part)
		if len(words) > 1 { // one word may be a program's name
			words = append(words, part)
		}
		for _, word := range words {
			word = strings.Trim(word, `"',;()`)
			if !strings.ContainsAny(word, " /") {
				continue
			}
			if seen[word] {
				twice = append(twice, word)
			}
			seen[word] = true
		}
	}
	return twice
}

// One place adds the context of an error: the run names the destination, the room
// below what it did to what. Nobody repeats the other.
func TestEachErrorIsToldOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(w *world)
		says  []string
	}{
		"a folder in the place of a file": {func(w *world) {
			if err := os.MkdirAll(filepath.Join(w.bucket(), "timestamp.json", "x"), 0o755); err != nil {
				w.Fatal(err)
			}
		}, []string{`bucket "BUCKET": put "timestamp.json": `}},
		"no repository": {func(w *world) {
			if err := os.MkdirAll(filepath.Join(w.files(), "x"), 0o755); err != nil {
				w.Fatal(err)
			}
		}, []string{`files-repository "FILES": fetch: git fetch: no git repository at the address`}},
		"a repository that refuses": {func(w *world) {
			w.sync(CodeDone)
			w.hook(w.files(), "no way")
			w.hackage.Upload("new", "1.0", nil, nil)
		}, []string{`files-repository "FILES": push: the remote refused`, "remote: no way"}},
		"an upstream that is down": {func(w *world) {
			w.server.Fault("/", hackagetest.Status(http.StatusServiceUnavailable))
		}, []string{`upstream "UPSTREAM": fetch `}},
		"an index that is not the signed one": {func(w *world) {
			w.server.Fault("/01-index.tar.gz", hackagetest.Corrupt(100))
		}, []string{`upstream "UPSTREAM": 01-index.tar.gz is not the one that snapshot.json version `, "SHA-256 is "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			test.spoil(w)
			said := w.sync(CodeError)
			_, message, found := strings.Cut(strings.ReplaceAll(said, "hackage-mirror: warning: ", ""), "\nhackage-mirror: ")
			message, _, _ = strings.Cut(message, "\n")
			if !found {
				t.Fatalf("there is no error in:\n%s", said)
			}
			names := strings.NewReplacer("BUCKET", w.bucket(), "FILES", w.files(), "UPSTREAM", w.server.URL)
			for _, part := range test.says {
				if !strings.Contains(message, names.Replace(part)) {
					t.Errorf("error lacks %q:\n%s", names.Replace(part), message)
				}
			}
			ours, _, _ := strings.Cut(message, "fatal: ") // git's words are its own
			if twice := saidTwice(ours); len(twice) > 0 {
				t.Errorf("error says %q twice:\n%s", twice, message)
			}
		})
	}
}

// A usage error reaches those who only see the page or the outputs of a step.
func TestUsageErrorHasSummaryAndOutputs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.onGitHub()
	if code, said := w.run("sync", "--bucket", "s3:/my-hackage", "--time-limit", "soon"); code != CodeUsage {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
	outputs, summary := w.afterStep()
	w.holds(outputs, map[string]string{"changed": "false", "releases": "0", "pending": "0"})
	w.says(summary, "❌ Hackage mirror: failed", "--time-limit", "options")
	w.says(outputs["summary-json"], `"outcome":"failed"`, "--time-limit")
}
