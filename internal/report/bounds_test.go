package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// whole is a first run of all of Hackage, in which all went wrong that can. Tests
// only read it.
var whole = sync.OnceValue(func() *Run {
	r := &Run{Tool: "hackage-mirror v1", Upstream: "https://hackage.haskell.org", Outcome: Failed, Error: strings.Repeat("a|<b>\n", 10_000), Began: began}
	for i := range 150_000 {
		id := index.Release{Package: fmt.Sprintf("a-package-with-quite-a-long-name-%d", i), Version: "1.2.3.4"}
		r.New = append(r.New, Release{Release: id, Time: began.Add(-time.Duration(i) * time.Hour), Size: 1 << 20})
		r.Ledger = append(r.Ledger, Record{Release: id, Reason: state.Failed, Since: began})
	}
	for i := range 100 {
		long := strings.Repeat("|", 1500)
		r.Destinations = append(r.Destinations, Destination{Kind: "bucket", Name: fmt.Sprint(i, long), Err: long, Adopting: long})
		r.Repaired = append(r.Repaired, long)
		r.Messages = append(r.Messages, Message{Warning, long})
		r.Expiries = append(r.Expiries, Expiry{Of: long, When: began, Soon: true, Do: long})
		r.Phases = append(r.Phases, Phase{"tarballs", time.Second, time.Minute})
	}
	r.Destinations = append(r.Destinations, Destination{Kind: "files-repository", Name: "github.com:a/b", Commit: strings.Repeat("a", 40), Commits: 7000, Changed: true})
	return r
})

func TestSummaryOfTheWholeOfHackageFits(t *testing.T) {
	t.Parallel()
	_, got := writeFiles(t, whole())
	if len(got) >= 1<<20 || len(got) < 10_000 {
		t.Errorf("a job summary of %d bytes", len(got))
	}
	for _, want := range []string{"❌", "newest of 150,000 releases", "…and 149,"} {
		if !strings.Contains(got, want) {
			t.Errorf("the summary lacks %q", want)
		}
	}
	checkMarkdown(t, got)
}

// A step may have written a summary already, and each watch adds one.
func TestSummaryMindsWhatIsThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "summary")
	env := func(name string) string { return map[string]string{"GITHUB_STEP_SUMMARY": path}[name] }
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 1_000_000)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := whole()
	for range 3 {
		if err := r.WriteFiles(env); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() >= 1<<20 {
		t.Errorf("%d bytes of summary", info.Size())
	}
	for _, room := range []int{-1, 0, 1, 100} {
		if got := r.Markdown(Links{}, room); len(got) > max(room, 0) {
			t.Errorf("%d bytes where there is room for %d", len(got), room)
		}
	}
}

func TestJSONIsBounded(t *testing.T) {
	t.Parallel()
	r := whole()
	var short, long struct {
		Cut               bool
		Releases, Pending int
		New               []json.RawMessage
	}
	got := r.boundedJSON(maxSummaryJSON)
	if len(got) >= maxSummaryJSON || strings.ContainsAny(string(got), "\r\n") {
		t.Errorf("summary-json has %d bytes", len(got))
	}
	if err := json.Unmarshal(got, &short); err != nil {
		t.Fatal(err)
	}
	if !short.Cut || short.Releases != 150_000 || short.Pending != 150_000 || len(short.New) == 0 {
		t.Errorf("summary-json: cut %t, %d releases, %d pending, %d listed", short.Cut, short.Releases, short.Pending, len(short.New))
	}
	if err := json.Unmarshal(r.JSON(), &long); err != nil {
		t.Fatal(err)
	}
	if long.Cut || len(long.New) != 150_000 {
		t.Errorf("JSON of %d releases, cut: %t", len(long.New), long.Cut)
	}
}

func TestLongLedgerIsCutInText(t *testing.T) {
	t.Parallel()
	got := whole().Text()
	if n := strings.Count(got, "\n  pending "); n != maxLines+1 || !strings.Contains(got, "149,970 more") {
		t.Errorf("%d lines of the ledger in:\n%.3000s", n, got)
	}
}

func TestLongestPhasesAreDrawn(t *testing.T) {
	t.Parallel()
	r := quiet()
	r.Phases = nil
	for i := range 100 {
		begin := time.Duration(i) * time.Minute
		r.Phases = append(r.Phases, Phase{"metadata", begin, begin + 10*time.Millisecond}, Phase{fmt.Sprint("tarballs ", i), begin, begin + time.Duration(i)*time.Second/2})
	}
	got := r.phases()
	if n := strings.Count(got, " : 2000-01-01 "); n != maxPhases || !strings.Contains(got, "tarballs 99, 50 seconds : 2000-01-01 01:39:00.000, ") {
		t.Errorf("%d phases are drawn:\n%s", n, got)
	}
}
