package state_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

var update = flag.Bool("update", false, "write the golden files anew")

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

// bucketFull is a state that has everything that a state can have.
func bucketFull() state.State {
	s := full()
	s.Kind, s.Branch, s.Alarms = "", "", nil // are a repository's alone
	s.Held.Tar = state.FilePrefix{Prefix: midstate.Prefix{Length: 531 << 20, Midstate: sha256.Sum256([]byte("tar"))}, CRC64: 0xfedcba}
	s.Held.Gz.Prefix = midstate.Prefix{Length: 64 * 1001, Midstate: sha256.Sum256([]byte("gz"))}
	s.Legacy, s.Nonce, s.Notified = at("2026-11-21T06:00:00Z"), "0123456789abcdef", "failed"
	s.Announced = state.Announcement{When: at("2026-11-22T06:01:00Z"), Health: "good", At: index.Position{Prefix: midstate.Prefix{Length: 531 << 20, Midstate: sha256.Sum256([]byte("told"))}}}
	s.Pointers = map[string]string{"01-index.tar": `"d41d8cd9-5"`, "packages/deprecated.json": `W/"a b=c%"`}
	return s
}

// full is a state that has everything that a repository's can have.
func full() state.State {
	return state.State{
		Position: index.Position{Prefix: midstate.Prefix{Length: 532 << 20, Midstate: sha256.Sum256([]byte("midstate"))}, Time: at("2026-11-22T06:00:00Z")},
		Seen: state.Seen{
			Root: 7, Timestamp: 1234, Snapshot: 1200, Mirrors: 3,
			ETag: `W/"5f-\"x\""`, Digest: strings.Repeat("0a", 32), Index: strings.Repeat("1b", 32), Expires: at("2026-11-25T06:00:00Z"),
			RootExpires: at("2027-08-01T00:00:00Z"), MirrorsExpires: at("2027-07-01T00:00:00Z"),
		},
		Packages: "!acme-*,servant-*",
		Kind:     state.Hashes, Branch: "hackage",
		Alarms: []state.Alarm{
			{Commit: strings.Repeat("a1", 20), Since: at("2026-11-22T05:00:00Z")},
			{Commit: strings.Repeat("b2", 20), Since: at("2026-11-22T05:30:00Z")},
		},
		Ledger: state.Ledger{
			{Package: "b", Version: "1"}: {Reason: state.Unsigned, Since: at("2026-11-01T00:00:00Z")},
			{Package: "a-b", Version: "2.0.10"}: {
				Reason: state.Missing, Since: at("2026-11-21T23:59:59Z"),
				Cabal: index.Span{Offset: 1536, Size: 700}, CabalSHA256: sha256.Sum256([]byte("cabal")), Revisions: 2,
				Target: index.Target{Length: 4711, SHA256: sha256.Sum256([]byte("tarball"))},
			},
			{Package: "a", Version: "2"}: {
				Reason: state.Mismatch, Replaced: true, Since: at("2026-11-20T00:00:00Z"),
				Target: index.Target{Length: 1, SHA256: sha256.Sum256([]byte("t"))},
			},
		},
	}
}

func file(s state.State) state.File {
	return state.File{State: s, Tool: "hackage-mirror v1.2.3", Updated: at("2026-11-22T06:01:02Z")}
}

const subject = "Update from Hackage at 2026-11-22T06:00:00Z"

func TestWrittenFormsAreThoseOfTheGoldenFiles(t *testing.T) {
	t.Parallel()
	for name, got := range map[string][]byte{
		"testdata/full.json":  file(bucketFull()).JSON(),
		"testdata/empty.json": file(state.State{}).JSON(),
		"testdata/full.tag":   []byte(full().Message(subject, "hackage-mirror v1.2.3")),
		"testdata/empty.tag":  []byte(state.State{}.Message(subject, "hackage-mirror v1.2.3")),
	} {
		if *update {
			if err := os.WriteFile(name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestBothFormsReadBackExactly(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]state.State{"bucket": bucketFull(), "full": full(), "empty": {Ledger: state.Ledger{}}} {
		tag := s
		s.Kind, s.Branch, s.Alarms = "", "", nil // are a repository's alone
		got, err := state.ParseFile(file(tag).JSON())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(file(s), got); diff != "" {
			t.Errorf("%s as a file (-want +got):\n%s", name, diff)
		}
		// A state is compared with == by those who look whether it moved.
		if got.State.Position != s.Position || got.State.Seen != s.Seen || !got.State.Equal(s) {
			t.Errorf("%s as a file is not equal to what was written", name)
		}
		read, err := state.ParseMessage(tag.Message(subject, "tool"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		tag.Held, tag.Legacy = state.Held{}, time.Time{} // are a bucket's alone
		if diff := cmp.Diff(tag, read); diff != "" {
			t.Errorf("%s as a tag (-want +got):\n%s", name, diff)
		}
	}
}

// What was told is worth no refusal: what cannot be read is told anew.
func TestToldThatCannotBeReadIsNothing(t *testing.T) {
	t.Parallel()
	good := string(file(bucketFull()).JSON())
	line := regexp.MustCompile(`"Told": "[^"]*"`)
	for _, told := range []string{
		"", "2026", "2026-11-22T06:01:00Z good", "2026-11-22T06:01:00Z <b> 512 " + strings.Repeat("0", 64), "2026-11-22T06:01:00Z good 513 " + strings.Repeat("0", 64),
		"2026-11-22T06:01:00Z good 99999999999999999999 " + strings.Repeat("0", 64), "99999-11-22T06:01:00Z good 512 " + strings.Repeat("0", 64),
		"2026-11-22T06:01:00Z good 512 x",
	} {
		read, err := state.ParseFile([]byte(line.ReplaceAllLiteralString(good, fmt.Sprintf(`"Told": %q`, told))))
		if err != nil || read.State.Announced != (state.Announcement{}) || !read.State.Equal(bucketFull()) {
			t.Errorf("%q is read as %+v, %v", told, read.State.Announced, err)
		}
	}
	writing := bucketFull()
	writing.Announced.Health = ""
	read, err := state.ParseFile(file(writing).JSON())
	if err != nil || read.State.Announced != writing.Announced || read.State.Announced.IsOf(writing.Position) || !read.State.Announced.IsOf(writing.Announced.At) {
		t.Errorf("what is being written is read as %+v, %v", read.State.Announced, err)
	}
}

func TestValuesCannotOpenLinesOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := full()
	s.Packages = "a\nPending: z-1 mismatch since=2026-11-01T00:00:00Z\r\nIndex-Length: 512"
	s.Seen.ETag = "\"x\"\nRoot-Version: 99"
	read, err := state.ParseMessage(s.Message(subject, "tool\nRoot-Version: 98"))
	if err != nil {
		t.Fatal(err)
	}
	if read.Seen.Root != s.Seen.Root || read.Position != s.Position || len(read.Ledger) != len(s.Ledger) {
		t.Errorf("a value with newlines was read as lines: %+v", read)
	}
	back, err := state.ParseFile(file(s).JSON())
	if err != nil || back.State.Packages != s.Packages || back.State.Seen != s.Seen {
		t.Errorf("a value with newlines is not kept in JSON: %+v, %v", back, err)
	}
}

func TestUnknownKeysArePassedOver(t *testing.T) {
	t.Parallel()
	message := full().Message(subject, "tool")
	message = strings.Replace(message, "\nIndex-Length", "\nNew-Key: of a later version\na line without a colon\n\nIndex-Length", 1)
	message = strings.Replace(message, " missing since", " missing colour=blue since", 1)
	read, err := state.ParseMessage(message)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full(), read); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	raw := bytes.Replace(file(full()).JSON(), []byte(`"tool"`), []byte(`"later": [1, {}], "tool"`), 1)
	raw = bytes.Replace(raw, []byte(`"Index-Length"`), []byte(`"New-Key": "x", "Index-Length"`), 1)
	if got, err := state.ParseFile(raw); err != nil || !got.State.Equal(full()) {
		t.Errorf("read %+v, %v", got, err)
	}
}

// Each edit makes a good tag one that must not be taken for a state.
func TestEditedStatesAreRefused(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string][2]string{
		"length that is no number":    {"Index-Length: 557842432", "Index-Length: lots"},
		"negative length":             {"Index-Length: 557842432", "Index-Length: -512"},
		"length above 64 bits":        {"Index-Length: 557842432", "Index-Length: 99999999999999999999"},
		"length of half a block":      {"Index-Length: 557842432", "Index-Length: 557842433"},
		"length that stands twice":    {"\nIndex-Time", "\nIndex-Length: 512\nIndex-Time"},
		"no length":                   {"Index-Length: ", "Length-Of-Index: "},
		"short midstate":              {"Index-Midstate: ", "Index-Midstate: 0"},
		"no midstate":                 {"Index-Midstate: ", "Midstate: "},
		"no time of index":            {"Index-Time: 2026-11-22T06:00:00Z", "Index-Time: yesterday"},
		"no root version":             {"Root-Version: 7\n", ""},
		"negative version":            {"Root-Version: 7", "Root-Version: -7"},
		"expiry that is no time":      {"Timestamp-Expires: 2026", "Timestamp-Expires: never 2026"},
		"unknown reason":              {" missing ", " mislaid "},
		"no reason":                   {"b-1 unsigned since=2026-11-01T00:00:00Z", "b-1"},
		"path in a release":           {"Pending: b-1", "Pending: ../b-1"},
		"release without a version":   {"Pending: b-1", "Pending: b"},
		"release that stands twice":   {"Pending: b-1", "Pending: a-2"},
		"date that is none":           {"since=2026-11-01T00:00:00Z", "since=2026-11-31T00:00:00Z"},
		"alarm without a commit":      {"Alarm: a1", "Alarm: x"},
		"alarm without a time":        {" 2026-11-22T05:30:00Z", ""},
		"alarm of no time":            {" 2026-11-22T05:00:00Z", " soon"},
		"negative revisions":          {"revisions=2", "revisions=-2"},
		"negative offset":             {"cabal=1536+700", "cabal=-1536+700"},
		"negative size":               {"cabal=1536+700", "cabal=1536+-700"},
		"no size":                     {"cabal=1536+700", "cabal=1536"},
		"digest of a cabal cut short": {"cabal=1536+700:", "cabal=1536+700:00"},
		"digest of a tarball missing": {"tarball=4711:", "tarball=4711"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := full().Message(subject, "tool")
			bad := strings.Replace(good, edit[0], edit[1], 1)
			if bad == good {
				t.Fatalf("%q is not in the tag:\n%s", edit[0], good)
			}
			if got, err := state.ParseMessage(bad); err == nil {
				t.Errorf("read %+v", got)
			} else if !refused(err) {
				t.Errorf("error %v is not one of a form", err)
			}
		})
	}
}

// What only a bucket's file has is held to the same rules, and skipped in a
// tag.
func TestEditedFilesAreRefused(t *testing.T) {
	t.Parallel()
	good := string(file(bucketFull()).JSON())
	for _, edit := range [][2]string{
		{`"64064:`, `"64065:`},
		{`"64064:`, `"-64:`},
		{`"64064:`, `"0:`},
		{`"64064:`, `"64064:0`},
		{`"64064:`, `"64064`},
		{`:0000000000fedcba`, `:fedcba`},
		{`:0000000000fedcba`, `:000000000000000g`},
		{`:0000000000fedcba`, `:`},
		{`"Legacy-Time": "2026`, `"Legacy-Time": "in 2026`},
	} {
		bad := strings.Replace(good, edit[0], edit[1], 1)
		if bad == good {
			t.Fatalf("%q is not in the file:\n%s", edit[0], good)
		}
		if got, err := state.ParseFile([]byte(bad)); !errors.Is(err, state.ErrForm) {
			t.Errorf("with %q: %+v, %v", edit[1], got, err)
		}
	}
	read, err := state.ParseMessage(full().Message(subject, "tool") + "Held-Tar: 64:" + strings.Repeat("00", 32) + "\nLegacy-Time: 2026-11-21T06:00:00Z\nNonce: 00\nPointers: a=b\n")
	if diff := cmp.Diff(full(), read); err != nil || diff != "" {
		t.Errorf("a tag with a bucket's lines: %v (-want +got):\n%s", err, diff)
	}
}

// refused reports whether a caller would take an error for a state that cannot
// be read.
func refused(err error) bool {
	return errors.Is(err, state.ErrForm) || errors.Is(err, index.ErrPosition) || errors.Is(err, index.ErrName)
}

func TestWhatIsNoStateIsRefused(t *testing.T) {
	t.Parallel()
	for _, message := range []string{
		"", "\n", subject, subject + "\n", subject + "\n\n", subject + "\n\nTool: x\n",
		"Index-Length: 512\n",
	} {
		if got, err := state.ParseMessage(message); !errors.Is(err, state.ErrForm) {
			t.Errorf("tag %q: %+v, %v", message, got, err)
		}
	}
	for _, raw := range []string{
		"", "null", "[]", "{}", `{"state":{}}`, `{"state":{"Index-Length":1}}`, `{"pending":"x"}`,
		string(file(full()).JSON()) + "{}", string(file(full()).JSON()[:100]),
		strings.Replace(string(file(full()).JSON()), "2026-11-22T06:01:02Z", "now", 1),
	} {
		if got, err := state.ParseFile([]byte(raw)); !errors.Is(err, state.ErrForm) {
			t.Errorf("file %q: %+v, %v", raw, got, err)
		}
	}
}
