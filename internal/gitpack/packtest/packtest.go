// Package packtest makes texts for tests of packs: similar to each other, as the
// revisions of a .cabal file are.
package packtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Text is of so many lines, of which many are alike.
func Text(lines int, random *rand.Rand) string {
	var text strings.Builder
	for range lines {
		fmt.Fprintf(&text, "    build-depends: base >= %d && < %d\r\n", random.IntN(9), random.Uint32())
	}
	return text.String()
}

// Edited is a text with some lines changed, moved, put in or taken away.
func Edited(text string, random *rand.Rand) string {
	lines := strings.SplitAfter(text, "\n")
	for range 1 + random.IntN(4) {
		at, other := random.IntN(len(lines)), random.IntN(len(lines))
		switch random.IntN(4) {
		case 0:
			lines[at] = fmt.Sprintf("line: %d\r\n", random.Int())
		case 1:
			lines[at], lines[other] = lines[other], lines[at]
		case 2:
			lines = append(lines[:at:at], append([]string{fmt.Sprintf("new: %d\n", random.Int())}, lines[at:]...)...)
		case 3:
			lines[at] = ""
		}
	}
	return strings.Join(lines, "")
}
