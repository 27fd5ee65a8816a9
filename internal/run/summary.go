package run

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// intent is the first line of a run: what will be done, and where.
func (r *syncer) intent() string {
	var to []string
	for _, s := range r.sites {
		to = append(to, fmt.Sprintf("%s %s", s.kind, s))
	}
	verb := "mirroring"
	if r.dryRun {
		verb = "dry run, writing nothing: would mirror"
	}
	line := fmt.Sprintf("%s %s to %s", verb, r.upstream, strings.Join(to, ", "))
	if r.packages != "" {
		line += ", only packages " + r.packages
	}
	return line
}

// A summary says what a run did.
type summary struct {
	dryRun    bool
	seconds   float64
	releases  int // tarballs that came
	revisions int
	bytes     int64
	left      int // tarballs that are still to come, because the time was up
	end       index.Position
	passed    index.Passed
	sites     []*site
	owed      state.Ledger
	alarms    []string // what was found amiss and put right
}

// summary collects what the run did.
func (r *syncer) summary() *summary {
	sum := &summary{
		dryRun: r.dryRun, seconds: r.env.Now().Sub(r.began).Seconds(),
		sites: r.sites, owed: state.Ledger{}, left: r.left,
	}
	sum.releases, sum.bytes = r.outcomes.came()
	if r.dryRun {
		sum.releases, sum.left, sum.end = r.left, 0, r.end
	}
	for _, s := range r.sites {
		sum.add(s)
	}
	return sum
}

// add takes a site's part into the summary.
func (sum *summary) add(s *site) {
	if s.tail != nil {
		if s.tail.Passed.Count > sum.passed.Count {
			sum.passed = s.tail.Passed
		}
		sum.revisions = max(sum.revisions, revisions(s.tail))
	}
	if s.destination == nil {
		return
	}
	if at := s.State().Position; s.err == nil && at.Length > sum.end.Length {
		sum.end = at
	}
	if s.bucket != nil {
		for _, text := range s.bucket.Alarms() {
			sum.alarms = append(sum.alarms, fmt.Sprintf("%s %s: %s", s.kind, s, text))
		}
	}
	for release, pending := range s.State().Ledger {
		if sum.owed[release].Reason != state.Mismatch {
			sum.owed[release] = pending // an alarm is never hidden by another site
		}
	}
}

// revisions counts the .cabal files of a stretch of the index.
func revisions(t *index.Tail) int {
	n := 0
	for _, news := range t.News {
		n += news.Cabals
	}
	return n
}

// write prints the summary.
func (sum *summary) write(w io.Writer) error {
	var out strings.Builder
	verb := "done"
	switch {
	case sum.dryRun:
		verb = "dry run, nothing was written; there are"
	case len(live(sum.sites)) == 0:
		verb = "nothing was brought up to date"
	}
	fmt.Fprintf(&out, "%s: %s, %s, %s in %.1f s; index-state %s\n", verb,
		plural(sum.releases, "release"), plural(sum.revisions, "revision"),
		humanize.IBytes(uint64(sum.bytes)), sum.seconds, indexState(sum.end))
	for _, s := range sum.sites {
		fmt.Fprintf(&out, "  %-18s %s: %s\n", s.kind, s, s.account(sum.dryRun))
	}
	if sum.passed.Count > 0 {
		fmt.Fprintf(&out, "  passed over        %s of the index that are none of ours, such as %s\n",
			plural(sum.passed.Count, "entry"), strings.Join(sum.passed.Samples, ", "))
	}
	if sum.left > 0 {
		fmt.Fprintf(&out, "  still to come      %s, because the time was up; the next run goes on from here\n", plural(sum.left, "release"))
	}
	for _, text := range sum.alarms {
		fmt.Fprintf(&out, "  put right          %s\n", text)
	}
	for i, release := range sum.owed.Sorted() {
		if i == maxPendingLines {
			fmt.Fprintf(&out, "  pending            %s more; each destination's state lists all\n", humanize.Comma(int64(len(sum.owed)-i)))
			break
		}
		p := sum.owed[release]
		fmt.Fprintf(&out, "  pending            %s %s since %s: %s\n", release, p.Reason, p.Since.Format(time.DateOnly), advice[p.Reason])
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// maxPendingLines is how many pending releases are listed.
const maxPendingLines = 30

// advice says what becomes of a pending release.
var advice = map[state.Reason]string{
	state.Missing:   "upstream has no such file yet; tried again in every run",
	state.Withdrawn: "upstream took it back; nothing to do",
	state.Mismatch:  "the bytes are not the signed ones, here or upstream; somebody has to look",
	state.Unsigned:  "the index has no package.json for it; taken as soon as there is one",
	state.Failed:    "it could not be fetched; tried again in every run",
}

// account says what became of a site.
func (s *site) account(dryRun bool) string {
	if s.err != nil {
		return "not brought up to date: " + s.err.Error()
	}
	if dryRun {
		return s.forecast()
	}
	took := fmt.Sprintf("%.1f s", s.took.Seconds())
	if s.bucket != nil {
		stats := s.bucket.Stats()
		if stats.Bytes == 0 {
			return "nothing new"
		}
		return fmt.Sprintf("%s, %s, %s put in %s", plural(stats.Tarballs, "tarball"),
			plural(stats.Revisions, "revision"), humanize.IBytes(uint64(stats.Bytes)), took)
	}
	if !s.commit.Changed {
		return "nothing new"
	}
	return fmt.Sprintf("%s, head %.12s, in %s", plural(s.commit.Commits, "commit"), s.commit.Commit, took)
}

// forecast says what a run that is not dry would begin with.
func (s *site) forecast() string {
	if s.tail == nil {
		return "nothing new"
	}
	line := fmt.Sprintf("%s of the index are new to it", plural(s.tail.Entries, "entry"))
	if s.repo != nil && s.repo.Adopting() != "" {
		line += "; it would be compared with the whole index, because " + s.repo.Adopting()
	}
	return line
}

// verdict is the run's error: of the sites that could not be brought up to date,
// or of what only a person can mend.
func (sum *summary) verdict() error {
	var errs []error
	for _, s := range sum.sites {
		if s.err != nil {
			errs = append(errs, fmt.Errorf("%s %q: %w", s.kind, s, s.err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if n := sum.owed.Count(state.Mismatch); n > 0 {
		return &ExitError{
			Code: CodeDegraded,
			Err:  fmt.Errorf("%s with bytes that are not the signed ones; all the rest is done", plural(n, "release")),
		}
	}
	if n := len(sum.alarms); n > 0 {
		return &ExitError{
			Code: CodeDegraded,
			Err:  fmt.Errorf("somebody else had written to a bucket: %s put right; find out who can write there", plural(n, "file")),
		}
	}
	return nil
}

// indexState is a position's time as cabal writes it.
func indexState(p index.Position) string {
	if p.IsZero() {
		return "none"
	}
	return p.Time.UTC().Format(time.RFC3339)
}

// plural writes a count with its noun.
func plural(n int, noun string) string {
	if n != 1 {
		if stem, y := strings.CutSuffix(noun, "y"); y {
			noun = stem + "ie"
		}
		noun += "s"
	}
	return humanize.Comma(int64(n)) + " " + noun
}
