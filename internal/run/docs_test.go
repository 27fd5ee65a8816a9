package run

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
)

// The README's table is written by: go test ./internal/run -run README -update
var update = flag.Bool("update", false, "write the options table into README.md")

func TestREADMEHasTheOptions(t *testing.T) {
	t.Parallel()
	readmeHas(t, "options", OptionsTable(), "README")
}

// readmeHas holds the README's table between two marks against the program's, or
// writes it. The name is that of the tests that do.
func readmeHas(t *testing.T, mark, table, name string) {
	t.Helper()
	const readme = "../../README.md"
	begin, end := "<!-- "+mark+" -->\n", "<!-- /"+mark+" -->"
	raw, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	inside, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("README.md lacks the marks %q and %q", begin, end)
	}
	if *update {
		if err := os.WriteFile(readme, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if inside != table {
		t.Errorf("the %s in README.md are not those of the program; run: go test ./internal/run -run %s -update", mark, name)
	}
}

// Every field of Options must be an option with a help of its own.
func TestEveryFieldIsAnOption(t *testing.T) {
	t.Parallel()
	table := OptionsTable()
	fields := reflect.TypeFor[Options]()
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
		if _, ok := new(Options).secrets()[name]; ok != (fields.Field(i).Type == reflect.TypeFor[Secret]()) {
			t.Errorf("secrets() is wrong about %s", name)
		}
	}
}
