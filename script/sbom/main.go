// Command sbom lists what the programs of a release are made of, as an SPDX 2.3
// document in JSON: https://spdx.github.io/spdx-spec/v2.3/
//
//	sbom -version v1.2.3 -created 2026-11-22T00:00:00Z FILE...
//
// It reads the modules out of the programs themselves, so the list is that of
// what was linked. The same files give the same bytes.
package main

import (
	"crypto/sha1"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	version := flags.String("version", "", "version of the release")
	created := flags.String("created", "", "time to write as that of the document")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if _, err := time.Parse(time.RFC3339, *created); err != nil {
		return fmt.Errorf("read -created: %w", err)
	}
	if *version == "" || flags.NArg() == 0 {
		return errors.New("want -version and the programs of a release")
	}
	doc, err := describe(*version, *created, flags.Args())
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(doc)
}

// describe reads the programs.
func describe(version, created string, files []string) (*document, error) {
	infos := make([]*debug.BuildInfo, len(files))
	doc := &document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", ID: "SPDXRef-DOCUMENT",
		Creation: creation{Created: created, Creators: []string{"Tool: hackage-mirror-sbom"}},
	}
	for i, name := range files {
		info, err := buildinfo.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read program %q: %w", name, err)
		}
		f, err := fileOf(name)
		if err != nil {
			return nil, err
		}
		infos[i] = info
		doc.Files = append(doc.Files, f)
	}
	module := infos[0].Main.Path
	doc.Name = "hackage-mirror " + version
	doc.Namespace = "https://" + module + "/spdx/" + version
	main := packageOf(module, version)
	main.License, main.Purpose = "BSD-3-Clause", "APPLICATION"
	doc.Packages = append([]spdxPackage{main}, linked(infos)...)
	doc.relate()
	return doc, nil
}

// linked returns what was linked into any of the programs, in order.
func linked(infos []*debug.BuildInfo) []spdxPackage {
	packages := map[string]spdxPackage{}
	add := func(path, version string) { packages[path+"@"+version] = packageOf(path, version) }
	for _, info := range infos {
		// Such as "go1.26.8 X:experiment".
		goVersion, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ")
		add("stdlib", goVersion)
		for _, module := range info.Deps {
			if module.Replace != nil {
				module = module.Replace
			}
			add(module.Path, module.Version)
		}
	}
	var list []spdxPackage
	for _, key := range slices.Sorted(maps.Keys(packages)) {
		list = append(list, packages[key])
	}
	return list
}

// relate says how the parts of the document belong together: the first package
// is what the files are, and made of the others.
func (d *document) relate() {
	main := d.Packages[0].ID
	d.Relationships = []relationship{{d.ID, "DESCRIBES", main}}
	for _, p := range d.Packages[1:] {
		d.Relationships = append(d.Relationships, relationship{main, "DEPENDS_ON", p.ID})
	}
	for _, f := range d.Files {
		d.Relationships = append(d.Relationships, relationship{f.ID, "GENERATED_FROM", main})
	}
}

// packageOf describes a Go module.
func packageOf(path, version string) spdxPackage {
	return spdxPackage{
		ID: "SPDXRef-" + identifier("Module-"+path+"-"+version), Name: path, Version: version,
		Download: "NOASSERTION", License: "NOASSERTION", Concluded: "NOASSERTION", Copyright: "NOASSERTION",
		References: []reference{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")}},
	}
}

// fileOf describes a program.
func fileOf(name string) (spdxFile, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return spdxFile{}, err
	}
	first, second := sha1.Sum(raw), sha256.Sum256(raw)
	base := filepath.Base(name)
	return spdxFile{
		Name: "./" + base, ID: "SPDXRef-" + identifier("File-"+base), Types: []string{"BINARY"},
		Checksums: []checksum{{"SHA1", hex.EncodeToString(first[:])}, {"SHA256", hex.EncodeToString(second[:])}},
		Concluded: "NOASSERTION", Copyright: "NOASSERTION",
	}, nil
}

// identifier writes a name with the characters that SPDX allows in one.
func identifier(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, name)
}
