package index_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

func target(body string) index.Target {
	return index.Target{Length: int64(len(body)), SHA256: sha256.Sum256([]byte(body))}
}

func TestScan(t *testing.T) {
	t.Parallel()
	a1, a2, b1 := index.Release{Package: "a", Version: "1"}, index.Release{Package: "a", Version: "2"}, index.Release{Package: "b", Version: "1"}
	const md5 = "0123456789abcdef0123456789abcdef"
	sum := [16]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}
	raw, ends := pack(t,
		file{name: "a/1/a.cabal", body: "first"},
		file{name: "a/1/package.json", body: packageJSON(a1, "old tarball", "")},
		file{name: "b/1/package.json", body: packageJSON(b1, "b's tarball", md5)},
		file{name: "a/2/package.json", body: packageJSON(a2, "good", md5)},
		file{name: "a/1/a.cabal", body: "second one"},
		file{name: "odd"},
		file{name: "a/1/package.json", body: packageJSON(a1, "new tarball!", md5)},
		file{name: "a/1/a.cabal", body: "third"},
		file{name: "a/preferred-versions", body: "a <2"},
		file{name: "a/2/package.json", body: "{"},
	)
	start := func(i int) int64 { return ends[i-1] } // of entry i > 0
	l := index.NewLog(bytes.NewReader(raw), index.Position{})
	tail, err := index.Scan(l, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[index.Release]*index.ReleaseChanges{
		a1: {
			Cabals: 3, LastCabal: index.Span{Offset: start(7), Size: 5},
			Target: target("new tarball!"), TargetOffset: start(6), Replaced: true, MD5: sum,
		},
		b1: {Target: target("b's tarball"), TargetOffset: start(2), MD5: sum},
		a2: {TargetOffset: -1, Replaced: true},
	}
	if diff := cmp.Diff(want, tail.Changes); diff != "" {
		t.Errorf("news differ (-want +got):\n%s", diff)
	}
	if !slices.Equal(tail.Order, []index.Release{a1, b1, a2}) || tail.Entries != 9 || tail.Preferred != 1 {
		t.Errorf("order is %v, %d entries with %d preferred; want 9 with 1", tail.Order, tail.Entries, tail.Preferred)
	}
	if len(tail.NewestPreferred) != 1 || tail.NewestPreferred["a"] != start(8) {
		t.Errorf("newest preferred-versions are at %v, want a's at %d", tail.NewestPreferred, start(8))
	}
	if p := tail.Skipped; p.Count != 2 || p.ByReason["malformed package.json"] != 1 || p.ByReason["other file name"] != 1 {
		t.Errorf("skipped %+v", p)
	}
	if !tail.From.IsZero() || tail.To != l.End() || tail.To.Length != ends[len(ends)-1] {
		t.Errorf("tail is from %+v to %+v", tail.From, tail.To)
	}
	if err := l.Finish(int64(len(raw)), sha256.Sum256(raw)); err != nil {
		t.Error(err)
	}
}

// TestScanReplaced reads one package.json alone, whose version tells whether it
// replaced another: the server counts from 0, the reference tool from 1.
func TestScanReplaced(t *testing.T) {
	t.Parallel()
	r := index.Release{Package: "a", Version: "1"}
	server, tool := packageJSON(r, "tarball", "0123456789abcdef0123456789abcdef"), packageJSON(r, "tarball", "")
	for raw, want := range map[string]bool{
		server: false,
		tool:   false,
		strings.Replace(server, `"version":0`, `"version":1`, 1): true,
		strings.Replace(tool, `"version":1`, `"version":2`, 1):   true,
	} {
		packed, _ := pack(t, file{name: "a/1/package.json", body: raw}, file{name: "a/1/package.json", body: raw})
		tail, err := index.Scan(index.NewLog(bytes.NewReader(packed), index.Position{}), nil)
		if err != nil || tail.Changes[r].Replaced != want {
			t.Errorf("%s: replaced is not %v (%v)", raw, want, err)
		}
	}
}

// TestScanTakes asks once for each package and leaves the others out.
func TestScanTakes(t *testing.T) {
	t.Parallel()
	raw, _ := pack(t,
		file{name: "a/1/a.cabal"}, file{name: "b/1/b.cabal"}, file{name: "b/1/package.json", body: "bad, but not ours"},
		file{name: "b/preferred-versions"}, file{name: "a/2/a.cabal"}, file{name: "a/preferred-versions"})
	asked := make(map[string]int)
	tail, err := index.Scan(index.NewLog(bytes.NewReader(raw), index.Position{}), func(pkg string) bool {
		asked[pkg]++
		return pkg == "a"
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tail.Changes) != 2 || tail.Entries != 3 || tail.Preferred != 1 || tail.Skipped.Count != 0 {
		t.Errorf("tail is %+v, want two releases, three entries", tail)
	}
	if asked["a"] != 1 || asked["b"] != 1 {
		t.Errorf("asked for packages %v, want each once", asked)
	}
}

func TestScanOfDamagedIndex(t *testing.T) {
	t.Parallel()
	raw, _ := pack(t, small()...)
	if tail, err := index.Scan(index.NewLog(bytes.NewReader(raw[:700]), index.Position{}), nil); err == nil {
		t.Errorf("scan of a cut index gives %+v", tail)
	}
}

func TestParsePackageJSON(t *testing.T) {
	t.Parallel()
	r := index.Release{Package: "type-equality", Version: "1"}
	for form, md5 := range map[string]string{"server": "0123456789abcdef0123456789abcdef", "tool": ""} {
		if got, err := index.ParsePackageJSON(r, []byte(packageJSON(r, "tarball", md5))); err != nil || got != target("tarball") {
			t.Errorf("%s's form gives %+v, %v", form, got, err)
		}
	}
	good := packageJSON(r, "tarball", "")
	for name, raw := range map[string]string{
		"nothing":         "",
		"another release": packageJSON(index.Release{Package: "type-equality", Version: "1.0"}, "tarball", ""),
		"no repository":   strings.Replace(good, "<repo>/", "", 1),
		"no length":       strings.Replace(good, `,"length":7`, "", 1),
		"negative length": strings.Replace(good, `"length":7`, `"length":-7`, 1),
		"no digest":       strings.Replace(good, "sha256", "sha512", 1),
		"short digest":    strings.Replace(good, `"sha256":"`, `"sha256":"0`, 1),
		"other type":      strings.Replace(good, "Targets", "Snapshot", 1),
	} {
		if raw == good {
			t.Fatalf("%s: the test changes nothing", name)
		}
		got, err := index.ParsePackageJSON(r, []byte(raw))
		if err == nil || !strings.Contains(err.Error(), "type-equality-1") {
			t.Errorf("%s: parse gives %+v, %v; want an error that names the release", name, got, err)
		}
	}
}
