package run

import "testing"

// Where releases overlap, the index is cut before the first entry of those that are
// not taken, however far that is behind; and yet never so far that nothing is gained.
func TestCutKeepsReleasesWhole(t *testing.T) {
	t.Parallel()
	at := func(begin, offset int64) download { return download{begin: begin, offset: offset} }
	for name, c := range map[string]struct {
		downloads []download
		k         int
		want      int64
	}{
		"one after the other":           {[]download{at(10, 20), at(30, 40), at(50, 60)}, 1, 30},
		"package.json first":            {[]download{at(10, 10), at(30, 30)}, 1, 30},
		"a later one began before":      {[]download{at(10, 20), at(30, 40), at(25, 60)}, 1, 25},
		"and another ends behind it":    {[]download{at(10, 20), at(30, 40), at(50, 60), at(35, 80)}, 2, 30},
		"all overlap":                   {[]download{at(10, 40), at(20, 50), at(30, 60)}, 1, 50},
		"something pending before":      {[]download{at(0, 0), at(10, 20), at(30, 40)}, 2, 30},
		"only something pending before": {[]download{at(0, 0), at(10, 20)}, 1, 20},
	} {
		if got := cutBefore(c.downloads, c.k); got != c.want {
			t.Errorf("%s: cut at %d, want %d", name, got, c.want)
		}
	}
}
