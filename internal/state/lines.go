package state

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A line is one "Key: value" of a state. The key Pending may repeat; every
// other key stands at most once.
type line struct{ key, value string }

// The keys, in the order in which they are written.
const (
	// A repository's alone.
	keyKind   = "Repository"
	keyBranch = "Branch"
	keyAlarm  = "Alarm"

	keyLength    = "Index-Length"
	keyTime      = "Index-Time"
	keyMidstate  = "Index-Midstate"
	keyRoot      = "Root-Version"
	keyTimestamp = "Timestamp-Version"
	keySnapshot  = "Snapshot-Version"
	keyMirrors   = "Mirrors-Version"
	keyIndex     = "Index-SHA256"
	keyDigest    = "Timestamp-SHA256"
	keyETag      = "Timestamp-ETag"
	keyExpires   = "Timestamp-Expires"
	keyRootEnd   = "Root-Expires"
	keyMirrorEnd = "Mirrors-Expires"
	keyPackages  = "Packages"
	keyPending   = "Pending"

	// A bucket's alone.
	keyHeldTar = "Held-Tar"
	keyHeldGz  = "Held-Gz"
	keyLegacy  = "Legacy-Time"
	keyPoints  = "Pointers"
	keyNonce   = "Nonce"
	keyNotify  = "Notified"
	keyTold    = "Told"
)

// lines returns the written form of s. Empty values have no line.
func (s State) lines() []line {
	out := []line{
		{keyLength, strconv.FormatInt(s.Position.Length, 10)},
		{keyTime, formatTime(s.Position.Time)},
		{keyMidstate, s.Position.MidstateHex()},
		{keyRoot, strconv.FormatInt(s.Seen.Root, 10)},
		{keyTimestamp, strconv.FormatInt(s.Seen.Timestamp, 10)},
		{keySnapshot, strconv.FormatInt(s.Seen.Snapshot, 10)},
		{keyMirrors, strconv.FormatInt(s.Seen.Mirrors, 10)},
	}
	for _, l := range []line{
		{keyIndex, s.Seen.Index},
		{keyDigest, s.Seen.Digest},
		{keyETag, s.Seen.ETag},
		{keyExpires, formatTime(s.Seen.Expires)},
		{keyRootEnd, formatTime(s.Seen.RootExpires)},
		{keyMirrorEnd, formatTime(s.Seen.MirrorsExpires)},
		{keyPackages, s.Packages},
	} {
		if l.value != "" {
			out = append(out, l)
		}
	}
	for _, r := range s.Ledger.Sorted() {
		out = append(out, line{keyPending, formatPending(r, s.Ledger[r])})
	}
	return out
}

// tagLines returns the written form of what only a repository has.
func (s State) tagLines() []line {
	var out []line
	for _, l := range []line{
		{keyKind, string(s.Kind)},
		{keyBranch, s.Branch},
		{keyAlarm, formatAlarms(s.Alarms)},
	} {
		if l.value != "" {
			out = append(out, l)
		}
	}
	return out
}

// bucketLines returns the written form of what only a bucket has.
func (s State) bucketLines() []line {
	var out []line
	for _, l := range []line{
		{keyHeldTar, formatBeginning(s.Held.Tar)},
		{keyHeldGz, formatBeginning(s.Held.Gz)},
		{keyLegacy, formatTime(s.Legacy)},
		{keyPoints, formatPointers(s.Pointers)},
		{keyNonce, s.Nonce},
		{keyNotify, s.Notified},
		{keyTold, formatTold(s.Told)},
	} {
		if l.value != "" {
			out = append(out, l)
		}
	}
	return out
}

// fromLines reads what lines wrote. Unknown keys are skipped, so that an
// older program can read what a newer one added.
func fromLines(in []line) (State, error) {
	first := map[string]string{}
	s := State{Ledger: Ledger{}}
	for _, l := range in {
		if l.key == keyPending {
			r, p, err := parsePending(l.value)
			if err != nil {
				return State{}, err
			}
			if _, twice := s.Ledger[r]; twice {
				return State{}, fmt.Errorf("read ledger line %.200q: its release appears twice: %w", l.value, ErrForm)
			}
			s.Ledger[r] = p
			continue
		}
		if _, twice := first[l.key]; twice {
			return State{}, fmt.Errorf("read state line %q: it appears twice: %w", l.key, ErrForm)
		}
		first[l.key] = l.value
	}
	return s, s.fill(first)
}

// fill reads the lines that stand at most once.
func (s *State) fill(values map[string]string) error {
	var length int64
	for key, to := range map[string]*int64{
		keyLength: &length, keyRoot: &s.Seen.Root, keyTimestamp: &s.Seen.Timestamp,
		keySnapshot: &s.Seen.Snapshot, keyMirrors: &s.Seen.Mirrors,
	} {
		n, err := strconv.ParseInt(values[key], 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("read state line %q with value %.40q: %w", key, values[key], ErrForm)
		}
		*to = n
	}
	var last time.Time
	for key, to := range map[string]*time.Time{
		keyTime: &last, keyExpires: &s.Seen.Expires, keyRootEnd: &s.Seen.RootExpires, keyMirrorEnd: &s.Seen.MirrorsExpires,
	} {
		t, err := parseTime(key, values[key])
		if err != nil {
			return err
		}
		*to = t
	}
	var err error
	s.Seen.Index, s.Seen.Digest, s.Seen.ETag = values[keyIndex], values[keyDigest], values[keyETag]
	s.Packages = values[keyPackages]
	s.Kind, s.Branch = Kind(values[keyKind]), values[keyBranch]
	if s.Alarms, err = parseAlarms(values[keyAlarm]); err != nil {
		return err
	}
	if s.Held.Tar, err = parseBeginning(values[keyHeldTar]); err != nil {
		return err
	}
	if s.Held.Gz, err = parseBeginning(values[keyHeldGz]); err != nil {
		return err
	}
	if s.Legacy, err = parseTime(keyLegacy, values[keyLegacy]); err != nil {
		return err
	}
	s.Pointers, s.Nonce, s.Notified = parsePointers(values[keyPoints]), values[keyNonce], values[keyNotify]
	s.Told = parseTold(values[keyTold])
	s.Position, err = index.NewPosition(length, last, values[keyMidstate])
	return err
}

// formatAlarms writes COMMIT SINCE, and the same of each further one behind it:
// the first versions refuse a line that stands twice.
func formatAlarms(alarms []Alarm) string {
	var fields []string
	for _, a := range alarms {
		fields = append(fields, a.Commit, formatTime(a.Since))
	}
	return strings.Join(fields, " ")
}

// commitID is how git writes the id of a commit.
var commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// parseAlarms reads what formatAlarms wrote.
func parseAlarms(text string) (alarms []Alarm, err error) {
	for pair := range slices.Chunk(strings.Fields(text), 2) {
		if len(pair) < 2 || !commitID.MatchString(pair[0]) {
			return nil, fmt.Errorf("read alarm %.100q: no commit and time: %w", text, ErrForm)
		}
		a := Alarm{Commit: pair[0]}
		if a.Since, err = parseTime(keyAlarm, pair[1]); err != nil {
			return nil, err
		}
		alarms = append(alarms, a)
	}
	return alarms, nil
}

// formatPointers writes KEY=ETAG for each, escaped as in a URL.
func formatPointers(pointers map[string]string) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(pointers)) {
		out = append(out, url.PathEscape(key)+"="+url.PathEscape(pointers[key]))
	}
	return strings.Join(out, " ")
}

// parsePointers reads what formatPointers wrote. What is not of that form is left
// out: a version that is not known is found out.
func parsePointers(text string) map[string]string {
	var pointers map[string]string
	for _, field := range strings.Fields(text) {
		key, etag, _ := strings.Cut(field, "=")
		key, err := url.PathUnescape(key)
		etag, err2 := url.PathUnescape(etag)
		if err != nil || err2 != nil {
			continue
		}
		if pointers == nil {
			pointers = map[string]string{}
		}
		pointers[key] = etag
	}
	return pointers
}

// formatTold writes TIME HEALTH LENGTH MIDSTATE, and the zero Told as nothing.
func formatTold(t Told) string {
	if t == (Told{}) {
		return ""
	}
	return fmt.Sprintf("%s %s %d %s", formatTime(t.When), cmp.Or(t.Health, "-"), t.At.Length, t.At.MidstateHex())
}

// parseTold reads what formatTold wrote. Of any other text nothing was told: then
// it is told anew.
func parseTold(text string) Told {
	fields := strings.Fields(text)
	if len(fields) != 4 {
		return Told{}
	}
	when, err := time.Parse(time.RFC3339, fields[0])
	length, err2 := parseSize(fields[2])
	at, err3 := index.NewPosition(length, time.Time{}, fields[3])
	health := strings.TrimPrefix(fields[1], "-")
	if err != nil || err2 != nil || err3 != nil || strings.Trim(health, "abcdefghijklmnopqrstuvwxyz") != "" {
		return Told{}
	}
	return Told{When: when.UTC(), Health: health, At: at}
}

// formatBeginning writes LENGTH:MIDSTATE:CRC64, without the last if it is not
// known, and the zero Beginning as nothing.
func formatBeginning(p Beginning) string {
	if p.IsZero() {
		return ""
	}
	text := fmt.Sprintf("%d:%x", p.Length, p.Midstate)
	if p.CRC64 != 0 {
		text += fmt.Sprintf(":%016x", p.CRC64)
	}
	return text
}

// parseBeginning reads what formatBeginning wrote.
func parseBeginning(text string) (p Beginning, err error) {
	if text == "" {
		return p, nil
	}
	length, state, _ := strings.Cut(text, ":")
	state, crc, known := strings.Cut(state, ":")
	if known {
		if p.CRC64, err = strconv.ParseUint(crc, 16, 64); err != nil || len(crc) != 16 {
			return p, fmt.Errorf("read CRC-64 %.40q: %w", crc, ErrForm)
		}
	}
	if p.Length, err = parseSize(length); err != nil {
		return p, err
	}
	if p.Length == 0 || p.Length%sha256.BlockSize != 0 {
		return p, fmt.Errorf("read beginning %.100q: its length is no multiple of %d: %w", text, sha256.BlockSize, ErrForm)
	}
	p.Midstate, err = parseDigest(state)
	return p, err
}

// formatPending writes NAME-VERSION REASON and then the facts that are known.
func formatPending(r index.Release, p Record) string {
	out := fmt.Sprintf("%s %s since=%s", r, p.Reason, formatTime(p.Since))
	if p.Cabal != (index.Span{}) {
		out += fmt.Sprintf(" cabal=%d+%d:%x", p.Cabal.Offset, p.Cabal.Size, p.CabalSHA256)
	}
	if p.Target != (index.Target{}) {
		out += fmt.Sprintf(" tarball=%d:%x", p.Target.Length, p.Target.SHA256)
	}
	if p.Revisions > 0 {
		out += fmt.Sprintf(" revisions=%d", p.Revisions)
	}
	if p.Replaced {
		out += " replaced"
	}
	return out
}

// parsePending reads what formatPending wrote.
func parsePending(value string) (index.Release, Record, error) {
	bad := func(err error) (index.Release, Record, error) {
		return index.Release{}, Record{}, fmt.Errorf("read ledger line %.200q: %w", value, err)
	}
	fields := strings.Fields(value)
	if len(fields) < 2 {
		return bad(ErrForm)
	}
	r, err := index.ParseRelease(fields[0])
	if err != nil {
		return bad(err)
	}
	p := Record{Reason: Reason(fields[1])}
	switch p.Reason {
	case Missing, Withdrawn, Mismatch, Unsigned, Failed:
	default:
		return bad(ErrForm)
	}
	for _, field := range fields[2:] {
		key, fact, _ := strings.Cut(field, "=")
		if err := p.fact(key, fact); err != nil {
			return bad(err)
		}
	}
	return r, p, nil
}

// fact reads one KEY=VALUE, or a KEY alone, of a ledger line.
func (p *Record) fact(key, value string) (err error) {
	numbers, digest, _ := strings.Cut(value, ":")
	switch key {
	case "replaced":
		p.Replaced = true
	case "since":
		p.Since, err = parseTime(key, value)
	case "revisions":
		p.Revisions, err = parseSize(value)
	case "cabal":
		offset, size, _ := strings.Cut(numbers, "+")
		if p.Cabal.Offset, err = parseSize(offset); err != nil {
			return err
		}
		if p.Cabal.Size, err = parseSize(size); err != nil {
			return err
		}
		p.CabalSHA256, err = parseDigest(digest)
	case "tarball":
		if p.Target.Length, err = parseSize(numbers); err != nil {
			return err
		}
		p.Target.SHA256, err = parseDigest(digest)
	}
	return err
}

// parseSize reads a length or an offset.
func parseSize(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("read number %.40q: %w", text, ErrForm)
	}
	return n, nil
}

// parseDigest reads a SHA-256 in hexadecimal.
func parseDigest(text string) (digest [32]byte, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(digest) {
		return digest, fmt.Errorf("read SHA-256 %.80q: %w", text, ErrForm)
	}
	return [32]byte(raw), nil
}

// formatTime writes a time in UTC to the second, and the zero time as nothing.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// parseTime reads what formatTime wrote.
func parseTime(key, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("read time %.40q of %s: %w", text, key, ErrForm)
	}
	return t.UTC(), nil
}
