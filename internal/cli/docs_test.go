package cli

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/hackage-mirror/hackage-mirror/internal/options"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
)

// The tables in docs/options.md are written by: go test ./internal/cli -run Docs -update
var update = flag.Bool("update", false, "write the tables into docs/options.md")

// It is not parallel, because another test writes into the same file.
func TestDocsHaveTheOptions(t *testing.T) {
	docsHave(t, "options", optionsTable(newTestParser(t)))
}

// docsHave compares the table between two marks of docs/options.md with the
// program's, or writes it.
func docsHave(t *testing.T, mark, table string) {
	t.Helper()
	const file = "../../docs/options.md"
	begin, end := "<!-- "+mark+" -->\n", "<!-- /"+mark+" -->"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	inside, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("docs/options.md lacks the marks %q and %q", begin, end)
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if inside != table {
		t.Errorf("the %s in docs/options.md are not those of the program; run: go test ./internal/cli -run Docs -update", mark)
	}
}

func newTestParser(t *testing.T) *kong.Kong {
	t.Helper()
	parser, err := newParser(&grammar{}, Env{}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

// Every field of Options must be an option with a help of its own.
func TestEveryFieldIsAnOption(t *testing.T) {
	t.Parallel()
	table := optionsTable(newTestParser(t))
	fields := reflect.TypeFor[options.Sync]()
	if rows := strings.Count(table, "\n") - 2; rows != fields.NumField() {
		t.Errorf("the table has %d rows for %d fields", rows, fields.NumField())
	}
	for i := range fields.NumField() {
		tag := fields.Field(i).Tag
		if name := tag.Get("name"); name == "" || !strings.Contains(table, "| `"+name+"` | ") {
			t.Errorf("%s has no row in the table", fields.Field(i).Name)
		}
		if help := tag.Get("help"); !strings.HasSuffix(help, ".") {
			t.Errorf("help of %s is %q; want a sentence", fields.Field(i).Name, help)
		}
	}
	for i := range fields.NumField() {
		name := fields.Field(i).Tag.Get("name")
		if _, ok := secret.ByOption(new(options.Sync))[name]; ok != (fields.Field(i).Type == reflect.TypeFor[secret.Secret]()) {
			t.Errorf("secrets() is wrong about %s", name)
		}
	}
}
