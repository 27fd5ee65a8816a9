package page

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// label is the left half of the badge.
const label = "Hackage mirror"

// A look is how a word of health is shown: on the page by a class of its style, and by a
// sentence for want of a better one; on a badge by words and colours.
type look struct {
	class, sentence string
	words           string
	colour          string // dark enough for white letters
	shield          string // the name that shields.io has for it
}

var looks = map[status.Word]look{
	status.Good:    {"good", "Up to date.", "up to date", "#1a7f37", "brightgreen"},
	status.Look:    {"look", "Up to date, but somebody should look at this.", "needs a look", "#9a6700", "yellow"},
	status.Filling: {"filling", "Filling: not all releases are here yet.", "filling", "#0b5cad", "blue"},
	status.Failed:  {"failed", "Not up to date.", "not up to date", "#b3261e", "red"},
	"":             {"unknown", "Nothing is known of this mirror yet.", "unknown", "#59636e", "lightgrey"},
}

// lookOf returns how the health is shown, whatever word it is.
func lookOf(health status.Word) look {
	if l, ok := looks[health]; ok {
		return l
	}
	return looks[""]
}

// message is the right half of the badge. It names the day of the last check,
// because a badge stays as it is when a mirror's runs stop.
func message(s *status.Status) string {
	words := lookOf(s.Health).words
	if s.Checked.IsZero() {
		return words + ", never checked"
	}
	return words + ", checked " + s.Checked.UTC().Format(time.DateOnly)
}

// badgeSVG draws the badge. It has no script, no style and no link, so that it
// can be shown anywhere; the text is stretched to the width that it was given.
func badgeSVG(s *status.Status) ([]byte, error) {
	const pad = 8
	right := message(s)
	l, r := wide(label), wide(right)
	middle, width := l+2*pad, l+r+4*pad
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="20" role="img" aria-label="%[2]s: %[3]s"><title>%[2]s: %[3]s</title>`,
		width, escape(label), escape(right))
	fmt.Fprintf(&out, `<clipPath id="r"><rect width="%d" height="20" rx="3"/></clipPath><g clip-path="url(#r)">`, width)
	fmt.Fprintf(&out, `<rect width="%d" height="20" fill="#3d444d"/><rect x="%[1]d" width="%d" height="20" fill="%s"/></g>`,
		middle, width-middle, lookOf(s.Health).colour)
	out.WriteString(`<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">`)
	fmt.Fprintf(&out, `<text x="%d" y="14" textLength="%d">%s</text><text x="%d" y="14" textLength="%d">%s</text></g></svg>`+"\n",
		pad, l, escape(label), middle+pad, r, escape(right))
	return out.Bytes(), nil
}

// wide returns how many pixels wide a text is, about.
func wide(text string) int { return len(text) * 32 / 5 }

// escape makes text safe in XML, also in an attribute.
func escape(text string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(text)) // no write to a Buffer fails
	return out.String()
}

// badgeJSON is what shields.io makes a badge of: https://shields.io/badges/endpoint-badge.
func badgeJSON(s *status.Status) ([]byte, error) {
	body, err := json.Marshal(struct {
		Version int    `json:"schemaVersion"`
		Label   string `json:"label"`
		Message string `json:"message"`
		Color   string `json:"color"`
		IsError bool   `json:"isError"`
		Cache   int    `json:"cacheSeconds"`
	}{1, label, message(s), lookOf(s.Health).shield, s.Health == status.Failed, 300})
	return append(body, '\n'), err
}
