package run

import (
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

func TestExpiryIsSaidDaysBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	if said := w.sync(CodeDone); strings.Contains(said, "expires at") {
		t.Errorf("it warns of files that are good for years:\n%s", said)
	}
	w.hackage.SetExpiry(hackagetest.Mirrors, time.Now().Add(10*24*time.Hour))
	w.hackage.SetExpiry(hackagetest.Timestamp, time.Now().Add(48*time.Hour))
	said := w.sync(CodeDone)
	w.says(said, "upstream's mirrors.json expires at", "signs it anew")
	if strings.Contains(said, "timestamp.json expires") {
		t.Errorf("it warns of a timestamp of the usual age:\n%s", said)
	}
	w.hackage.SetExpiry(hackagetest.Timestamp, time.Now().Add(6*time.Hour))
	w.says(w.sync(CodeDone), "upstream's timestamp.json expires at")
}
