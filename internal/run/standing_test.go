package run

import (
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// told reads the status that the bucket has.
func (w *world) told() *status.Status {
	w.Helper()
	s, err := status.Parse(w.read(status.Key))
	if err != nil {
		w.Fatal(err)
	}
	return s
}
