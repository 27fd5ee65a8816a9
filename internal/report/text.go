package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// maxLines is how many releases of the ledger the text lists.
const maxLines = 30

// Text returns what a run did as lines for a terminal or a log. It is empty for
// a run that ended before it knew its destinations: then the error says it all.
func (r *Run) Text() string {
	if len(r.Destinations) == 0 {
		return ""
	}
	t := &text{}
	took := fmt.Sprintf(" in %s; index-state %s", Took(r.Took), r.indexState())
	if r.DryRun {
		took = "" // it would take longer
	}
	t.line("%s: %s, %s, %s%s", r.verb(),
		plain.Plural(len(r.New), "release"), plain.Plural(r.Revisions, "revision"), plain.Size(r.Bytes), took)
	for _, d := range r.Destinations {
		t.fact(d.Kind, "%s: %s", d.Name, r.account(&d))
	}
	if r.Skipped.Count > 0 {
		t.fact("skipped", "%s of the index that belong to no release, such as %s",
			plain.Plural(r.Skipped.Count, "entry"), strings.Join(r.Skipped.Samples, ", "))
	}
	if r.Left > 0 {
		t.fact("still to come", "%s, because %s; the next run picks up from there", plain.Plural(r.Left, "release"), r.why())
	}
	if r.DryRun && r.Verbose {
		for _, release := range r.New {
			t.fact("would bring", "%s, %s", release.Release, plain.Size(release.Size))
		}
	}
	for _, line := range r.deprecated(func(name string) string { return name }) {
		t.fact("deprecated", "%s", line)
	}
	if holds := r.holds(); holds != "" {
		t.fact("holds", "%s", holds)
	}
	for _, what := range slices.Concat(r.Repaired, r.Restored) {
		t.fact("repaired", "%s", what)
	}
	t.ledger(r.Ledger)
	return t.out.String()
}

// text collects lines, each safe for a log.
type text struct{ out strings.Builder }

func (t *text) line(format string, args ...any) {
	t.out.WriteString(Line(fmt.Sprintf(format, args...)) + "\n")
}

// fact is a line with what it is about in front.
func (t *text) fact(about, format string, args ...any) {
	t.line("  %-18s %s", about, fmt.Sprintf(format, args...))
}

// ledger lists what is missing, and why.
func (t *text) ledger(records []Record) {
	for i, record := range records {
		if i == maxLines {
			t.fact("pending", "%s more; the state of each destination lists all", plain.Count(len(records)-i))
			break
		}
		why := record.Advice()
		switch {
		case record.Reason == state.Mismatch && !record.Accepted && record.Why != "":
			why = record.Why // the error says what to do
		case record.Why != "":
			why = record.Why + "; " + why
		}
		t.fact("pending", "%s %s since %s: %s", record.Release, record.Reason, record.Since.UTC().Format(time.DateOnly), why)
	}
}

// verb begins the text.
func (r *Run) verb() string {
	switch {
	case r.Outcome == Interrupted:
		return "interrupted"
	case r.Aborted:
		return "stopped by an error"
	case r.DryRun:
		return "dry run, nothing was written; a run would bring"
	case r.failed() == len(r.Destinations):
		return "failed"
	}
	return "done"
}

// ended reports whether the run ended before its end.
func (r *Run) ended() bool { return r.Aborted || r.Outcome == Interrupted }

// why says why the run did not get to the end.
func (r *Run) why() string {
	switch {
	case r.Outcome == Interrupted:
		return "the run was interrupted"
	case r.Aborted:
		return "the run failed"
	}
	return "the time limit was reached"
}

// briefly bounds an error in the text, which the log has in full, in bytes.
const briefly = 60

// account says what the run did with a destination.
func (r *Run) account(d *Destination) string {
	switch {
	case d.Err != "" && r.Outcome == Interrupted:
		return "interrupted" + d.partial()
	case d.Err != "":
		return "failed: " + short(d.Err, briefly) + d.partial()
	case r.DryRun && d.Entries > 0:
		return d.forecast()
	case r.DryRun:
		return "nothing new for it, " + d.where()
	case !d.Changed && r.ended():
		return "left as it was"
	case !d.Changed:
		return "nothing new" + d.readBack()
	case d.Kind != "bucket" && d.Commits == 0:
		return fmt.Sprintf("no file changed; the tag was moved in %s", Took(d.Took)) + d.compared()
	case d.Commit != "":
		return fmt.Sprintf("%s, head %.12s, in %s", plain.Plural(d.Commits, "commit"), d.Commit, Took(d.Took)) + d.compared()
	}
	return fmt.Sprintf("%s, %s, %s written in %s", plain.Plural(d.Tarballs, "tarball"),
		plain.Plural(d.Revisions, "revision"), plain.Size(d.Bytes), Took(d.Took)) + d.readBack()
}

// readBack says how much of a bucket was read.
func (d *Destination) readBack() string {
	if d.Read == 0 {
		return ""
	}
	return fmt.Sprintf("; %s, %s read back", plain.Plural(d.Read, "object"), plain.Size(d.ReadBytes))
}

// compared says why a repository was compared with the whole index.
func (d *Destination) compared() string {
	if d.Adopting == "" {
		return ""
	}
	return "; compared with the whole index, because " + d.Adopting
}

// partial says what was put into a bucket that was not brought up to date.
func (d *Destination) partial() string {
	if d.Tarballs == 0 {
		return ""
	}
	return fmt.Sprintf("; %s were added all the same", plain.Plural(d.Tarballs, "tarball"))
}

// where says how far a destination is.
func (d *Destination) where() string {
	if !d.Was.IsZero() {
		return "which is at index-state " + stamp(d.Was, "") + " and would be compared with the whole index"
	}
	if d.At.IsZero() {
		return "which is empty"
	}
	return "which is at index-state " + stamp(d.At, "")
}

// forecast says what a run that is not dry would begin with.
func (d *Destination) forecast() string {
	line := plain.Plural(d.Entries, "entry") + " of the index are new for it, " + d.where()
	if d.Adopting != "" {
		line = fmt.Sprintf("it would change %s in %s after a comparison with the whole index, because %s",
			plain.Plural(d.Files, "file"), plain.Plural(d.Commits, "commit"), d.Adopting)
	}
	return line
}

// maxDeprecations is how many changes of deprecations are named.
const maxDeprecations = 30

// deprecated says in words which packages became deprecated, or no longer are.
// Name writes the name of a package.
func (r *Run) deprecated(name func(string) string) []string {
	return cut(r.Deprecations, maxDeprecations, func(d Deprecation) string {
		switch {
		case d.Ended:
			return name(d.Package) + " is no longer deprecated"
		case len(d.Instead) == 0:
			return name(d.Package)
		}
		instead := cut(d.Instead[:min(len(d.Instead), maxDeprecations)], maxDeprecations, name)
		return name(d.Package) + " in favour of " + strings.Join(instead, ", ")
	})
}

// cut writes at most so many entries of a list, and how many more there are.
func cut[T any](list []T, most int, write func(T) string) []string {
	var out []string
	for _, entry := range list[:min(most, len(list))] {
		out = append(out, write(entry))
	}
	if more := len(list) - most; more > 0 {
		out = append(out, "…and "+plain.Count(more)+" more")
	}
	return out
}

// holds says how large the mirror is, as far as that is known.
func (r *Run) holds() string {
	if r.Holds == nil {
		return ""
	}
	h := *r.Holds
	var parts []string
	for _, part := range []struct {
		n    int64
		text string
	}{
		{h.Packages, plain.Plural(int(h.Packages), "package")},
		{h.Releases, plain.Plural(int(h.Releases), "release")},
		{h.Revisions, plain.Plural(int(h.Revisions), "revision")},
		{h.Bytes, plain.Size(h.Bytes) + " of tarballs"},
	} {
		if part.n >= 0 {
			parts = append(parts, part.text)
		}
	}
	return strings.Join(parts, ", ")
}
