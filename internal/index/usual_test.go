package index

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// usualJSON is a package.json as the Hackage server writes it, and with no MD5 as
// the reference tool does.
func usualJSON(md5 string, length, version string) string {
	if md5 != "" {
		md5 = `"md5":"` + md5 + `",`
	}
	return `{"signatures":[],"signed":{"_type":"Targets","expires":null,"targets":{"<repo>/package/foo-1.0.tar.gz":{"hashes":{` +
		md5 + `"sha256":"` + strings.Repeat("0123456789abcdef", 4) + `"},"length":` + length + `}},"version":` + version + `}}`
}

// What is read in a short way is read the same by the parser, and a short way
// that is never taken would be of no use.
func TestReadUsual(t *testing.T) {
	t.Parallel()
	r := Release{Package: "foo", Version: "1.0"}
	md5 := strings.Repeat("f0", 16)
	for raw, want := range map[string]bool{
		usualJSON("", "7", "1"):                                   true,
		usualJSON(md5, "7", "0"):                                  true,
		usualJSON(md5, "0", "1"):                                  true,
		usualJSON("", "999999999999999", "12"):                    true,
		usualJSON("", "9999999999999999", "1"):                    false,
		usualJSON("", "07", "1"):                                  false,
		usualJSON("", "", "1"):                                    false,
		usualJSON("", "-7", "1"):                                  false,
		usualJSON(strings.ToUpper(md5), "7", "0"):                 false,
		usualJSON(md5[:30], "7", "0"):                             false,
		usualJSON("", "7", "1") + "\n":                            false,
		usualJSON("", "7", "1")[:100]:                             false,
		strings.Replace(usualJSON("", "7", "1"), "o-1", "o-2", 1): false,
		"": false,
	} {
		if got := checkUsual(t, r, []byte(raw)); got != want {
			t.Errorf("%s is usual: %v", raw, got)
		}
	}
}

// checkUsual holds the short way against the parser.
func checkUsual(t *testing.T, r Release, raw []byte) bool {
	t.Helper()
	got, ok := readUsual(r, raw)
	if !ok {
		return false
	}
	want, err := parseAny(r, raw)
	want.md5 = got.md5 // which the parser passes over
	if err != nil || got != want {
		t.Errorf("%s is read as %+v, by the parser as %+v: %v", raw, got, want, err)
	}
	return true
}

func TestReadUsualOfChangedText(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8))
	r := Release{Package: "foo", Version: "1.0"}
	good := usualJSON(strings.Repeat("f0", 16), "7", "0")
	taken := 0
	const tries, others = 20_000, "01239afAF\",:{}[]. \\\n\x00\xff"
	for range tries {
		raw := []byte(good)
		raw[random.IntN(len(raw))] = others[random.IntN(len(others))]
		if checkUsual(t, r, raw) {
			taken++
		}
	}
	if taken < tries/20 {
		t.Errorf("%d of %d were taken, so the test says little", taken, tries)
	}
}

func FuzzReadUsual(f *testing.F) {
	f.Add([]byte(usualJSON("", "7", "1")))
	f.Add([]byte(usualJSON(strings.Repeat("f0", 16), "123", "0")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		checkUsual(t, Release{Package: "foo", Version: "1.0"}, raw)
	})
}
