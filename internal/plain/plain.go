// Package plain makes text that others wrote fit for people. Names, addresses and
// the texts of errors hold what upstream, a bucket or a git host sent: characters
// that move a terminal's cursor, begin a line or reorder what is seen, and more of
// it than anybody would read.
//
// What a form gives a meaning to, such as HTML or a runner's commands, is for that
// form to escape.
package plain

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// Text makes each character a blank that has no picture of its own or changes the
// order of others: controls and line ends of all kinds, marks, private ones, and
// bytes that are no UTF-8.
func Text(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) || r == utf8.RuneError || r&0xfffe == 0xfffe {
			return ' '
		}
		return r
	}, text)
}

// Line is Text on one line, with one blank between words.
func Line(text string) string { return strings.Join(strings.Fields(Text(text)), " ") }

// Lines is Text for each line of a text, without blanks at its end.
func Lines(text string) []string {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		lines = append(lines, strings.TrimRight(Text(line), " "))
	}
	return lines
}

// Cut returns a text, or as many whole characters as limit bytes hold and a mark.
func Cut(text string, limit int, mark string) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + mark
}

// harmless are the characters that no shell gives a meaning to within a word.
const harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:@,%+=._-"

// ShellWord quotes a text so that it is one word of a POSIX shell.
func ShellWord(text string) string {
	if text != "" && strings.Trim(text, harmless) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// Count writes a number with commas.
func Count[T int | int64](n T) string { return humanize.Comma(int64(n)) }

// Plural writes a number with its noun, which may end in ry, as in entry.
func Plural(n int, noun string) string {
	if n != 1 {
		if stem, y := strings.CutSuffix(noun, "ry"); y {
			noun = stem + "rie"
		}
		noun += "s"
	}
	return Count(n) + " " + noun
}

// Size writes a number of bytes, of which there are none below zero.
func Size(bytes int64) string { return humanize.IBytes(uint64(max(bytes, 0))) }

// Span writes how long ago something was, or how far off it is: in one unit, of which
// there are two at least, but for minutes.
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 2*time.Hour:
		return Plural(int(d/time.Minute), "minute")
	case d < 2*day:
		return Plural(int(d/time.Hour), "hour")
	}
	return Plural(int(d/day), "day")
}
