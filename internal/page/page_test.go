package page_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/page"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// render returns the files of a status by their keys.
func render(t testing.TB, s *status.Status) map[string][]byte {
	t.Helper()
	files, err := page.Render(s)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		if f.Type == "" || f.CacheControl == "" || len(f.Body) == 0 {
			t.Errorf("%s has no type, no cache control or no content", f.Key)
		}
		all[f.Key] = f.Body
	}
	return all
}

func TestTheSameStatusGivesTheSameFiles(t *testing.T) {
	t.Parallel()
	one, two := render(t, sample()), render(t, sample())
	for key := range one {
		if !bytes.Equal(one[key], two[key]) {
			t.Errorf("%s: twice rendered, two results", key)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	f := page.Names(map[string]string{
		"aeson": "2.2.3.0", "Agda": "2.8.0", "3d-graphics-examples": "0.0.0.2", "zlib": "0.7.1.1",
		"</script>": "1", "javascript:alert(1)": "1", "\u202eevil": "1", "a\xff": "1", "": "1", "split": "1\"", "../x": "1",
	})
	const want = "{\n\"3d-graphics-examples\": \"0.0.0.2\",\n\"Agda\": \"2.8.0\",\n\"aeson\": \"2.2.3.0\",\n\"zlib\": \"0.7.1.1\"\n}\n"
	if f.Key != page.NamesKey || string(f.Body) != want {
		t.Errorf("%s is %q, want %q", f.Key, f.Body, want)
	}
	if f = page.Names(nil); !json.Valid(f.Body) {
		t.Errorf("no names are %q", f.Body)
	}
}
