// Package demo is a small Hackage inside the binary, for the demo command and
// for tests that want genuine packages.
//
// It holds two generations of one repository, as a mirror would meet it on two
// days. The first, gen1, has 26 releases. The second, gen2, has 56: 30 new
// releases, two revisions of random-1.2.1.1, one of tagged-0.8.8, and a
// preferred-versions of split. The index of gen2 begins with all entries of
// the index of gen1, and every file carries the signatures that Hackage's own
// tool made, valid until 2076. The tarballs of both lie in one folder, package.
// What they are and under which licences is in testdata/README.md.
package demo

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Generations is how many generations there are; they are counted from 1.
const Generations = 2

// Threshold is how many of the keys KeyIDs names must have signed the root.
const Threshold = 2

//go:embed gen1 gen2 package
var files embed.FS

// KeyIDs returns the full ids of the keys that sign the repository's root.
func KeyIDs() []string {
	return []string{
		"3824183f69183f8b198f249f3d60c9ab665cbda3ebe6a22be09508ed0a896972",
		"04a51b5a7548c13b08392e685b54b790c7bdb73366ce8fb8b02a7b00cec17f35",
		"4c2da726d964a0a765ba5c05c2b5f633e104abbd12ccc99fcffc3d96bc444460",
	}
}

// Files returns the embedded tree: the folders gen1 and gen2, each with
// root.json, timestamp.json, snapshot.json, mirrors.json and 01-index.tar.gz,
// and the folder package with the tarballs of both.
func Files() fs.FS { return files }

// Write lays one generation out below the folder dir as a repository in
// Hackage's layout, which a client or a mirror can read. An older generation
// in dir is replaced; timestamp.json comes last, as on Hackage.
func Write(dir string, generation int) error {
	if generation < 1 || generation > Generations {
		return fmt.Errorf("write demo generation %d: there are %d", generation, Generations)
	}
	names, err := fs.Glob(files, "package/*.tar.gz")
	if err != nil {
		return fmt.Errorf("list demo packages: %w", err)
	}
	for _, name := range append(names, "01-index.tar.gz", "mirrors.json", "root.json", "snapshot.json", "timestamp.json") {
		from, to := name, filepath.Join(dir, filepath.FromSlash(name))
		if !strings.HasPrefix(name, "package/") {
			from = fmt.Sprintf("gen%d/%s", generation, name)
		}
		raw, err := files.ReadFile(from)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o755)
		}
		if err == nil {
			err = os.WriteFile(to, raw, 0o644)
		}
		if err != nil {
			return fmt.Errorf("write demo file %q: %w", name, err)
		}
	}
	return nil
}
