package report

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
)

// The variables by which the runner names the files that it reads after a step.
const (
	outputVariable  = "GITHUB_OUTPUT"
	summaryVariable = "GITHUB_STEP_SUMMARY"
)

// maxSummary is how long the job summary of a step may be, in bytes; GitHub
// shows none of a longer one. Something is left for the final newline.
const maxSummary = 1<<20 - 1024

// An Output is one that the Action has.
type Output struct {
	Name  string
	Means string // one sentence, for action.yml and docs/options.md
	value func(*Run) string
}

// Outputs returns the outputs of the Action in their order.
func Outputs() []Output {
	return []Output{
		{"changed", "Whether anything was written to a destination: true or false.", func(r *Run) string { return fmt.Sprint(r.Changed()) }},
		{"index-state", "Time of the newest entry of the index that a destination has, as cabal's index-state takes it; empty if none has any.", func(r *Run) string { return stamp(r.Index, "") }},
		{"index-length", "Length of the index up to there, in bytes, without its closing blocks.", func(r *Run) string { return number(r.Index.Length) }},
		{"releases", "How many releases came.", func(r *Run) string { return number(len(r.New)) }},
		{"revisions", "How many revisions came: changed .cabal files. The first one of a release is none.", func(r *Run) string { return number(r.Revisions) }},
		{"bytes", "Bytes of the tarballs that came.", func(r *Run) string { return number(r.Bytes) }},
		{"files-commit", "Commit that was pushed to the files repository; empty if none was.", func(r *Run) string { return r.commitOf("files-repository") }},
		{"hashes-commit", "Commit that was pushed to the hashes repository; empty if none was.", func(r *Run) string { return r.commitOf("hashes-repository") }},
		{"pending", "How many releases are still to come: not reached in this run, or not available yet.", func(r *Run) string { return number(r.Pending()) }},
		{"summary-json", "What the run did, as one line of JSON of less than 32,000 bytes; long lists are cut.", func(r *Run) string { return string(r.boundedJSON(maxSummaryJSON)) }},
	}
}

// commitOf returns the commit that was pushed to a kind of repository.
func (r *Run) commitOf(kind string) string {
	for _, d := range r.Destinations {
		if d.Kind == kind {
			return d.Commit
		}
	}
	return ""
}

// WantsFiles reports whether WriteFiles has something to write.
func WantsFiles(getenv func(string) string) bool {
	return getenv(outputVariable) != "" || getenv(summaryVariable) != ""
}

// WriteFiles tells GitHub's runner what the run did: the outputs into the file
// that GITHUB_OUTPUT names, and the job summary into that of
// GITHUB_STEP_SUMMARY. A variable that is not set means that nobody wants the
// file.
func (r *Run) WriteFiles(getenv func(string) string) error {
	return appendFiles(getenv, r.outputs, func(room int) string { return r.Markdown(linksOf(getenv), room) })
}

// WriteLook tells GitHub's runner what a look at a mirror found: text under a headline
// as the job summary, and JSON, by bounded, as the output summary-json.
func WriteLook(getenv func(string) string, headline, text string, bounded func(limit int) []byte) error {
	outputs := func(random func() string) string {
		return output("summary-json", string(bounded(maxSummaryJSON)), random)
	}
	return appendFiles(getenv, outputs, func(room int) string {
		summary := "### " + inline(headline) + "\n\n" + block(text, room/8) // an escape has up to five characters
		if len(summary) > room {
			return ""
		}
		return summary
	})
}

// appendFiles writes outputs, and a summary for which there is so much room.
func appendFiles(getenv func(string) string, outputs func(random func() string) string, summary func(room int) string) error {
	var errs []error
	if path := getenv(outputVariable); path != "" {
		errs = append(errs, appendFile(outputVariable, path, outputs(rand.Text)))
	}
	if path := getenv(summaryVariable); path != "" {
		errs = append(errs, appendFile(summaryVariable, path, summary(maxSummary-sizeOf(path))))
	}
	return errors.Join(errs...)
}

// outputs are in the form that holds values of any text: the name, "<<", a delimiter,
// the value, the delimiter again. Random makes a delimiter that nobody could know when
// they wrote what ended up in a value.
func (r *Run) outputs(random func() string) string {
	var out strings.Builder
	for _, o := range Outputs() {
		out.WriteString(output(o.Name, o.value(r), random))
	}
	return out.String()
}

// output is one of them.
func output(name, value string, random func() string) string {
	delimiter := "end_" + random()
	for strings.Contains(value, delimiter) {
		delimiter = "end_" + random()
	}
	return fmt.Sprintf("%s<<%s\n%s\n%s\n", name, delimiter, value, delimiter)
}

// sizeOf returns how long a file is, 0 if it is not there.
func sizeOf(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return int(info.Size())
}

// appendFile adds to a file of the runner in one write.
func appendFile(variable, path, content string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the file of %s: %w", variable, err)
	}
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the file of %s: %w", variable, err)
	}
	return nil
}
