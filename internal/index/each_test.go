package index_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// motley is an index of a few releases that are uploaded, revised, replaced and
// skipped in every order, the same each time.
func motley() []file {
	random := rand.New(rand.NewPCG(1, 2))
	files := []file{{name: "z/preferred-versions"}}
	for i := range 60 {
		r := index.Release{Package: []string{"a", "b", "c"}[random.IntN(3)], Version: fmt.Sprint(random.IntN(4))}
		body := fmt.Sprint("tarball ", random.IntN(3))
		name := []string{
			r.CabalPath(), r.CabalPath(), r.Package + "/" + r.Version + "/package.json", r.Package + "/preferred-versions", "odd",
		}[random.IntN(5)]
		f := file{name: name, second: int64(i), body: packageJSON(r, body, "")}
		if random.IntN(6) == 0 {
			f.body = "" // also a malformed package.json
		}
		files = append(files, f)
	}
	return files
}

// positions returns the positions at the given ends of entries, the start first.
func positions(t testing.TB, raw []byte, ends []int64) []index.Position {
	t.Helper()
	l := index.NewLog(bytes.NewReader(raw), index.Position{}, ends...)
	mustRun(t, l)
	at := []index.Position{{}}
	for _, end := range ends {
		p, ok := l.At(end)
		if !ok {
			t.Fatalf("no boundary at %d", end)
		}
		at = append(at, p)
	}
	return at
}

// model is what Scan must find behind a position, put together of entries alone.
func model(t *testing.T, raw []byte, from index.Position) *index.Delta {
	t.Helper()
	tail := &index.Delta{From: from, Changes: map[index.Release]*index.ReleaseChanges{}, NewestPreferred: map[string]int64{}}
	l := index.NewLog(bytes.NewReader(raw[from.Length:]), from)
	malformed := 0
	for e, err := range l.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		tail.Entries++
		if e.Kind == index.Preferred {
			tail.Preferred++
			tail.NewestPreferred[e.Release.Package] = e.Offset
			continue
		}
		n := tail.Changes[e.Release]
		if n == nil {
			n = &index.ReleaseChanges{TargetOffset: -1}
			tail.Changes[e.Release] = n
			tail.Order = append(tail.Order, e.Release)
		}
		if e.Kind == index.Cabal {
			if n.Cabals == 0 {
				n.FirstCabal = e.Offset
			}
			n.Cabals++
			n.LastCabal = e.Span()
			continue
		}
		before, offset := n.Target, n.TargetOffset
		var err error
		n.Target, err = index.ParsePackageJSON(e.Release, e.Content)
		n.MD5 = [md5.Size]byte{}
		if _, text, ok := bytes.Cut(e.Content, []byte(`"md5":"`)); ok && err == nil {
			_, _ = hex.Decode(n.MD5[:], text[:2*md5.Size])
		}
		n.TargetOffset, n.TargetUnix = e.Offset, e.Time.Unix()
		n.Replaced = n.Replaced || offset >= 0 && n.Target != before
		if err != nil {
			n.TargetOffset = -1
			malformed++
		}
	}
	tail.To, tail.Skipped = l.End(), l.Skipped()
	tail.Skipped.Count += malformed
	return tail
}

// checkTail holds a tail against the model of it.
func checkTail(t *testing.T, raw []byte, from index.Position, got *index.Delta) {
	t.Helper()
	if got == nil {
		t.Errorf("no tail from %d", from.Length)
		return
	}
	// Malformed ones are skipped by Scan only.
	some := *got
	some.Skipped.ByReason = maps.Clone(got.Skipped.ByReason)
	delete(some.Skipped.ByReason, "malformed package.json")
	want := model(t, raw, from)
	samples := len(got.Skipped.Samples)
	some.Skipped.Samples, want.Skipped.Samples = nil, nil
	if diff := cmp.Diff(want, &some, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("tail from %d (-want +got):\n%s", from.Length, diff)
	}
	if samples != min(10, got.Skipped.Count) {
		t.Errorf("tail from %d has %d samples of %d", from.Length, samples, got.Skipped.Count)
	}
}

// Each position gets what reading its tail alone would find, whichever others
// are asked for with it.
func TestScanEach(t *testing.T) {
	t.Parallel()
	for name, files := range map[string][]file{"small": small(), "motley": motley()} {
		raw, ends := pack(t, files...)
		at := positions(t, raw, ends)
		sets := [][]index.Position{at, {}, {at[0]}, {at[len(at)-1]}}
		random := rand.New(rand.NewPCG(3, 4))
		for range 20 {
			sets = append(sets, []index.Position{
				at[random.IntN(len(at))], at[random.IntN(len(at))], at[random.IntN(len(at))],
			})
		}
		for _, set := range sets {
			l := index.NewLog(bytes.NewReader(raw), index.Position{})
			tails, err := index.ScanEach(l, nil, set...)
			if err != nil || len(tails) != len(set) {
				t.Fatalf("%s: %d tails: %v", name, len(tails), err)
			}
			if err := l.Finish(int64(len(raw)), sha256.Sum256(raw)); err != nil {
				t.Error(err)
			}
			for i, p := range set {
				checkTail(t, raw, p, tails[i])
				if first := slices.Index(set, p); tails[i] != tails[first] {
					t.Errorf("%s: the tail from %d is held twice", name, p.Length)
				}
			}
		}
	}
}

// A tail may be asked from within a tail, and finds positions before it unknown.
func TestScanEachOfATail(t *testing.T) {
	t.Parallel()
	raw, ends := pack(t, motley()...)
	at := positions(t, raw, ends)
	from := at[20]
	l := index.NewLog(bytes.NewReader(raw[from.Length:]), from)
	tails, err := index.ScanEach(l, nil, at[0], at[19], at[20], at[40], at[len(at)-1])
	if err != nil {
		t.Fatal(err)
	}
	if tails[0] != nil || tails[1] != nil {
		t.Error("tails from before the log")
	}
	for i, p := range []index.Position{at[20], at[40], at[len(at)-1]} {
		checkTail(t, raw, p, tails[i+2])
	}
}

// What is no position of the log gets no tail, and takes none from others.
func TestScanEachOfOtherPositions(t *testing.T) {
	t.Parallel()
	raw, ends := pack(t, motley()...)
	at := positions(t, raw, ends)
	end := at[len(at)-1]
	edited, swapped, later := at[30], at[30], at[30]
	edited.Midstate[31] ^= 1
	swapped.Midstate = at[31].Midstate
	later.Time = later.Time.AddDate(1, 0, 0)
	inside := sha256.New()
	inside.Write(raw[:at[30].Length+512])
	odd := []index.Position{
		edited,
		swapped,
		{Prefix: midstate.Prefix{Length: at[30].Length}},
		{Prefix: midstate.Of(inside)},
		{Prefix: midstate.Prefix{Length: end.Length + 512, Midstate: end.Midstate}},
		{Prefix: midstate.Prefix{Length: int64(len(raw)), Midstate: sha256.Sum256(raw)}},
		{Prefix: midstate.Prefix{Length: 1 << 60, Midstate: end.Midstate}},
		{Prefix: midstate.Prefix{Length: -512}},
	}
	tails, err := index.ScanEach(index.NewLog(bytes.NewReader(raw), index.Position{}), nil, append(odd, at[30], later)...)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range odd {
		if tails[i] != nil {
			t.Errorf("a tail from %+v", p)
		}
	}
	right, same := tails[len(odd)], tails[len(odd)+1]
	checkTail(t, raw, at[30], right)
	if same != right {
		t.Error("another time makes another position")
	}
}

func TestScanEachOfALogThatWasRead(t *testing.T) {
	t.Parallel()
	raw, _ := pack(t, motley()...)
	l := index.NewLog(bytes.NewReader(raw), index.Position{})
	for range l.Entries() {
		break
	}
	if _, err := index.Scan(l, nil); err == nil {
		t.Error("the rest of a log was scanned as if it were all")
	}
	empty := index.NewLog(bytes.NewReader(nil), index.Position{})
	mustRun(t, empty)
	if _, err := index.Scan(empty, nil); err == nil {
		t.Error("a log was scanned that was read")
	}
}

// TestScanEachHolds measures what is held for an eighth of Hackage's releases of
// 2024; maps grow by doubling, so that all of them take as much for each.
//
// It is not parallel: others would be counted with it.
func TestScanEachHolds(t *testing.T) {
	const all, releases = 141_641, 141_641 / 8
	for name, test := range map[string]struct {
		from  []float64
		limit int // in MB for all releases
	}{
		"one position":           {[]float64{0}, 34},
		"three at the start":     {[]float64{0, 0.001, 0.002}, 70},
		"as destinations may be": {[]float64{0, 0.5, 0.9}, 49},
	} {
		t.Run(name, func(t *testing.T) {
			live := held(t, releases, test.from) * all / releases
			t.Logf("%.1f MB for %d releases", float64(live)/1e6, all)
			if live > test.limit*1e6 {
				t.Errorf("%d bytes are held, %d MB are the limit", live, test.limit)
			}
		})
	}
}

// held returns the bytes that Deltas of so many releases take, from positions
// that are fractions of the log.
func held(t *testing.T, releases int, fractions []float64) int {
	t.Helper()
	from := newSynthetic(releases).positions(t, fractions)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l := index.NewLog(newSynthetic(releases), index.Position{})
	tails, err := index.ScanEach(l, nil, from...)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for i, tail := range tails {
		if n := releases - int(fractions[i]*float64(releases)); tail == nil || len(tail.Changes) != n {
			t.Errorf("tail %d does not have %d releases", i, n)
		}
	}
	runtime.KeepAlive(tails)
	return int(after.HeapAlloc) - int(before.HeapAlloc)
}
