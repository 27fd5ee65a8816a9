package paste

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Each block of a key in text form has a line that begins with ArmorBegin before it,
// and one with armorEnd behind it.
const (
	ArmorBegin = "-----BEGIN "
	armorEnd   = "-----END "
)

// blocks gives each block of a text the form that all readers know: its
// first and last line, its headers and its data on lines of their own, and no line too long.
// gpg reads more than that, and web forms make more of it.
func blocks(text string) string {
	parts := strings.Split(text, ArmorBegin)
	if len(parts) == 1 {
		return text
	}
	out := outside(parts[0])
	for i, part := range parts[1:] {
		// gpg puts a colon before a revocation certificate so that
		// it is not read unless somebody means it.
		if strings.HasSuffix(parts[i], ":") {
			out = append(out, ":"+ArmorBegin+part)
			continue
		}
		out = append(out, block(part)...)
	}
	return strings.Join(out, "\n")
}

// outside returns the lines of a text around blocks that say something: quotes,
// brackets and what else stands before a block are left out.
func outside(text string) []string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			lines = append(lines, line)
		}
	}
	return lines
}

// block returns the lines of the block of which ArmorBegin stood before a text, and of
// what follows it.
func block(text string) []string {
	kind, body, ok := strings.Cut(text, "-----")
	if !ok || kind == "PGP SIGNED MESSAGE" {
		return []string{ArmorBegin + text}
	}
	body, after, ended := strings.Cut(body, armorEnd)
	headers, data := split(body)
	lines := []string{ArmorBegin + kind + "-----"}
	switch {
	case strings.HasPrefix(kind, "PGP "):
		lines = append(lines, "") // its headers matter to nobody
	case headers != "":
		lines = append(lines, strings.Split(headers, "\n")...)
		lines = append(lines, "")
	}
	lines = append(lines, wrap(data)...)
	if !ended {
		return lines
	}
	lines = append(lines, armorEnd+kind+"-----")
	return append(lines, outside(endOfLine.ReplaceAllString(after, ""))...)
}

var (
	endOfLine = regexp.MustCompile(`^[A-Z0-9 ]*-*`)
	// fullLine is a full line of data: ssh-keygen writes 70, gpg 64.
	fullLine   = regexp.MustCompile(`(?:^| )[A-Za-z0-9+/]{48,}=*(?: |$)`)
	nextHeader = regexp.MustCompile(` +([A-Z][A-Za-z-]*: )`)
)

// split tells the headers of a block from its data, also without the empty line
// between them: a header has a colon, and data have none.
func split(body string) (headers, data string) {
	var all []string
	for body = strings.TrimSpace(body); ; {
		line, rest, _ := strings.Cut(body, "\n")
		full := fullLine.FindString(line)
		line, more, _ := strings.Cut(line, full)
		if full == "" {
			line, more = more, ""
		}
		if !strings.Contains(line, ":") {
			return strings.Join(all, "\n"), body
		}
		all = append(all, nextHeader.ReplaceAllString(strings.Trim(line, "> "), "\n$1"))
		body = strings.TrimSpace(full + more + "\n" + rest)
	}
}

var (
	checksum = regexp.MustCompile(`^(.*)(=[A-Za-z0-9+/]{4})$`)
	notCoded = regexp.MustCompile(`[^A-Za-z0-9+/=]`) // what base64 has no sign for
)

// Data come in lines of lineLength; up to maxLine, readers accept others as well.
const (
	lineLength = 64
	maxLine    = 76
)

// wrap returns the lines of base64 data: without signs that it lacks, as gpg
// reads it, with the filling that some leave out, and a checksum on a line of
// its own, behind which there is nothing.
func wrap(data string) []string {
	var lines []string
	length, sum := 0, ""
	for word := range strings.FieldsSeq(data) {
		word = notCoded.ReplaceAllString(word, "")
		if m := checksum.FindStringSubmatch(word); m != nil {
			word, sum = m[1], m[2]
		}
		length += len(word)
		if len(word) > 0 && len(word) <= maxLine {
			lines, word = append(lines, word), ""
		}
		for part := range slices.Chunk([]byte(word), lineLength) {
			lines = append(lines, string(part))
		}
		if sum != "" {
			break
		}
	}
	if missing := -length & 3; missing < 3 && len(lines) > 0 {
		lines[len(lines)-1] += strings.Repeat("=", missing)
	}
	if sum != "" {
		lines = append(lines, sum)
	}
	return lines
}
