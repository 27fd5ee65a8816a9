package report

import (
	"fmt"
	"strings"
	"time"
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
	t.line("%s: %s, %s, %s in %s; index-state %s", r.verb(),
		Plural(len(r.New), "release"), Plural(r.Revisions, "revision"), size(r.Bytes), took(r.Took), r.indexState())
	for _, d := range r.Destinations {
		t.line("  %-18s %s: %s", d.Kind, d.Name, r.account(&d))
	}
	if r.Passed.Count > 0 {
		t.line("  skipped            %s of the index that are not files of a package, such as %s",
			Plural(r.Passed.Count, "entry"), strings.Join(r.Passed.Samples, ", "))
	}
	if r.Left > 0 {
		t.line("  still to come      %s, because %s; the next run goes on from here", Plural(r.Left, "release"), r.why())
	}
	if r.DryRun && r.Verbose {
		for _, release := range r.New {
			t.line("  would take         %s, %s", release.Release, size(release.Size))
		}
	}
	for _, what := range r.PutRight {
		t.line("  repaired           %s", what)
	}
	for i, owed := range r.Ledger {
		if i == maxLines {
			t.line("  pending            %s more; each destination's state lists all", count(len(r.Ledger)-i))
			break
		}
		why := owed.Advice()
		if owed.Why != "" {
			why = owed.Why + "; " + why
		}
		t.line("  pending            %s %s since %s: %s", owed.Release, owed.Reason, owed.Since.UTC().Format(time.DateOnly), why)
	}
	return t.out.String()
}

// text collects lines, each safe for a log.
type text struct{ out strings.Builder }

func (t *text) line(format string, args ...any) {
	t.out.WriteString(Line(fmt.Sprintf(format, args...)) + "\n")
}

// verb begins the text.
func (r *Run) verb() string {
	switch {
	case r.Outcome == Interrupted:
		return "interrupted"
	case r.Aborted:
		return "stopped by an error"
	case r.DryRun:
		return "dry run, nothing was written; there are"
	case r.allFailed():
		return "nothing was brought up to date"
	}
	return "done"
}

// allFailed reports whether no destination could be brought up to date.
func (r *Run) allFailed() bool {
	for _, d := range r.Destinations {
		if d.Err == "" {
			return false
		}
	}
	return true
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
	return "the time was up"
}

// account says what the run did with a destination.
func (r *Run) account(d *Destination) string {
	switch {
	case d.Err != "":
		return "not brought up to date: " + d.Err + d.partial()
	case r.DryRun && d.Entries > 0:
		return d.forecast()
	case r.DryRun:
		return "nothing new to it, " + d.where()
	case !d.Changed && r.ended():
		return "left as it was"
	case !d.Changed:
		return "nothing new" + d.readBack()
	case d.Kind != "bucket" && d.Commits == 0:
		return fmt.Sprintf("no file differs; the tag was set in %s", took(d.Took)) + d.compared()
	case d.Commit != "":
		return fmt.Sprintf("%s, head %.12s, in %s", Plural(d.Commits, "commit"), d.Commit, took(d.Took)) + d.compared()
	}
	return fmt.Sprintf("%s, %s, %s put in %s", Plural(d.Tarballs, "tarball"),
		Plural(d.Revisions, "revision"), size(d.Bytes), took(d.Took)) + d.readBack()
}

// readBack says how much of a bucket was read.
func (d *Destination) readBack() string {
	if d.Read == 0 {
		return ""
	}
	return fmt.Sprintf("; %s, %s read back", Plural(d.Read, "object"), size(d.ReadBytes))
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
	return fmt.Sprintf("; it holds %s more than before", Plural(d.Tarballs, "tarball"))
}

// where says how far a destination is.
func (d *Destination) where() string {
	if d.At.IsZero() {
		return "which is empty"
	}
	return "which is at index-state " + stamp(d.At, "")
}

// forecast says what a run that is not dry would begin with.
func (d *Destination) forecast() string {
	line := Plural(d.Entries, "entry") + " of the index are new to it, " + d.where()
	if d.Adopting != "" {
		line = fmt.Sprintf("it would change %s in %s, since it would be compared with the whole index, because %s",
			Plural(d.Files, "file"), Plural(d.Commits, "commit"), d.Adopting)
	}
	return line
}
