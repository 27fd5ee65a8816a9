package setup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// prompt has somebody answer line by line.
func prompt(t *testing.T, flags Answers, git Answers, lines ...string) (Answers, string, error) {
	t.Helper()
	var out bytes.Buffer
	suggest := func(repository string) Answers { return git.Or(Standard(repository)) }
	a, err := NewPrompt(strings.NewReader(strings.Join(lines, "\n")+"\n"), &out).Ask(t.Context(), flags, suggest, noon())
	return a, out.String(), err
}

func clone() Answers {
	return Answers{Repository: "me/mirror", Signer: "Me <me@example.org>"}
}

func TestEnterTakesWhatIsInBrackets(t *testing.T) {
	t.Parallel()
	got, said, err := prompt(t, Answers{}, clone(), "", "", "", "", "")
	if err != nil {
		t.Fatal(err)
	}
	want := Answers{
		Repository: "me/mirror", Files: "me/all-cabal-files", Hashes: "me/all-cabal-hashes", Buckets: []string{None},
		Access: "deploy-keys", Signer: "Me <me@example.org>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(said, "]: "); n != 5 {
		t.Errorf("%d questions, want five:\n%s", n, said)
	}
	if _, err := got.Plan(noon()); err != nil {
		t.Errorf("the defaults do not fit together: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	got, said, err := prompt(t, Answers{}, Answers{},
		"nonsense", "https://git.example.org/me/mirror", "https://github.com/me/mirror", // asked again
		"none", "me/all-cabal-hashes",
		"./folder", "s3://my-hackage", // asked again
		"github-token", "app", // does not fit, asked again
		"", "Me <me@example.org>", // needed, asked again
	)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	want := Answers{
		Repository: "me/mirror", Files: None, Hashes: "me/all-cabal-hashes", Buckets: []string{"s3://my-hackage"},
		Access: "app", Signer: "Me <me@example.org>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, part := range []string{"write OWNER/REPO", "cannot run the workflow", "write s3://NAME", "opens only its own repository", "an answer is needed"} {
		if !strings.Contains(said, part) {
			t.Errorf("it does not say %q:\n%s", part, said)
		}
	}
}

func TestFlagsAreNotAskedFor(t *testing.T) {
	t.Parallel()
	flags := usual()
	flags.Buckets, flags.Role, flags.PublicURL = []string{"s3://my-hackage?region=auto"}, None, None
	got, said, err := prompt(t, flags, clone())
	if err != nil || strings.Contains(said, "]: ") {
		t.Errorf("%v\n%s", err, said)
	}
	if diff := cmp.Diff(flags, got); diff != "" {
		t.Error(diff)
	}
}

func TestOneRepositoryThatRunsItsOwnWorkflow(t *testing.T) {
	t.Parallel()
	git := clone()
	git.Repository = "me/all-cabal-hashes"
	got, _, err := prompt(t, Answers{}, git, "", "", "", "", "")
	if err != nil || got.Access != "github-token" || got.Files != None || got.Hashes != "me/all-cabal-hashes" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTwiceTheSameRepository(t *testing.T) {
	t.Parallel()
	got, said, err := prompt(t, Answers{}, clone(), "me/data", "me/data", "me/other", "", "", "")
	if err != nil || got.Hashes != "me/other" || !strings.Contains(said, "give another one") {
		t.Errorf("%+v, %v\n%s", got, err, said)
	}
}

func TestAnswersEnd(t *testing.T) {
	t.Parallel()
	if _, _, err := prompt(t, Answers{}, clone(), "me/files"); !errors.Is(err, ErrEnded) {
		t.Errorf("%v", err)
	}
}

// A terminal that nobody types at must not keep an interrupted command.
func TestInterruptedWhileAsking(t *testing.T) {
	t.Parallel()
	in, end := io.Pipe()
	t.Cleanup(func() { _ = end.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	suggest := func(string) Answers { cancel(); return clone() }
	if _, err := NewPrompt(in, io.Discard).Ask(ctx, Answers{}, suggest, noon()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"\n": true, "y\n": true, "Yes\n": true, "n\n": false, "no\n": false, "maybe\ne\nn\n": false} {
		got, err := NewPrompt(strings.NewReader(text), io.Discard).Confirm(t.Context(), "All right?")
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
