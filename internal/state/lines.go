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

// The keys that are named more than once.
const (
	keyLength   = "Index-Length"
	keyTime     = "Index-Time"
	keyMidstate = "Index-Midstate"
	keyPending  = "Pending"
)

// A field is what stands in a line of its own: how it is written, and read.
type field struct {
	key    string
	format func() string
	parse  func(text string) error
}

// fieldOf returns the field of a value. The zero value is the text "".
func fieldOf[T any](key string, value *T, format func(T) string, parse func(string) (T, error)) field {
	return field{key, func() string { return format(*value) }, func(text string) (err error) {
		*value, err = parse(text)
		return err
	}}
}

func textField[T ~string](key string, value *T) field {
	return fieldOf(key, value, func(t T) string { return string(t) }, func(text string) (T, error) { return T(text), nil })
}

func timeField(key string, value *time.Time) field {
	return fieldOf(key, value, formatTime, func(text string) (time.Time, error) { return parseTime(key, text) })
}

// numberField is the field of a number that must be there, also if it is 0.
func numberField(key string, value *int64) field {
	return fieldOf(key, value, func(n int64) string { return strconv.FormatInt(n, 10) }, func(text string) (int64, error) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("read state line %q with value %.40q: %w", key, text, ErrForm)
		}
		return n, nil
	})
}

// fields returns what each destination has, in the order in which it is written.
func (s *State) fields() []field {
	return []field{
		numberField(keyLength, &s.Position.Length),
		timeField(keyTime, &s.Position.Time),
		{keyMidstate, s.Position.MidstateHex, func(text string) (err error) {
			s.Position, err = index.NewPosition(s.Position.Length, s.Position.Time, text)
			return err
		}},
		numberField("Root-Version", &s.Seen.Root),
		numberField("Timestamp-Version", &s.Seen.Timestamp),
		numberField("Snapshot-Version", &s.Seen.Snapshot),
		numberField("Mirrors-Version", &s.Seen.Mirrors),
		textField("Index-SHA256", &s.Seen.Index),
		textField("Timestamp-SHA256", &s.Seen.Digest),
		textField("Timestamp-ETag", &s.Seen.ETag),
		timeField("Timestamp-Expires", &s.Seen.Expires),
		timeField("Root-Expires", &s.Seen.RootExpires),
		timeField("Mirrors-Expires", &s.Seen.MirrorsExpires),
		textField("Packages", &s.Packages),
	}
}

// tagFields returns what only a repository has.
func (s *State) tagFields() []field {
	return []field{
		textField("Repository", &s.Kind),
		textField("Branch", &s.Branch),
		fieldOf("Alarm", &s.Alarms, formatAlarms, parseAlarms),
	}
}

// bucketFields returns what only a bucket has.
func (s *State) bucketFields() []field {
	return []field{
		fieldOf("Held-Tar", &s.Held.Tar, formatPrefix, parsePrefix),
		fieldOf("Held-Gz", &s.Held.Gz, formatPrefix, parsePrefix),
		timeField("Legacy-Time", &s.Legacy),
		fieldOf("Pointers", &s.Pointers, formatPointers, parsePointers),
		textField("Nonce", &s.Nonce),
		textField("Notified", &s.Notified),
		fieldOf("Told", &s.Announced, formatAnnouncement, parseAnnouncement),
	}
}

// lines returns the written form of fields, and of the ledger behind them. Only the
// position stands there also when it is empty.
func (s *State) lines(fields ...field) []line {
	var out []line
	for _, f := range fields {
		if value := f.format(); value != "" || f.key == keyTime || f.key == keyMidstate {
			out = append(out, line{f.key, value})
		}
	}
	for _, r := range s.Ledger.Sorted() {
		out = append(out, line{keyPending, formatPending(r, s.Ledger[r])})
	}
	return out
}

// parseLines reads what lines wrote into s and its fields. Unknown keys are skipped, so
// that an older program can read what a newer one added.
func (s *State) parseLines(in []line, fields ...field) error {
	values := map[string]string{}
	s.Ledger = Ledger{}
	for _, l := range in {
		if l.key == keyPending {
			r, p, err := parsePending(l.value)
			if err != nil {
				return err
			}
			if _, twice := s.Ledger[r]; twice {
				return fmt.Errorf("read ledger line %.200q: its release appears twice: %w", l.value, ErrForm)
			}
			s.Ledger[r] = p
			continue
		}
		if _, twice := values[l.key]; twice {
			return fmt.Errorf("read state line %q: it appears twice: %w", l.key, ErrForm)
		}
		values[l.key] = l.value
	}
	for _, f := range fields {
		if err := f.parse(values[f.key]); err != nil {
			return err
		}
	}
	return nil
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
		if a.Since, err = parseTime("Alarm", pair[1]); err != nil {
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
func parsePointers(text string) (pointers map[string]string, _ error) {
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
	return pointers, nil
}

// formatAnnouncement writes TIME HEALTH LENGTH MIDSTATE, and the zero Announcement as
// nothing.
func formatAnnouncement(a Announcement) string {
	if a == (Announcement{}) {
		return ""
	}
	return fmt.Sprintf("%s %s %d %s", formatTime(a.When), cmp.Or(a.Health, "-"), a.At.Length, a.At.MidstateHex())
}

// parseAnnouncement reads what formatAnnouncement wrote. Any other text is the zero
// Announcement: then the next run writes the files anew.
func parseAnnouncement(text string) (Announcement, error) {
	fields := strings.Fields(text)
	if len(fields) != 4 {
		return Announcement{}, nil
	}
	when, err := time.Parse(time.RFC3339, fields[0])
	length, err2 := parseSize(fields[2])
	at, err3 := index.NewPosition(length, time.Time{}, fields[3])
	health := strings.TrimPrefix(fields[1], "-")
	if err != nil || err2 != nil || err3 != nil || strings.Trim(health, "abcdefghijklmnopqrstuvwxyz") != "" {
		return Announcement{}, nil
	}
	return Announcement{When: when.UTC(), Health: health, At: at}, nil
}

// formatPrefix writes LENGTH:MIDSTATE:CRC64, without the last if it is not
// known, and the zero FilePrefix as nothing.
func formatPrefix(p FilePrefix) string {
	if p.IsZero() {
		return ""
	}
	text := fmt.Sprintf("%d:%x", p.Length, p.Midstate)
	if p.CRC64 != 0 {
		text += fmt.Sprintf(":%016x", p.CRC64)
	}
	return text
}

// parsePrefix reads what formatPrefix wrote.
func parsePrefix(text string) (p FilePrefix, err error) {
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
		if err := p.parseFact(key, fact); err != nil {
			return bad(err)
		}
	}
	return r, p, nil
}

// parseFact reads one KEY=VALUE, or a KEY alone, of a ledger line.
func (p *Record) parseFact(key, value string) (err error) {
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
