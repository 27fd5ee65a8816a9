package report

import (
	"testing"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain\n":           "plain",
		"two\nlines":        "two lines",
		"\x1b[2Jclear":      " [2Jclear",
		"::add-mask::x":     "| ::add-mask::x",
		" \t::error::x":     "|   ::error::x",
		"x ##[error]y":      "x ## [error]y",
		"a::b":              "a::b",
		"ok\n::error::late": "ok ::error::late",
		"a\u202eb":          "a b",
		"\u2028::error::x":  "|  ::error::x",
		"\ufeff::error::x":  "|  ::error::x",
	} {
		if got := Line(text); got != want {
			t.Errorf("Line(%q) = %q, want %q", text, got, want)
		}
	}
}
