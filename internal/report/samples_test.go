package report

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// The golden files are written by: go test ./internal/report -run Golden -update
var update = flag.Bool("update", false, "write the golden files")

// began is when the runs of the samples began.
var began = time.Date(2026, 11, 22, 6, 23, 5, 0, time.UTC)

func release(t testing.TB, id string) index.Release {
	t.Helper()
	r, err := index.ParseRelease(id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// samples are runs of all kinds, by the name of their golden files.
func samples(t testing.TB) map[string]*Run {
	t.Helper()
	return map[string]*Run{
		"daily": daily(t), "quiet": quiet(), "failed": failed(), "interrupted": interrupted(t),
		"dry": dry(t), "partly": partly(), "hostile": hostile(), "first": first(t),
	}
}

// daily is a run with a bit of everything.
func daily(t testing.TB) *Run {
	at := index.Position{Prefix: midstate.Prefix{Length: 932_483_072}, Time: began.Add(-23 * time.Minute)}
	r := &Run{
		Tool: "hackage-mirror v1.2.3", Upstream: "https://hackage.haskell.org", Outcome: Degraded,
		Error:     "broken-1.0: upstream has 47,230 bytes where 47,229 are signed",
		PublicURL: "https://hackage.example.org", Tag: "current-hackage", Fingerprint: "0123456789ABCDEF0123456789ABCDEF01234567",
		Revised: []index.Release{release(t, "acme-0.1"), release(t, "lens-5.3.3"), release(t, "vector-0.13.2.0")},
		Began:   began, Took: 6_412 * time.Millisecond, Index: at, Revisions: 21, Bytes: 4_813_120,
		Skipped: index.Skipped{Count: 2, Samples: []string{`"acme/../../etc/passwd"`, `"x/1/notes.txt"`}},
		Destinations: []Destination{
			{Kind: "bucket", Name: "s3://my-hackage/mirror", At: at, Changed: true, Tarballs: 14, Revisions: 21, Bytes: 11_213_445, Pending: 4, Took: 5_310 * time.Millisecond},
			{Kind: "files-repository", Name: "github.com:somebody/all-cabal-files.git", At: at, Changed: true, Commits: 1, Commit: "6fb8fa3a2c0f7f9d2d7a1f4be6f1f1b5e2a7c9d1", Took: 2_044 * time.Millisecond},
			{Kind: "hashes-repository", Name: "https://github.com/somebody/all-cabal-hashes", At: at, Changed: true, Commits: 3, Commit: "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", Pending: 4, Took: 2_918 * time.Millisecond},
		},
		Phases: []Phase{
			{"states", 0, 412 * time.Millisecond},
			{"metadata", 412 * time.Millisecond, 701 * time.Millisecond},
			{"index", 701 * time.Millisecond, 1_480 * time.Millisecond},
			{"tarballs", 1_480 * time.Millisecond, 3_390 * time.Millisecond},
			{"repositories", 3_390 * time.Millisecond, 6_308 * time.Millisecond},
			{"buckets", 3_390 * time.Millisecond, 6_011 * time.Millisecond},
		},
		Ledger: []Record{
			{Release: release(t, "acme-missiles-0.3"), Reason: state.Withdrawn, Since: began.AddDate(0, -3, 0)},
			{
				Release: release(t, "broken-1.0"), Reason: state.Mismatch, Since: began.AddDate(0, 0, -2), Why: "upstream has 47,230 bytes where 47,229 are signed",
				Do: "it was not published; ask upstream, or acknowledge exactly these bytes with", Paste: "gh variable set ACCEPT_MISMATCH --body 'broken-1.0@0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'",
			},
			{Release: release(t, "odd-2.0"), Reason: state.Mismatch, Since: began.AddDate(0, 0, -9), Do: "acknowledged; it is not published", Accepted: true},
			{Release: release(t, "fresh-0.1"), Reason: state.Missing, Since: began},
			{Release: release(t, "fresh-0.2"), Reason: state.Missing, Since: began},
		},
		Repaired:     []string{"bucket s3://my-hackage/mirror: package/alpha-0.2/revision/1.cabal held other bytes; find out who else can write there"},
		Deprecations: []Deprecation{{Package: "haste", Instead: []string{"ghcjs", "miso"}}, {Package: "acme-now"}, {Package: "revived", Ended: true}},
		Holds:        &status.Holds{Packages: 18_344, Releases: 150_217, Revisions: 303_521, Bytes: 12_884_901_888},
		Expiries: []Expiry{
			{Of: "upstream's timestamp.json", When: began.Add(68 * time.Hour)},
			{Of: "upstream's root.json", When: began.AddDate(0, 0, 12), Soon: true, Do: "clients refuse it from then on. Only upstream can sign it anew: tell its operator"},
			{Of: "signing key 0123456789ABCDEF0123456789ABCDEF01234567", When: time.Time{}},
		},
		Messages: []Message{{Warning, "upstream's root.json expires in 12 days, at 2026-12-04T06:23:05Z; clients refuse it from then on. Only upstream can sign it anew: tell its operator"}},
	}
	for i, id := range []string{
		"aeson-2.2.4.0", "lens-5.3.4", "servant-0.20.3", "servant-client-0.20.3", "text-2.1.3", "bytestring-0.12.3.0", "warp-3.4.9",
		"hlint-3.11", "pandoc-3.9", "pandoc-types-1.24", "xmonad-0.18.1", "cabal-install-3.18.0.0", "Cabal-3.18.0.0", "zlib-0.7.2.0",
	} {
		r.New = append(r.New, Release{Release: release(t, id), Time: at.Time.Add(-time.Duration(i*i) * 7 * time.Minute), Size: int64(40_000 + 31_337*i)})
	}
	return r
}

// quiet is a run that found nothing new.
func quiet() *Run {
	at := index.Position{Prefix: midstate.Prefix{Length: 932_483_072}, Time: began.Add(-time.Hour)}
	return &Run{
		Tool: "hackage-mirror v1.2.3", Upstream: "https://hackage.haskell.org", Outcome: Done, Began: began, Took: 214 * time.Millisecond, Index: at,
		Destinations: []Destination{{Kind: "bucket", Name: "s3://my-hackage", At: at}},
		Phases:       []Phase{{"states", 0, 100 * time.Millisecond}, {"metadata", 100 * time.Millisecond, 213 * time.Millisecond}},
		Expiries:     []Expiry{{Of: "the first of upstream's signed files", When: began.Add(20 * time.Hour), Soon: true, Do: "clients refuse it from then on. Only upstream can sign it anew: tell its operator"}},
	}
}

// partly is a run in which one destination failed.
func partly() *Run {
	r := quiet()
	r.Outcome, r.Destinations[0].Changed, r.Destinations[0].Bytes = Failed, true, 5121
	r.Error = `bucket "/srv/hackage": put "timestamp.json" into "/srv/hackage": no space left on device`
	r.Destinations = append(r.Destinations, Destination{
		Kind: "bucket", Name: "/srv/hackage", At: index.Position{Prefix: midstate.Prefix{Length: 932_000_256}, Time: began.Add(-30 * time.Hour)},
		Err: `put "timestamp.json" into "/srv/hackage": no space left on device`, Took: 2 * time.Second,
	})
	return r
}

// failed is a run that ended before it knew anything.
func failed() *Run {
	return &Run{
		Tool: "hackage-mirror v1.2.3", Upstream: "https://hackage.haskell.org", Outcome: Failed, Aborted: true, Began: began, Took: 31 * time.Second,
		Error: "read signing-key: the passphrase is wrong or missing",
	}
}

// interrupted is a first run that a signal ended.
func interrupted(t testing.TB) *Run {
	r := &Run{
		Tool: "hackage-mirror v1.2.3", Upstream: "https://hackage.haskell.org", Packages: "servant*", Outcome: Interrupted, Aborted: true,
		Began: began, Took: 2*time.Hour + 31*time.Minute + 4*time.Second, Left: 121_004, Revisions: 40_100, Bytes: 2_122_000_000,
		Index: index.Position{Prefix: midstate.Prefix{Length: 201_338_880}, Time: time.Date(2015, 3, 2, 11, 0, 0, 0, time.UTC)},
		Destinations: []Destination{
			{Kind: "bucket", Name: "s3://my-hackage", Err: "interrupted", Changed: true, Tarballs: 26_000, Revisions: 40_100, Bytes: 2_400_000_000, Took: 2 * time.Hour},
			{Kind: "hashes-repository", Name: "git@github.com:me/hashes.git"},
		},
		Phases: []Phase{{"states", 0, time.Second}, {"metadata", time.Second, 2 * time.Second}, {"index", 2 * time.Second, 95 * time.Second}, {"tarballs", 95 * time.Second, 9064 * time.Second}},
	}
	first := time.Date(2007, 1, 6, 0, 0, 0, 0, time.UTC)
	for i := range 26_000 {
		id := fmt.Sprintf("package-%c-0.%d", 'a'+i%26, i)
		r.New = append(r.New, Release{Release: release(t, id), Time: first.Add(time.Duration(i) * 165 * time.Minute), Size: 80_000})
	}
	return r
}

// first is a first run of all of Hackage that came to its end.
func first(t testing.TB) *Run {
	r := interrupted(t)
	r.Outcome, r.Aborted, r.Left, r.Packages = Done, false, 0, ""
	r.Index = index.Position{Prefix: midstate.Prefix{Length: 932_483_072}, Time: began.Add(2*time.Hour + 25*time.Minute)}
	r.PublicURL, r.Tag, r.Fingerprint = "https://hackage.example.org", "current-hackage", "0123456789ABCDEF0123456789ABCDEF01234567"
	for i := range r.Destinations {
		r.Destinations[i].Err, r.Destinations[i].At = "", r.Index
	}
	r.Destinations[1].Changed, r.Destinations[1].Commits, r.Destinations[1].Commit = true, 6_804, "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
	r.Destinations[1].Took = 11 * time.Minute
	r.Holds = &status.Holds{Packages: 18_344, Releases: 150_217, Revisions: 303_521, Bytes: 12_884_901_888}
	r.Expiries = []Expiry{{Of: "upstream's root.json", When: began.AddDate(0, 7, 0)}, {Of: "signing key", When: time.Time{}}}
	return r
}

// dry is a run that only looked.
func dry(t testing.TB) *Run {
	at := index.Position{Prefix: midstate.Prefix{Length: 932_483_072}, Time: began.Add(-23 * time.Minute)}
	return &Run{
		Tool: "hackage-mirror v1.2.3", Upstream: "/srv/upstream", DryRun: true, Outcome: Done, Began: began, Took: 1500 * time.Millisecond, Index: at, Revisions: 3,
		New: []Release{{Release: release(t, "aeson-2.2.4.0"), Time: began, Size: 4096}},
		Destinations: []Destination{
			{Kind: "bucket", Name: "out"},
			{Kind: "files-repository", Name: "/srv/files.git", At: at, Entries: 1_234_567, Adopting: `it has no annotated tag "current-hackage"`},
			{Kind: "hashes-repository", Name: "/srv/hashes.git", At: at, Entries: 5},
		},
	}
}

// attack is what upstream, a git host or a bucket may write into a name or an
// error to be more than text.
const attack = "x::error::y\n::add-mask::z\r\n##[error]w%0A::set-output name=changed::true | cell | `code` <script>alert(1)</script> " +
	"<img src=x onerror=alert(1)> </pre></details> [link](javascript:alert(1)) ![i](http://evil.example/p.png) @octocat #1 https://evil.example www.evil.example " +
	"**bold** _it_ ~~s~~ $x$ &amp; \\| \x1b[2J \u202egnp.exe\u2028\n```\n# head\n---\n| a | b |\n|---|---|\nEOF\nchanged=forged\nghadelimiter\n"

// hostile is a run in which everything that comes from elsewhere is an attack.
func hostile() *Run {
	r := index.Release{Package: attack, Version: attack}
	return &Run{
		Tool: "hackage-mirror v1.2.3", Upstream: "https://hackage.haskell.org/" + attack, Packages: attack, Outcome: Failed, Error: attack, Began: began,
		New:          []Release{{Release: r, Time: began}},
		Skipped:      index.Skipped{Count: 1, Samples: []string{attack}},
		Destinations: []Destination{{Kind: "files-repository", Name: attack, Err: attack, Commit: attack, Commits: 1, Adopting: attack}, {Kind: "hashes-repository", Name: "https://github.com/a/b", Changed: true, Commit: attack, Commits: 1}},
		Ledger:       []Record{{Release: r, Reason: state.Mismatch, Since: began}},
		Repaired:     []string{attack},
		Deprecations: []Deprecation{{Package: attack, Instead: []string{attack}}},
		Expiries:     []Expiry{{Of: "signing key " + attack, When: began, Soon: true, Do: attack}},
		Messages:     []Message{{Warning, attack}},
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	compared := 0
	for name, r := range samples(t) {
		for suffix, got := range map[string]string{
			".md": r.Markdown(Links{}, maxSummary), ".txt": r.Text(), ".json": string(r.boundedJSON(maxSummaryJSON)) + "\n",
		} {
			path := filepath.Join("testdata", name+suffix)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (- golden, + now):\n%s", path, diff)
			}
			compared++
		}
	}
	if !*update && compared != 24 {
		t.Errorf("%d files were compared, want 24", compared)
	}
}
