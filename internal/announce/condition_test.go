package announce

import (
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

func TestFirstFillThatWasInterruptedGoesOn(t *testing.T) {
	t.Parallel()
	if first := (condition{word: status.Failed, interrupted: true}).asBefore(nil, false); first.word != status.Filling {
		t.Errorf("a first fill that was interrupted is %q", first.word)
	}
}
