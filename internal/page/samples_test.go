package page_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// at is the time of the samples.
var at = time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)

// sample is a mirror that is well.
func sample() *status.Status {
	s := &status.Status{
		Version: status.Version, Health: status.Good, Sentence: "Up to date.",
		Tool: "hackage-mirror v1.0.0", Upstream: "https://hackage.haskell.org", PublicURL: "https://hackage.example.org",
		Checked: at, Changed: at.Add(-23 * time.Minute),
		Index:    status.Index{Length: 912_345_600, State: at.Add(-26 * time.Minute), Upstream: at.Add(-26 * time.Minute), Lag: 190, Behind: 0},
		Run:      status.Run{Began: at.Add(-4 * time.Second), Seconds: 1.3, Outcome: "done", URL: "https://github.com/example/mirror/actions/runs/12345"},
		Holds:    status.Holds{Packages: 18_702, Releases: 151_203, Revisions: 107_488, Bytes: 12_883_901_234},
		RootKeys: rootKeys(), Threshold: 3,
		Repositories: []status.Repository{
			{Kind: "files", Address: "github.com:example/all-cabal-files.git", Branch: "hackage", Tag: "current-hackage", Commit: "8f1e0c5a2b7d4936e1a0f4c8b2d7e6a5c4b3a291", State: at.Add(-26 * time.Minute), Fingerprint: "D1CF60F9C3E0F3A2B8845E1B9D7A2C4E5F60718293A4B5C6", KeyPage: "https://github.com/example/all-cabal-files/tree/display"},
			{Kind: "hashes", Address: "https://github.com/example/all-cabal-hashes", Branch: "hackage", Tag: "current-hackage", Commit: "1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e", State: at.Add(-26 * time.Minute), Fingerprint: "D1CF60F9C3E0F3A2B8845E1B9D7A2C4E5F60718293A4B5C6"},
		},
		Expiries: []status.Expiry{
			{Of: "timestamp.json", When: at.Add(2*24*time.Hour + 20*time.Hour)},
			{Of: "snapshot.json", When: at.Add(2*24*time.Hour + 20*time.Hour)},
			{Of: "mirrors.json", When: at.AddDate(0, 5, 3)},
			{Of: "root.json", When: at.AddDate(0, 5, 3)},
			{Of: "signing key D1CF60F9C3E0F3A2B8845E1B9D7A2C4E5F60718293A4B5C6"},
		},
	}
	return fill(s)
}

// fill gives a mirror its 90 days and newest items.
func fill(s *status.Status) *status.Status {
	s.Days, s.Recent = nil, nil
	for i := status.MaxDays - 1; i >= 0; i-- {
		day := at.AddDate(0, 0, -i)
		busy := 24 + i*i*31%17
		if w := day.Weekday(); w == time.Saturday || w == time.Sunday {
			busy /= 2
		}
		if i == 40 {
			continue // a day on which nothing came
		}
		s.Days = append(s.Days, status.Day{Day: day.Format(time.DateOnly), Releases: busy, Revisions: busy * (3 + i*i%7) / 9})
	}
	names := []string{"aeson", "text-builder-linear", "lens", "servant-client-core", "pandoc", "hw-prim", "amazonka-ec2", "polysemy", "http2", "bytestring", "xmonad-contrib"}
	for i := range status.MaxRecent {
		item := status.Item{
			Package: names[i%len(names)], Version: fmt.Sprintf("%d.%d.%d", i%3, i%7, i), Time: at.Add(-time.Duration(26+i*i/3+i*7) * time.Minute), Bytes: int64(9000 + i*7919),
		}
		if i%3 == 1 {
			item.Revision, item.Bytes = i%5+1, 0
		}
		s.Recent = append(s.Recent, item)
	}
	return s
}

// rootKeys are those of Hackage.
func rootKeys() []string {
	return []string{
		"fe331502606802feac15e514d9b9ea83fee8b6ffef71335479a2e68d84adc6b0", "1ea9ba32c526d1cc91ab5e5bd364ec5e9e8cb67179a471872f6e26f0ae773d42",
		"0a5c7ea47cd1b15f01f5f51a33adda7e655bc0f0b0615baa8e271f4c3351e21d", "51f0161b906011b52c6613376b1ae937670da69322113a246a09f807c62f6921",
		"d26e46f3b631aae1433b89379a6c68bd417eb5d1c408f0643dcc07757fece522", "c7de58fc6a224b92b5b513f26fbb8b370f2d97c7cfe0075a951314a55734be93",
	}
}

// samples are mirrors as readers meet them.
func samples() map[string]*status.Status {
	return map[string]*status.Status{"healthy": sample(), "degraded": degraded(), "failed": failed(), "first fill": firstFill(), "hostile": hostile(), "full": full(), "empty": {}}
}

// degraded is a mirror at which somebody should look.
func degraded() *status.Status {
	s := sample()
	s.Recent = s.Recent[:20]
	s.Health, s.Sentence = status.Look, "Up to date, but look at this: the bytes of 1 release are not the signed ones, and are not published."
	s.Run.Error = "The bytes of 1 release are not the signed ones, and are not published. The mirrors.json expires at 2026-12-02T06:00:00Z."
	s.Pending = 4
	s.Ledger = []status.Record{
		{Release: "hw-json-simd-0.1.1.3", Reason: "mismatch", Since: at.AddDate(0, 0, -2), Why: "upstream serves 48,213 bytes, and the index has signed 48,190"},
		{Release: "reanimate-svg-0.13.0.1", Reason: "missing", Since: at.Add(-3 * time.Hour), Why: "not available upstream yet; every run tries again"},
		{Release: "wai-middleware-static-caching-0.4.0", Reason: "failed", Since: at.Add(-50 * time.Minute), Why: "it could not be fetched; every run tries again"},
		{Release: "eigen-3.3.7.0", Reason: "withdrawn", Since: at.AddDate(-1, -2, 0), Why: "upstream has withdrawn it; nothing to do"},
	}
	s.Expiries[2].When = at.AddDate(0, 0, 6)
	return s
}

// failed is a mirror whose last run failed.
func failed() *status.Status {
	s := sample()
	s.Recent = s.Recent[:20]
	s.Health, s.Sentence = status.Failed, "Not up to date: what upstream has could not be read, or not be verified."
	s.Checked, s.Index.Behind = at.Add(-2*time.Hour), 7200
	s.Run.Outcome, s.Run.Seconds = "failed", 81.2
	s.Run.Error = "What upstream has could not be read, or not be verified. The hashes repository could not be brought up to date."
	s.Repositories[1].Error = "The last run could not bring it up to date."
	return s
}

// firstFill is a mirror that a run has begun to fill.
func firstFill() *status.Status {
	return &status.Status{
		Version: status.Version, Health: status.Filling, Sentence: "Filling: 38,520 of 151,000 releases are here; the next run goes on.",
		Tool: "hackage-mirror v1.0.0", Upstream: "https://hackage.haskell.org", Checked: at.Add(-20 * time.Minute),
		Index: status.Index{Lag: -1, Behind: -1}, Run: status.Run{Began: at.Add(-5 * time.Hour), Seconds: 18000, Outcome: "done"},
		Holds: status.Holds{Packages: 4_210, Releases: 38_520, Revisions: 21_007, Bytes: 1_913_204_511},
	}
}

// full has all lists as long as they may be.
func full() *status.Status {
	s := fill(degraded())
	s.Ledger = nil
	s.Pending = 1200
	s.Recent[1] = s.Recent[0]
	for range 300 {
		s.Repositories = append(s.Repositories, s.Repositories[0])
		s.Expiries = append(s.Expiries, s.Expiries[0])
		s.RootKeys = append(s.RootKeys, s.RootKeys[0])
	}
	for range status.MaxLedger {
		s.Ledger = append(s.Ledger, status.Record{Release: strings.Repeat("long-", 20) + "name-1.2.3", Reason: "missing", Since: at, Why: strings.Repeat(`"why" & <wherefore> `, 40)})
	}
	return s
}

// evil are texts that mean something to what they might be pasted into.
var evil = []string{
	"</script><script>window.pwned=1</script>", `"><img src=x onerror=window.pwned=1>`, "]]><evil/>", "javascript:window.pwned=1",
	"\u202egpj.exe", "a\x00b\x1b[31mc\r\nInjected: yes", "bad\xff\xfeutf8", "'; rm -rf ~; '", "{{.Evil}}", "-->", "\"\nhackage_mirror_evil 1\n# EOF\n",
	"zero\u200bwidth\u2066\ufeff", "&lt;b&gt;", "data:text/html,<script>window.pwned=1</script>", "https://evil.example/'\">x",
}

// hostile has evil texts wherever there is one.
func hostile() *status.Status {
	s := &status.Status{
		Version: status.Version, Health: status.Word(evil[0]), Sentence: strings.Join(evil, " "), Tool: evil[1], Upstream: evil[14],
		PublicURL: evil[3], Packages: evil[4], Checked: at, Changed: at, Index: status.Index{State: at, Upstream: at, Lag: 1 << 40},
		Run: status.Run{Began: at, Outcome: evil[10], Error: strings.Join(evil, "\n"), URL: evil[3]}, Threshold: -1,
	}
	for _, text := range evil {
		s.RootKeys = append(s.RootKeys, text)
		s.Repositories = append(s.Repositories, status.Repository{Kind: "hashes", Address: text, Branch: text, Tag: text, Commit: text, Fingerprint: text, KeyPage: text, Error: text})
		s.Expiries = append(s.Expiries, status.Expiry{Of: text, When: at})
		s.Ledger = append(s.Ledger, status.Record{Release: text, Reason: text, Why: text, Since: at})
		s.Days = append(s.Days, status.Day{Day: text, Releases: -1}, status.Day{Day: "2026-11-25", Releases: 1 << 40, Revisions: -5})
		s.Recent = append(s.Recent, status.Item{Package: text, Version: text, Revision: 1 << 40, Time: at}, status.Item{Package: "aeson", Version: text, Time: at, Bytes: -1})
	}
	return s
}
