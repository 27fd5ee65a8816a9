package tuf_test

import (
	"maps"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

const fooTarball = "<repo>/package/foo-1.0.tar.gz"

// What stands before and behind the files of a package.json.
const (
	targetsHead = `{"signatures":[],"signed":{"_type":"Targets","expires":null,"targets":{`
	targetsTail = `},"version":0}}`
)

func TestParseTargets(t *testing.T) {
	t.Parallel()
	foo := info([]byte("foo"))
	entry := `"` + fooTarball + `":` + infoJSON([]byte("foo"))
	noMD5 := `"` + fooTarball + `":{"hashes":{"sha256":"` + sha256Hex([]byte("foo")) + `"},"length":3}`
	for _, c := range []struct {
		name, raw string
		version   int64
		files     map[string]tuf.FileInfo
	}{
		{"Hackage", targetsHead + entry + targetsTail, 0, map[string]tuf.FileInfo{fooTarball: foo}},
		{
			"the reference tool", `{"signatures":[],"signed":{"_type":"Targets","expires":null,"targets":{` + noMD5 + `},"version":1}}`,
			1,
			map[string]tuf.FileInfo{fooTarball: foo},
		},
		{
			"replaced, fields added, white space", ` { "x" : 1, "signatures":[], "signed":{"_type":"Targets","delegations":{},"expires":"2027-01-01T00:00:00Z","targets":{` + entry + `},"version":2}}` + "\n",
			2,
			map[string]tuf.FileInfo{fooTarball: foo},
		},
		{
			"two files", targetsHead + entry + `,"<index>/foo/1.0/foo.cabal":` + infoJSON(nil) + targetsTail,
			0,
			map[string]tuf.FileInfo{fooTarball: foo, "<index>/foo/1.0/foo.cabal": info(nil)},
		},
		{"no file", targetsHead + targetsTail, 0, nil},
		{"only an md5", targetsHead + `"` + fooTarball + `":{"hashes":{"md5":"00"},"length":3}` + targetsTail, 0, nil},
		{"short hash", targetsHead + `"` + fooTarball + `":{"hashes":{"sha256":"00"},"length":3}` + targetsTail, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			have, err := tuf.ParseTargets([]byte(c.raw))
			if err != nil {
				t.Fatal(err)
			}
			if have.Version != c.version || !maps.Equal(have.Files, c.files) {
				t.Errorf("version %d, files %v, want %d, %v", have.Version, have.Files, c.version, c.files)
			}
		})
	}
}

func TestParseTargetsRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, raw string
		want      any
	}{
		{"empty", ``, notJSON},
		{"cut", targetsHead, notJSON},
		{"file twice", targetsHead + `"<repo>/a":{"hashes":{},"length":1},"<repo>/a":{"hashes":{},"length":1}` + targetsTail, notJSON},
		{"no signatures", `{"signed":{"_type":"Targets","expires":null,"targets":{},"version":0}}`, misshapen},
		{"a snapshot", `{"signatures":[],"signed":{"_type":"Snapshot"}}`, otherType},
		{"no version", `{"signatures":[],"signed":{"_type":"Targets","expires":null,"targets":{}}}`, misshapen},
		{"no targets", `{"signatures":[],"signed":{"_type":"Targets","expires":null,"version":0}}`, misshapen},
		{"a path of its own", targetsHead + `"/etc/passwd":{"hashes":{},"length":1}` + targetsTail, misshapen},
		{"no length", targetsHead + `"<repo>/a":{"hashes":{}}` + targetsTail, misshapen},
		{"no hashes", targetsHead + `"<repo>/a":{"length":1}` + targetsTail, misshapen},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := tuf.ParseTargets([]byte(c.raw))
			mustBe(t, err, c.want, "read package.json")
		})
	}
}

// One for every release of Hackage is read on a first run.
func BenchmarkParseTargets(b *testing.B) {
	raw := []byte(targetsHead + `"` + fooTarball + `":` + infoJSON([]byte("foo")) + targetsTail)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tuf.ParseTargets(raw); err != nil {
			b.Fatal(err)
		}
	}
}
