package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/hackage-mirror/hackage-mirror/internal/report"
)

const actionFile = "../../action.yml"

// The Action's inputs are written by: go test ./internal/cli -run Action -update
func TestActionHasTheOptions(t *testing.T) {
	t.Parallel()
	have := readAction(t)
	want := have
	for name, line := range map[string]func(*kong.Flag) string{"inputs": actionInput, "environment": actionVariable} {
		want = betweenMarks(t, want, name, line)
	}
	if *update {
		if err := os.WriteFile(actionFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have != want {
		t.Errorf("the inputs in action.yml are not the options of the program; run: go test ./internal/cli -run Action -update")
	}
}

func readAction(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(actionFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// betweenMarks returns the text with a line for each option between the marks
// "# begin NAME" and "# end NAME".
func betweenMarks(t *testing.T, text, name string, line func(*kong.Flag) string) string {
	t.Helper()
	before, rest, ok := strings.Cut(text, "# begin "+name+"\n")
	inside, after, closed := strings.Cut(rest, "# end "+name+"\n")
	if !ok || !closed {
		t.Fatalf("action.yml lacks the marks of %q", name)
	}
	indent := inside[strings.LastIndexByte(inside, '\n')+1:]
	var b strings.Builder
	for flag := range flags(newTestParser(t), "sync") {
		b.WriteString(line(flag))
	}
	return before + "# begin " + name + "\n" + b.String() + indent + "# end " + name + "\n" + after
}

// actionInput is an option as an input of the Action. A string of JSON is one
// of YAML, too.
func actionInput(flag *kong.Flag) string {
	value := flag.Default
	if flag.IsBool() {
		value = "false"
	}
	return fmt.Sprintf("  %s:\n    description: %s\n    default: %s\n", flag.Name, yamlString(flag.Help), yamlString(value))
}

// actionVariable hands an input on to the program.
func actionVariable(flag *kong.Flag) string {
	variables := inputVariables(flag.Name)
	return fmt.Sprintf("        %s: ${{ inputs.%s }}\n", variables[len(variables)-1], flag.Name)
}

func yamlString(s string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic("run: a string has no JSON: " + err.Error()) // none has not
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// What a script is given as text it runs; so no script of the Action holds an
// expression, only the environment does.
func TestActionRunsNoInput(t *testing.T) {
	t.Parallel()
	_, runs, ok := strings.Cut(readAction(t), "\nruns:\n")
	if !ok {
		t.Fatal("action.yml runs nothing")
	}
	scripts := 0
	for block := range strings.SplitSeq(runs, "\n    - ") {
		_, script, ok := strings.Cut(block, "\n      run: ")
		if !ok {
			continue
		}
		scripts++
		if strings.Contains(script, "${{") {
			t.Errorf("a script of the Action holds an expression:\n%s", script)
		}
	}
	if scripts != 1 {
		t.Errorf("found %d scripts in action.yml, want 1", scripts)
	}
}

// An output's name and words are those of the program, its value comes from the
// step that runs the program, and docs/options.md has it.
//
// It is not parallel, because another test writes into the same file.
func TestDocsAndActionHaveTheOutputs(t *testing.T) {
	_, rest, _ := strings.Cut(readAction(t), "\noutputs:\n")
	outputs, _, ok := strings.Cut(rest, "\nruns:\n")
	if !ok {
		t.Fatal("action.yml has no outputs")
	}
	want, table := "", "| Output | Meaning |\n|---|---|\n"
	for _, o := range report.Outputs() {
		want += fmt.Sprintf("  %s:\n    description: %s\n    value: ${{ steps.run.outputs.%s }}\n", o.Name, yamlString(o.Means), o.Name)
		table += fmt.Sprintf("| `%s` | %s |\n", o.Name, escapeCell(o.Means))
	}
	if outputs != want {
		t.Errorf("the outputs in action.yml are\n%s, want\n%s", outputs, want)
	}
	docsHave(t, "outputs", table)
}
