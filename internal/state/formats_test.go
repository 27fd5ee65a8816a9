package state

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKeysAreDocumented: docs/formats.md names each key that is written.
func TestKeysAreDocumented(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "formats.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := &State{}
	keys := []string{keyPending}
	for _, fields := range [][]field{s.fields(), s.tagFields(), s.bucketFields()} {
		for _, f := range fields {
			keys = append(keys, f.key)
		}
	}
	for _, key := range keys {
		if !strings.Contains(string(raw), "`"+key+"`") {
			t.Errorf("docs/formats.md does not name %s", key)
		}
	}
}
