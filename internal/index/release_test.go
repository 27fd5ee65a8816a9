package index_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

func TestParseRelease(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]index.Release{
		"aeson-2.2.1.0":      {Package: "aeson", Version: "2.2.1.0"},
		"type-equality-1":    {Package: "type-equality", Version: "1"},
		"3d-graphics-0.0.0":  {Package: "3d-graphics", Version: "0.0.0"},
		"A-gent-0":           {Package: "A-gent", Version: "0"},
		"date-2026.11.22":    {Package: "date", Version: "2026.11.22"},
		"many-999999999.0.1": {Package: "many", Version: "999999999.0.1"},
	} {
		if got, err := index.ParseRelease(id); err != nil || got != want || got.String() != id {
			t.Errorf("%q is %+v, %v; want %+v", id, got, err, want)
		}
	}
	for _, id := range []string{
		"", "-", "aeson", "aeson-", "-1.0", "aeson-1.0-", "aeson--1.0", "1-1.0", "a-1-1.0", "aeson-01", "aeson-1.",
		"aeson-.1", "aeson-1..2", "aeson-1a", "aeson-1234567890", "ae_son-1", "ae son-1", "äson-1", "../x-1", "a/b-1",
		"aeson-1\n", "aeson-١", strings.Repeat("a", 201) + "-1", "a-" + strings.Repeat("1.", 100) + "1",
	} {
		if got, err := index.ParseRelease(id); !errors.Is(err, index.ErrName) || len(err.Error()) > 400 {
			t.Errorf("%q is %+v, %v; want ErrName", id, got, err)
		}
	}
}

func TestReleasePaths(t *testing.T) {
	t.Parallel()
	r := index.Release{Package: "type-equality", Version: "1"}
	for got, want := range map[string]string{
		r.CabalPath():  "type-equality/1/type-equality.cabal",
		r.JSONPath():   "type-equality/1/type-equality.json",
		r.TarballKey(): "package/type-equality-1.tar.gz",
	} {
		if got != want {
			t.Errorf("path is %q, want %q", got, want)
		}
	}
}

func TestCompareReleases(t *testing.T) {
	t.Parallel()
	sorted := []index.Release{{"A", "2"}, {"a", "1"}, {"a", "1.1"}, {"a", "10"}, {"a", "2"}, {"a-b", "0"}}
	mixed := slices.Clone(sorted)
	slices.Reverse(mixed)
	slices.SortFunc(mixed, index.Release.Compare)
	if !slices.Equal(mixed, sorted) {
		t.Errorf("order is %v, want %v", mixed, sorted)
	}
}

// FuzzParseRelease holds that what is taken has one text only, and that its
// paths are what an index may have.
func FuzzParseRelease(f *testing.F) {
	for _, id := range []string{"aeson-2.2.1.0", "type-equality-1", "a-01", "../a-1", "a--1", "a-1-1"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		r, err := index.ParseRelease(id)
		if err != nil {
			if !errors.Is(err, index.ErrName) {
				t.Errorf("%q: error is %v, want ErrName", id, err)
			}
			return
		}
		if r.String() != id {
			t.Errorf("%q comes back as %q", id, r)
		}
		if again, err := index.ParseRelease(r.String()); err != nil || again != r {
			t.Errorf("%q is %+v and then %+v, %v", id, r, again, err)
		}
		if strings.ContainsFunc(r.CabalPath(), func(c rune) bool {
			return c != '/' && c != '-' && c != '.' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
		}) || strings.Count(r.CabalPath(), "/") != 2 || strings.Contains(r.CabalPath(), "..") {
			t.Errorf("%q has the path %q", id, r.CabalPath())
		}
	})
}
