package arch_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/hackage-mirror/hackage-mirror"

// A graph has, by room, the import paths of all its files that are no tests. A
// room is named by its folder below the module's root, "." for the root.
type graph map[string][]string

// A room is a line of the table.
type room struct {
	imports []string // the rooms it may import
	stdOnly bool     // no other modules
}

// rules say which imports a graph may have.
type rules struct {
	rooms map[string]room
	// only has packages that just the rooms named may import. A path that ends
	// with a slash stands for all below it.
	only map[string][]string
}

// design is section "Rooms" of the design, as rules.
func design() rules {
	return rules{
		rooms: map[string]room{
			"internal/arch":      {stdOnly: true},
			"internal/acttest":   {stdOnly: true},
			"internal/doctest":   {stdOnly: true},
			"internal/tuf":       {stdOnly: true},
			"internal/midstate":  {stdOnly: true},
			"internal/bucket":    {imports: internal("bounded", "midstate"), stdOnly: true},
			"internal/paste":     {stdOnly: true},
			"internal/openpgp":   {imports: internal("paste")},
			"internal/gitpack":   {imports: internal("openpgp")},
			"internal/gitrepo":   {imports: internal("addresses", "gitpack", "gitrepo/sshauth", "openpgp", "paste", "plain", "temp"), stdOnly: true},
			"internal/plain":     {},
			"internal/bounded":   {stdOnly: true},
			"internal/addresses": {stdOnly: true},
			"internal/temp":      {},
			"testdata/demo":      {stdOnly: true},
			"internal/index":     {imports: internal("midstate", "tuf"), stdOnly: true},
			"internal/hashes":    {imports: internal("index"), stdOnly: true},
			"internal/hackage":   {imports: internal("addresses", "bounded", "index", "midstate", "plain", "state", "tuf")},
			"internal/status":    {stdOnly: true},
			"internal/page":      {imports: internal("addresses", "plain", "status")},
			"internal/pace":      {imports: internal("bounded", "plain"), stdOnly: true},
			"internal/state":     {imports: internal("hashes", "index", "midstate"), stdOnly: true},
			"internal/mirror":    {imports: internal("bucket", "hackage", "hashes", "index", "midstate", "state", "tuf")},
			"internal/allcabal":  {imports: internal("gitpack", "gitrepo", "hackage", "hashes", "index", "openpgp", "plain", "state")},
			"internal/report":    {imports: internal("addresses", "index", "plain", "state", "status")},
			"internal/setup":     {imports: append(internal("addresses", "bounded", "bucket/open", "bucket/s3", "gitpack", "gitrepo", "gitrepo/sshauth", "openpgp", "pace", "paste", "plain"), ".github/workflows")},
			"internal/run": {imports: internal("allcabal", "announce", "bucket", "gitrepo", "hackage", "hashes", "health", "index", "mirror",
				"openpgp", "plain", "progress", "report", "state", "status", "selection", "tuf")},
			"internal/announce": {imports: internal("bucket", "hackage", "health", "index", "mirror", "page", "plain", "report", "state", "status", "tuf")},
			"internal/cli": {imports: append(internal("allcabal", "bounded", "bucket", "bucket/open", "gitrepo", "gitrepo/sshauth", "hackage",
				"mirror", "notify", "openpgp", "options", "pace", "paste", "plain", "probe", "progress", "report", "run", "secret", "selection", "setup", "state", "status", "temp", "tuf"), "testdata/demo")},
			"internal/gitrepo/sshauth": {imports: internal("paste", "temp")},
			"internal/secret":          {imports: internal("addresses", "bounded", "paste"), stdOnly: true},
			"internal/selection":       {stdOnly: true},
			"internal/options":         {imports: internal("addresses", "allcabal", "bounded", "bucket/open", "bucket/s3", "gitrepo", "gitrepo/sshauth", "mirror", "notify", "openpgp", "paste", "run", "secret", "selection"), stdOnly: true},
			"internal/notify":          {imports: internal("addresses", "health", "plain", "report", "secret", "status")},
			"internal/progress":        {imports: internal("plain", "report")},
			"internal/health":          {imports: internal("addresses", "allcabal", "index", "plain", "report", "status"), stdOnly: true},
			"internal/probe":           {imports: internal("allcabal", "hackage", "health", "index", "midstate", "mirror", "openpgp", "paste", "plain", "report", "selection", "state", "status", "tuf")},
			"internal/bucket/folder":   {imports: internal("addresses", "bucket")},
			"internal/bucket/s3":       {imports: internal("bucket", "paste", "plain")},
			"internal/bucket/open":     {imports: internal("bucket", "bucket/folder", "bucket/s3"), stdOnly: true},
			// For tests only: no room has them among its imports.
			"testdata/hackage":           {imports: []string{"testdata/demo"}, stdOnly: true},
			"internal/hackagetest":       {imports: internal("index"), stdOnly: true},
			"internal/bucket/buckettest": {imports: internal("bucket", "midstate")},
			"internal/bucket/s3test":     {imports: internal("servertest")},
			"internal/gitpack/packtest":  {stdOnly: true},
			"internal/gitrepo/sshtest":   {imports: internal("servertest")},
			"internal/servertest":        {stdOnly: true},
			// The benchmarks, which measure what the tests hold right.
			"script/benchmark": {imports: internal("gitrepo/sshtest", "hackagetest", "index", "openpgp", "servertest")},
			// Plays a year of uploads against each pace.
			"script/freshness": {stdOnly: true},
			// Lists what a release is made of.
			"script/sbom": {stdOnly: true},
			".":           {imports: internal("cli"), stdOnly: true},
		},
		only: map[string][]string{
			"log":      {},
			"log/slog": {"internal/secret"}, // which hides from it
			// Who talks to others, or starts a program.
			"net/http":                {"internal/bucket/s3", "internal/bucket/s3test", "internal/cli", "internal/hackage", "internal/hackagetest", "internal/notify", "internal/pace"},
			"os/exec":                 {"internal/bucket/s3test", "internal/cli", "internal/gitrepo", "internal/gitrepo/sshauth", "internal/gitrepo/sshtest", "internal/servertest", "script/benchmark"},
			"os/signal":               {"internal/cli", "script/benchmark"},
			"golang.org/x/crypto/ssh": {"internal/gitrepo/sshauth", "internal/gitrepo/sshtest", "internal/setup"},
			"github.com/aws/":         {"internal/bucket/s3", "internal/bucket/s3test"},
			// Keys are read in one place, options in another, and so on.
			"github.com/ProtonMail/":                {"internal/openpgp"},
			"github.com/alecthomas/":                {"internal/cli"},
			"github.com/sethvargo/go-githubactions": {"internal/report"},
			"github.com/vbauerster/":                {"internal/progress"},
			"github.com/gorilla/feeds":              {"internal/page"},
			"github.com/prometheus/":                {"internal/page"},
			"github.com/cenkalti/":                  {"internal/hackage"},
			"github.com/klauspost/":                 {"internal/gitpack", "internal/hackage", "script/benchmark"},
		},
	}
}

// internal returns the rooms of these names.
func internal(names ...string) []string {
	rooms := make([]string, len(names))
	for i, name := range names {
		rooms[i] = "internal/" + name
	}
	return rooms
}

// check returns what a graph does against the rules, in order.
func (r rules) check(g graph) []string {
	var wrong []string
	for from, imports := range g {
		if _, known := r.rooms[from]; !known {
			wrong = append(wrong, fmt.Sprintf("%s is not in the table of rooms", from))
			continue
		}
		for _, to := range imports {
			if complaint := r.checkImport(from, to); complaint != "" {
				wrong = append(wrong, complaint)
			}
		}
	}
	slices.Sort(wrong)
	return slices.Compact(wrong)
}

// unused returns what the table allows and nobody needs, in order.
func (r rules) unused(g graph) []string {
	var wrong []string
	for from, room := range r.rooms {
		imports, there := g[from]
		if !there {
			wrong = append(wrong, fmt.Sprintf("%s is in the table of rooms, and there is none", from))
			continue
		}
		for _, to := range room.imports {
			if !slices.Contains(imports, module+"/"+to) {
				wrong = append(wrong, fmt.Sprintf("%s may import %s and does not", from, to))
			}
		}
		other := func(to string) bool { _, inside := roomOf(to); return !inside && !standard(to) }
		if !room.stdOnly && !slices.ContainsFunc(imports, other) {
			wrong = append(wrong, fmt.Sprintf("%s imports no other module: it is stdOnly", from))
		}
	}
	for banned, allowed := range r.only {
		for _, from := range allowed {
			if !slices.ContainsFunc(g[from], func(to string) bool { return covers(banned, to) }) {
				wrong = append(wrong, fmt.Sprintf("%s may import %s and does not", from, banned))
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

// covers reports whether a path of the table is an import's, or has it below.
func covers(banned, to string) bool {
	return to == banned || strings.HasSuffix(banned, "/") && strings.HasPrefix(to+"/", banned)
}

// checkImport returns what is wrong with one import, or nothing.
func (r rules) checkImport(from, to string) string {
	if inside, ok := roomOf(to); ok {
		if !slices.Contains(r.rooms[from].imports, inside) {
			return fmt.Sprintf("%s may not import the room %s", from, inside)
		}
		return ""
	}
	for banned, allowed := range r.only {
		if covers(banned, to) && !slices.Contains(allowed, from) {
			return fmt.Sprintf("%s may not import %s", from, to)
		}
	}
	if r.rooms[from].stdOnly && !standard(to) {
		return fmt.Sprintf("%s may import the standard library only, not %s", from, to)
	}
	return ""
}

// roomOf returns the room that an import path of this module names.
func roomOf(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// standard tells whether an import path is one of the standard library: all
// others have a dot in their first element.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// load reads the imports of all Go files below root that are no tests, those
// for other systems too, and the same folders as the go command would.
func load(root string) (graph, error) {
	g := graph{}
	tree := os.DirFS(root)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		hidden := name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_"))
		switch {
		case d.IsDir() && (hidden || base == "testdata" && name != "testdata"):
			return fs.SkipDir
		case d.IsDir(), hidden, path.Ext(name) != ".go", strings.HasSuffix(name, "_test.go"):
			return nil
		}
		raw, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return g.add(name, raw)
	})
	if err != nil {
		return nil, fmt.Errorf("read imports below %q: %w", root, err)
	}
	return g, nil
}

// add puts the imports of one file into the graph.
func (g graph) add(name string, raw []byte) error {
	file, err := parser.ParseFile(token.NewFileSet(), name, raw, parser.ImportsOnly)
	if err != nil {
		return err
	}
	from := path.Dir(name)
	imports := g[from] // A file without imports makes a room, too.
	for _, spec := range file.Imports {
		to, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		imports = append(imports, to)
	}
	g[from] = imports
	return nil
}

func TestImportsPointBackAlongTheFlow(t *testing.T) {
	t.Parallel()
	g, err := load(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, anchor := range []string{"internal/arch", "internal/index", "testdata/demo"} {
		if _, ok := g[anchor]; !ok {
			t.Errorf("%s was not found: is this the whole repository?", anchor)
		}
	}
	for _, wrong := range append(design().check(g), design().unused(g)...) {
		t.Error(wrong)
	}
}

func TestUnusedPermissionsAreRefused(t *testing.T) {
	t.Parallel()
	r := rules{
		rooms: map[string]room{
			"a": {imports: []string{"b", "c"}}, "b": {stdOnly: true}, "c": {}, "d": {stdOnly: true},
		},
		only: map[string][]string{"net/http": {"a", "b"}, "github.com/x/": {"a"}},
	}
	g := graph{"a": {module + "/b", "github.com/x/y", "net/http"}, "b": {"fmt"}, "c": {"fmt", module + "/b"}}
	want := []string{
		"a may import c and does not", "b may import net/http and does not",
		"c imports no other module: it is stdOnly", "d is in the table of rooms, and there is none",
	}
	if got := r.unused(g); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What a destination says of itself is read and written without a network, and so is
// all that it is built on.
func TestTheStateLinksNoNetwork(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", module+"/internal/state").Output()
	if err != nil {
		t.Fatalf("list what the state is built on: %v", err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, module+"/internal/index") {
		t.Errorf("the state is built on %q", deps)
	}
	for _, network := range []string{"net", "net/http", "os/exec"} {
		if slices.Contains(deps, network) {
			t.Errorf("the state links %s", network)
		}
	}
}

func TestCheckTakesWhatTheDesignAllows(t *testing.T) {
	t.Parallel()
	g := graph{
		".":                  {"context", "os", module + "/internal/cli"},
		"internal/cli":       {module + "/internal/run", module + "/testdata/demo", "github.com/x/y"},
		"internal/run":       {module + "/internal/mirror", "github.com/x/y"},
		"internal/mirror":    {module + "/internal/bucket", module + "/internal/tuf"},
		"internal/bucket/s3": {"github.com/aws/aws-sdk-go-v2/service/s3"},
		"internal/hashes":    {"crypto/md5", module + "/internal/index"},
		"internal/tuf":       {"crypto/ed25519"},
		"internal/openpgp":   {"github.com/ProtonMail/go-crypto/openpgp"},
	}
	for _, wrong := range design().check(g) {
		t.Error(wrong)
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, want string }{
		{"internal/index", module + "/internal/hackage", "internal/index may not import the room internal/hackage"},
		{"internal/tuf", module + "/internal/index", "internal/tuf may not import the room internal/index"},
		{"internal/bucket", module + "/internal/hackage", "internal/bucket may not import the room internal/hackage"},
		{"internal/gitrepo", module + "/internal/index", "internal/gitrepo may not import the room internal/index"},
		{"internal/mirror", module + "/internal/allcabal", "internal/mirror may not import the room internal/allcabal"},
		{"internal/report", module + "/internal/run", "internal/report may not import the room internal/run"},
		{"internal/run", module + "/internal/cli", "internal/run may not import the room internal/cli"},
		{"internal/probe", module + "/internal/run", "internal/probe may not import the room internal/run"},
		{"internal/run", module + "/internal/hackagetest", "internal/run may not import the room internal/hackagetest"},
		{"internal/mirror", module + "/internal/bucket/buckettest", "internal/mirror may not import the room internal/bucket/buckettest"},
		{"internal/run", module, "internal/run may not import the room ."},
		{".", module + "/internal/mirror", ". may not import the room internal/mirror"},
		{"internal/tuf", "github.com/x/y", "internal/tuf may import the standard library only, not github.com/x/y"},
		{"internal/mirror", "log/slog", "internal/mirror may not import log/slog"},
		{"internal/run", "log", "internal/run may not import log"},
		{"internal/mirror", "github.com/aws/aws-sdk-go-v2/aws", "internal/mirror may not import github.com/aws/aws-sdk-go-v2/aws"},
		{"internal/hashes", "github.com/x/y", "internal/hashes may import the standard library only, not github.com/x/y"},
		{"internal/attic", "fmt", "internal/attic is not in the table of rooms"},
	} {
		got := design().check(graph{c.from: {"fmt", c.to, c.to}})
		if !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s imports %s: got %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

func TestOnlyTheCommandImportsTheCommandLine(t *testing.T) {
	t.Parallel()
	for from, r := range design().rooms {
		if from != "." && slices.Contains(r.imports, "internal/cli") || !slices.Contains([]string{"internal/cli", "internal/options"}, from) && slices.Contains(r.imports, "internal/run") {
			t.Errorf("%s may import cli or run", from)
		}
		for _, to := range r.imports {
			if strings.HasSuffix(to, "test") && !strings.HasSuffix(from, "test") && !strings.HasPrefix(from, "script/") {
				t.Errorf("%s may import %s, which is for tests", from, to)
			}
		}
	}
}

func TestLoadReadsWhatIsBuilt(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, content := range map[string]string{
		"main.go":                  "package main\nimport \"os\"\n",
		"a/a.go":                   "package a\nimport b \"x.org/b\"\n",
		"a/a_windows.go":           "//go:build windows\npackage a\nimport _ \"unsafe\"\n",
		"a/a_test.go":              "package a\nimport \"testing\"\n",
		"a/testdata/broken.go":     "no Go",
		"a/.hidden/h.go":           "no Go",
		"_old/o.go":                "no Go",
		"docs/readme.md":           "no Go",
		"testdata/demo/nothing.go": "package demo\n",
	} {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	g, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	want := graph{".": {"os"}, "a": {"x.org/b", "unsafe"}, "testdata/demo": {}}
	if len(g) != len(want) {
		t.Errorf("got the rooms %v, want %v", g, want)
	}
	for from, imports := range want {
		if got, ok := g[from]; !ok || !slices.Equal(got, imports) {
			t.Errorf("%s imports %q, want %q", from, got, imports)
		}
	}
}

func TestLoadNamesABrokenFile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "broken.go"), []byte("no Go"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := load(root); err == nil || !strings.Contains(err.Error(), "broken.go") {
		t.Errorf("got %v", err)
	}
}

// The map in CONTRIBUTING.md names every room, and no file that there is not.
func TestMapOfTheCodeIsTrue(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	raw, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(raw), "\n## A map of the code\n")
	text, _, _ = strings.Cut(text, "\n## ")
	named := map[string]bool{}
	files, folder := 0, "" // a file without a folder is beside the one before
	for i, quoted := range strings.Split(text, "`") {
		if i%2 == 0 {
			continue
		}
		named[quoted] = true
		if !strings.HasSuffix(quoted, ".go") || quoted == "main.go" {
			continue
		}
		if strings.Contains(quoted, "/") {
			folder = path.Dir(quoted)
		}
		files++
		if _, err := os.Stat(filepath.Join(root, "internal", filepath.FromSlash(folder), path.Base(quoted))); err != nil {
			t.Errorf("the map names %s: %v", quoted, err)
		}
	}
	if files < 10 {
		t.Errorf("the map names %d files", files)
	}
	for room := range design().rooms {
		parts := strings.Split(room, "/")
		if parts[0] == "internal" && len(parts) == 2 && !named[room] && room != "internal/arch" {
			t.Errorf("the map does not name %s", room)
		}
		if len(parts) == 3 && !named[parts[2]] && !strings.HasSuffix(room, "test") {
			t.Errorf("the map does not name %s below %s", parts[2], path.Join(parts[:2]...))
		}
	}
	for name := range named {
		if _, known := design().rooms[name]; strings.HasPrefix(name, "internal/") && !known && name != "internal/" {
			t.Errorf("the map names %s, which is no room", name)
		}
	}
}

// The rows of the map stand so that a room imports only what is in its own row or below.
func TestMapOfTheCodeIsInOrder(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := map[string]int{}
	for i, line := range strings.Split(string(raw), "\n") {
		names, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		for _, name := range strings.Split(names, "`") {
			if strings.HasPrefix(line, "|") && strings.HasPrefix(name, "internal/") {
				row[name] = i
			}
		}
	}
	for from, r := range design().rooms {
		for _, to := range r.imports {
			above, below := row[from], row[to]
			if above != 0 && below != 0 && below < above && !strings.HasSuffix(from, "test") {
				t.Errorf("%s imports %s, which the map has above it", from, to)
			}
		}
	}
	if len(row) < 20 {
		t.Errorf("the map has %d rooms", len(row))
	}
}
