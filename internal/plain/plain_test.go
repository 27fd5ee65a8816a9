package plain_test

import (
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

func TestText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"äöü 1": "äöü 1", "a\x1b[2Jb": "a [2Jb", "a\nb\r\u2028c": "a b  c", "a\u202eb\ufeff": "a b ", "a\xffb": "a b", "\ue000\U0001fffe": "  ",
	} {
		if got := plain.Text(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	if got := plain.Line(" a\t\n b\u00a0\x00c "); got != "a b c" {
		t.Errorf("on one line: %q", got)
	}
	if got := plain.Lines("\n a\x07 \r\nb\n\nc"); !slices.Equal(got, []string{"a", "b", "", "c"}) {
		t.Errorf("lines: %q", got)
	}
}

func TestCutAtACharacter(t *testing.T) {
	t.Parallel()
	for limit := range 12 {
		if got := plain.Cut("ä€😀 und", limit, "…"); !utf8.ValidString(got) || !strings.HasSuffix(got, "…") || len(got) > limit+len("…") {
			t.Errorf("cut to %d bytes: %q", limit, got)
		}
	}
	if got := plain.Cut("abc", 3, "…"); got != "abc" {
		t.Errorf("a text that has room became %q", got)
	}
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "''", "a/b.c": "a/b.c", "s3://x?y": "'s3://x?y'", "it's": `'it'\''s'`, "~": "'~'"} {
		if got := plain.ShellWord(text); got != want {
			t.Errorf("%q became %s, want %s", text, got, want)
		}
	}
	sh, err := exec.LookPath("sh")
	if err != nil && runtime.GOOS == "windows" {
		t.Skip("not tested: Windows has no sh")
	}
	for _, text := range []string{"a b", "$HOME `x` \"y\" 'z' \\", "*", "a\nb", "#x", "!"} {
		if out, err := exec.Command(sh, "-c", "printf %s "+plain.ShellWord(text)).Output(); err != nil || string(out) != text {
			t.Errorf("a shell reads %q as %q (%v)", text, out, err)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		plain.Plural(1, "entry"): "1 entry", plain.Plural(1200, "entry"): "1,200 entries", plain.Plural(0, "release"): "0 releases",
		plain.Size(-1): "0 B", plain.Size(9 << 30): "9.0 GiB",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 minutes", 90 * time.Second: "1 minute", 2*time.Hour - 1: "119 minutes", 2 * time.Hour: "2 hours",
		48*time.Hour - 1: "47 hours", 48 * time.Hour: "2 days", 1000 * 24 * time.Hour: "1,000 days",
	} {
		if got := plain.Span(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}
