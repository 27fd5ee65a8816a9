package report

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

// Line makes text safe as a line of a log: control characters, which could move
// a terminal's cursor or begin a new line, become blanks, and what GitHub's
// runner would take as a command of ours loses its mark.
func Line(text string) string {
	text = plain.Text(strings.TrimRight(text, "\r\n"))
	text = strings.ReplaceAll(text, "##[", "## [")
	if strings.HasPrefix(strings.TrimSpace(text), "::") {
		text = "| " + text
	}
	return text
}

// short cuts a text that nobody would read to its end.
func short(text string, limit int) string { return plain.Cut(text, limit, " [cut]") }

// maxCell bounds what a cell of a table holds of one value, in bytes; errors of
// a git host can be long.
const maxCell = 1000

// inline makes text safe in the middle of a line of Markdown and in a cell of a
// table: it can be no mark-up, no link, no mention and no end of the cell.
// Entities have no meaning in Markdown but that of the character.
func inline(text string) string {
	var out strings.Builder
	for _, r := range plain.Text(short(text, maxCell)) {
		if r < utf8.RuneSelf && !strings.ContainsRune(harmless, r) {
			out.WriteString("&#" + number(int(r)) + ";")
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// harmless are the characters of ASCII that mean nothing inside of a line.
const harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -,;/"

// code is inline for a name; GitHub looks for no mention in it.
func code(text string) string { return "<code>" + inline(text) + "</code>" }

// block makes lines of text a block of HTML that shows them as they are.
func block(text string, limit int) string {
	lines := plain.Lines(short(text, limit))
	escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(strings.Join(lines, "\n"))
	// Without a line that is empty: some renderers end a block of HTML there.
	return "<pre>" + strings.ReplaceAll(escaped, "\n\n", "\n \n") + "</pre>\n"
}

// unbroken keeps a date in a narrow cell on one line.
func unbroken(text string) string {
	return strings.NewReplacer("-", "\u2011", " ", "\u00a0").Replace(text)
}

// when writes a time for people, in UTC; nothing for none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return unbroken(t.UTC().Format("2006-01-02 15:04 UTC"))
}

// date writes a day for people.
func date(t time.Time) string { return unbroken(t.UTC().Format(time.DateOnly)) }

// number writes a number for programs.
func number[T int | int64](n T) string { return strconv.FormatInt(int64(n), 10) }
