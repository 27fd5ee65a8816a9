package page_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

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

// at is the time of the samples.
var at = time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)

// sample is a mirror that is well.
func sample() *status.Status {
	s := &status.Status{
		Version: status.Version, Health: status.Good, Sentence: "Up to date: the mirror has all that Hackage had at the last check.",
		Tool: "hackage-mirror v1.0.0", Upstream: "https://hackage.haskell.org", PublicURL: "https://hackage.example.org",
		Checked: at, Changed: at.Add(-23 * time.Minute),
		Index:    status.Index{Length: 912_345_600, State: at.Add(-26 * time.Minute), Upstream: at.Add(-26 * time.Minute), Lag: 190, Behind: 0},
		Run:      status.Run{Began: at.Add(-4 * time.Second), Seconds: 1.3, Outcome: "done", URL: "https://github.com/example/mirror/actions/runs/12345"},
		Holds:    status.Holds{Packages: 18_702, Releases: 151_203, Revisions: 107_488, Bytes: 12_883_901_234},
		RootKeys: rootKeys(), Threshold: 3,
		Repositories: []status.Repository{
			{Kind: "files", Address: "git@github.com:example/all-cabal-files.git", Branch: "hackage", Tag: "current-hackage", Commit: "8f1e0c5a2b7d4936e1a0f4c8b2d7e6a5c4b3a291", State: at.Add(-26 * time.Minute), Fingerprint: "D1CF60F9C3E0F3A2B8845E1B9D7A2C4E5F60718293A4B5C6"},
			{Kind: "hashes", Address: "https://github.com/example/all-cabal-hashes", Branch: "hackage", Tag: "current-hackage", Commit: "1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e", State: at.Add(-26 * time.Minute), Fingerprint: "D1CF60F9C3E0F3A2B8845E1B9D7A2C4E5F60718293A4B5C6"},
		},
		Expiries: []status.Expiry{
			{Of: "timestamp.json", When: at.Add(2*24*time.Hour + 20*time.Hour)}, {Of: "snapshot.json", When: at.Add(2*24*time.Hour + 20*time.Hour)},
			{Of: "mirrors.json", When: at.AddDate(0, 5, 3)}, {Of: "root.json", When: at.AddDate(0, 5, 3)}, {Of: "signing key"},
		},
	}
	return fill(s)
}

// fill gives a mirror its 90 days and newest items.
func fill(s *status.Status) *status.Status {
	for i := status.MaxDays - 1; i >= 0; i-- {
		if i == 40 {
			continue // a day on which nothing came
		}
		s.Days = append(s.Days, status.Day{Day: at.AddDate(0, 0, -i).Format(time.DateOnly), Releases: 12 + i*37%29, Revisions: 3 + i*53%41})
	}
	names := []string{"aeson", "text-builder-linear", "lens", "servant-client-core", "pandoc", "hw-prim", "amazonka-ec2", "polysemy", "http2", "bytestring"}
	for i := range status.MaxRecent {
		item := status.Item{Package: names[i%len(names)], Version: "2." + string(rune('0'+i%7)) + "." + string(rune('0'+i%10)), Time: at.Add(-time.Duration(26+i*i/3+i*7) * time.Minute), Bytes: int64(9000 + i*7919)}
		item.Version += "." + time.Duration(i).String()[:len(time.Duration(i).String())-2]
		if i%3 == 1 {
			item.Revision, item.Bytes = i%5+1, 0
		}
		s.Recent = append(s.Recent, item)
	}
	return s
}

// rootKeys are those of Hackage.
func rootKeys() []string {
	return []string{
		"fe331502606802feac15e514d9b9ea83fee8b6ffef71335479a2e68d84adc6b0", "1ea9ba32c526d1cc91ab5e5bd364ec5e9e8cb67179a471872f6e26f0ae773d42",
		"0a5c7ea47cd1b15f01f5f51a33adda7e655bc0f0b0615baa8e271f4c3351e21d", "51f0161b906011b52c6613376b1ae937670da69322113a246a09f807c62f6921",
		"d26e46f3b631aae1433b89379a6c68bd417eb5d1c408f0643dcc07757fece522", "c7de58fc6a224b92b5b513f26fbb8b370f2d97c7cfe0075a951314a55734be93",
	}
}
