package hashes_test

import (
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

const zeros = "00000000000000000000000000000000"

// empty is today's record of no digests, no location and no size at all.
var empty = `{"package-hashes":{"MD5":"` + zeros + `","SHA1":"` + zeros + `00000000","SHA256":"` + zeros + zeros +
	`","SHA512":"` + zeros + zeros + zeros + zeros + `","Skein512_512":"` + zeros + zeros + zeros + zeros +
	`"},"package-locations":[],"package-size":0}`

func TestJSONForm(t *testing.T) {
	t.Parallel()
	if got := string(hashes.Digests{}.JSON()); got != empty {
		t.Errorf("JSON is\n%s\nwant\n%s", got, empty)
	}
	got := string(hashes.Digests{Size: 7}.JSON("https://a.example/?b=1&c=<d>", `e"f`))
	want := `"package-locations":["https://a.example/?b=1&c=<d>","e\"f"],"package-size":7}`
	if !strings.HasSuffix(got, want) {
		t.Errorf("JSON is\n%s\nwant it to end with\n%s", got, want)
	}
}

func TestLocations(t *testing.T) {
	t.Parallel()
	r := index.Release{Package: "aeson", Version: "2.2.1.0"}
	const first = "https://hackage.haskell.org/package/aeson-2.2.1.0/aeson-2.2.1.0.tar.gz"
	for mirror, want := range map[string][]string{
		"":                            {first},
		"https://mirror.example":      {first, "https://mirror.example/package/aeson-2.2.1.0.tar.gz"},
		"https://mirror.example/sub/": {first, "https://mirror.example/sub/package/aeson-2.2.1.0.tar.gz"},
	} {
		if got := hashes.Locations(r, mirror); !slices.Equal(got, want) {
			t.Errorf("locations with mirror %q are %q, want %q", mirror, got, want)
		}
	}
}

// TestParseOldestForm takes the size away from a published record, as the first
// ones were.
func TestParseOldestForm(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../testdata/goldens/data-default-0.7.1.1.json")
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := strings.Cut(string(raw), `,"package-size"`)
	if !found {
		t.Fatal("the published record has no size to take away")
	}
	r := parse(t, []byte(head+"}"))
	if r.Size != -1 || len(r.Hashes) != 5 || len(r.Locations) != 2 {
		t.Errorf("record is %+v, want five digests, two locations and size -1", r)
	}
}

func TestParseTolerates(t *testing.T) {
	t.Parallel()
	r := parse(t, []byte(`{"more":{"a":[1]},"package-hashes":{"BLAKE3":"Any","SHA256":"`+zeros+zeros+`"}}`))
	if r.Hashes["BLAKE3"] != "Any" {
		t.Errorf("unknown digest is %q, want it kept", r.Hashes["BLAKE3"])
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	replace := func(old, new string) string {
		if !strings.Contains(empty, old) {
			t.Fatalf("no %q to replace", old)
		}
		return strings.Replace(empty, old, new, 1)
	}
	for name, raw := range map[string]string{
		"nothing":                   "",
		"no object":                 `[]`,
		"cut":                       empty[:len(empty)-1],
		"cut in the digests":        empty[:100],
		"text behind":               empty + "{}",
		"no SHA256":                 `{"package-hashes":{},"package-locations":[],"package-size":0}`,
		"name in another case":      replace("package-hashes", "Package-Hashes"),
		"short MD5":                 replace(`"MD5":"00`, `"MD5":"`),
		"long SHA1":                 replace(`"SHA1":"`, `"SHA1":"0`),
		"SHA256 of another length":  replace(`"SHA256":"`, `"SHA256":"00`),
		"short SHA512":              replace(`"SHA512":"0`, `"SHA512":"`),
		"short Skein":               replace(`"Skein512_512":"0`, `"Skein512_512":"`),
		"upper case":                replace(`"MD5":"0`, `"MD5":"A`),
		"no hexadecimal":            replace(`"MD5":"0`, `"MD5":"g`),
		"number as digest":          replace(`"MD5":"`+zeros+`"`, `"MD5":1`),
		"digest twice":              replace(`"MD5":`, `"SHA1":"`+zeros+`00000000","MD5":`),
		"digests twice":             replace(`"package-locations":[]`, `"package-hashes":{}`),
		"location that is a number": replace("[]", "[1]"),
		"negative size":             replace(`"package-size":0`, `"package-size":-1`),
		"broken size":               replace(`"package-size":0`, `"package-size":1.5`),
		"null size":                 replace(`"package-size":0`, `"package-size":null`),
		"text as size":              replace(`"package-size":0`, `"package-size":"5"`),
		"huge size":                 replace(`"package-size":0`, `"package-size":99999999999999999999`),
	} {
		if r, err := hashes.Parse([]byte(raw)); !errors.Is(err, hashes.ErrRecord) {
			t.Errorf("%s: parse gives %+v, %v; want ErrRecord", name, r, err)
		}
	}
}

func TestSHA256OfUnparsedRecord(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "00", strings.Repeat("g", 64)} {
		r := hashes.Record{Hashes: map[string]string{"SHA256": text}}
		if _, err := r.SHA256(); !errors.Is(err, hashes.ErrRecord) {
			t.Errorf("SHA256 of %q: error is %v, want ErrRecord", text, err)
		}
	}
}

// FuzzParse holds that a record which is taken survives being written in
// today's form, as far as that form can say it.
func FuzzParse(f *testing.F) {
	f.Add([]byte(empty))
	f.Add([]byte(`{"package-hashes":{"SHA256":"` + zeros + zeros + `","SHA256":""}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := hashes.Parse(raw)
		if err != nil {
			return
		}
		sum, err := r.SHA256()
		if err != nil {
			t.Fatalf("record without a SHA256 was taken: %v", err)
		}
		size := max(r.Size, 0)
		again := parse(t, hashes.Digests{SHA256: sum, Size: size}.JSON(r.Locations...))
		if again.Hashes["SHA256"] != r.Hashes["SHA256"] || again.Size != size {
			t.Errorf("record %+v becomes %+v", r, again)
		}
	})
}

// What somebody else wrote is left only if all that can be known of it fits.
func TestRecordOfSomebodyElse(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../testdata/goldens/data-default-0.7.1.1.json")
	if err != nil {
		t.Fatal(err)
	}
	r, err := index.ParseRelease("data-default-0.7.1.1")
	if err != nil {
		t.Fatal(err)
	}
	good := parse(t, raw)
	sum, err := good.SHA256()
	if err != nil {
		t.Fatal(err)
	}
	target := index.Target{Length: good.Size, SHA256: sum}
	var md5 [16]byte
	if _, err := hex.Decode(md5[:], []byte(good.Hashes["MD5"])); err != nil {
		t.Fatal(err)
	}
	const first = `"https://hackage.haskell.org/package/data-default-0.7.1.1/data-default-0.7.1.1.tar.gz"`
	for name, c := range map[string]struct {
		old, new string
		want     bool
	}{
		"as published":         {"", "", true},
		"without a size":       {`,"package-size":` + strconv.FormatInt(good.Size, 10), "", true},
		"other size":           {`"package-size":`, `"package-size":1`, false},
		"other MD5":            {`"MD5":"` + good.Hashes["MD5"][:1], `"MD5":"` + string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", good.Hashes["MD5"][0])+1)%16]), false},
		"no MD5":               {`"MD5":"` + good.Hashes["MD5"] + `",`, "", true},
		"further field":        {`{"package-hashes"`, `{"run":"x","package-hashes"`, false},
		"further digest":       {`"MD5":`, `"BLAKE":"00","MD5":`, false},
		"elsewhere first":      {first, `"https://evil.example/package/data-default-0.7.1.1.tar.gz"`, false},
		"other file":           {first, first + `,"https://evil.example/evil.tar.gz"`, false},
		"with a password":      {first, first + `,"https://a:b@evil.example/package/data-default-0.7.1.1.tar.gz"`, false},
		"by another way":       {first, first + `,"file:///package/data-default-0.7.1.1.tar.gz"`, false},
		"no location":          {"https://", "", false},
		"one more mirror":      {first, first + `,"https://mirror.example/sub/package/data-default-0.7.1.1.tar.gz"`, true},
		"of another SHA-256":   {good.Hashes["SHA256"], zeros + zeros, false},
		"with another SHA-512": {good.Hashes["SHA512"], zeros + zeros + zeros + zeros, true}, // which nobody signed
	} {
		text := strings.Replace(string(raw), c.old, c.new, 1)
		if c.old != "" && text == string(raw) {
			t.Fatalf("%s: nothing is replaced", name)
		}
		if got := parse(t, []byte(text)).Speaks(r, target, md5); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
