// Package reference embeds small secure repositories that Hackage's own
// hackage-repo-tool made, each in several generations, for tests: "real" holds
// genuine packages of Hackage, "syn" some that were made for the purpose.
// README.md beside it says what is in each generation.
package reference

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/testdata/demo"
)

//go:embed real syn
var files embed.FS

// A Set is one repository, as its manifest.json has it.
type Set struct {
	name        string
	Generations map[string]Generation `json:"generations"`
	// RootKeys are the ids of the keys that sign the root, of which Threshold must.
	RootKeys  []string `json:"root_keys"`
	Threshold int      `json:"key_threshold"`
}

// A Generation is what is right for one generation.
type Generation struct {
	// Packages is how many releases it has.
	Packages int `json:"packages"`
	// Version is those of the metadata files.
	Version map[string]int64 `json:"version"`
	// IndexTar is what is signed of the index, the digest in hexadecimal.
	IndexTar struct {
		Length int64  `json:"length"`
		SHA256 string `json:"sha256"`
	} `json:"index_tar"`
}

// Read returns a set by its name.
func Read(name string) (Set, error) {
	s := Set{name: name}
	raw, err := files.ReadFile(name + "/manifest.json")
	if err != nil {
		return s, fmt.Errorf("read reference repository: %w", err)
	}
	return s, json.Unmarshal(raw, &s)
}

// File returns a file of a generation: one of the four of the metadata or
// 01-index.tar.gz, as it stands there, or 01-index.tar.
func (s Set) File(generation, name string) ([]byte, error) {
	if name != "01-index.tar" {
		return files.ReadFile(s.name + "/" + generation + "/" + name)
	}
	packed, err := s.File(generation, "01-index.tar.gz")
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// Write lays a generation out below a folder, in Hackage's layout. What the folder
// held before stays, as it does on a server.
func (s Set) Write(dir, generation string) error {
	list, err := s.File(generation, "PACKAGES.sha256")
	if err != nil {
		return err
	}
	packages, folder := demo.Files(), "package/" // which has those of "real"
	if s.name == "syn" {
		packages, folder = files, "syn/packages/"
	}
	content := map[string][]byte{}
	for line := range strings.Lines(string(list)) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if content["package/"+name], err = fs.ReadFile(packages, folder+name); err != nil {
			return err
		}
	}
	for _, name := range []string{"root.json", "mirrors.json", "snapshot.json", "timestamp.json", "01-index.tar.gz", "01-index.tar"} {
		if content[name], err = s.File(generation, name); err != nil {
			return err
		}
	}
	for name, raw := range content {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, raw, 0o644)); err != nil {
			return err
		}
	}
	return nil
}
