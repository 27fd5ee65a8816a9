package run

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// AcceptMismatch is the option by which a mismatch is acknowledged.
const AcceptMismatch = "accept-mismatch"

// An Accepted mismatch is one that a person has looked at: upstream serves these
// bytes of a release, and signed others.
type Accepted struct {
	release index.Release
	sha256  [32]byte
}

// ParseAccepted reads NAME-VERSION@SHA256, also with the name of the option before it,
// as a message or somebody's notes have it.
func ParseAccepted(text string) (Accepted, error) {
	line := strings.TrimPrefix(strings.TrimLeft(text, "- "), AcceptMismatch)
	name, digest, _ := strings.Cut(strings.Trim(line, ":= '\""), "@")
	release, err := index.ParseRelease(name)
	raw, err2 := hex.DecodeString(digest)
	if err != nil || err2 != nil || len(raw) != len(Accepted{}.sha256) {
		return Accepted{}, fmt.Errorf("accept-mismatch %.120q is not NAME-VERSION@SHA256; copy it from the message about the release", text)
	}
	return Accepted{release, [32]byte(raw)}, nil
}

// String writes what ParseAccepted reads.
func (a Accepted) String() string { return fmt.Sprintf("%s@%x", a.release, a.sha256) }

// mismatches keep what a run learns of releases whose bytes are not the signed
// ones. The ledgers only say that there are such.
type mismatches struct {
	accepted []Accepted
	runner   bool // the options come from the variables of a workflow

	mu     sync.Mutex // tarballs come concurrently
	served map[index.Release]*hackage.MismatchError
}

func newMismatches(c Config) *mismatches {
	return &mismatches{accepted: c.Accepted, runner: c.OnRunner, served: map[index.Release]*hackage.MismatchError{}}
}

// record keeps what upstream serves instead of a release, if err says so.
func (m *mismatches) record(err error) {
	if found, ok := errors.AsType[*hackage.MismatchError](err); ok {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.served[found.Release] = found
	}
}

// complete enters into the line of a ledger about a mismatch what differs, what to do,
// and whether somebody has acknowledged exactly that. A release that the run did
// not ask for again may still be what was acknowledged.
func (m *mismatches) complete(line *report.Record, buckets []*bucketTarget) {
	m.mu.Lock()
	found := m.served[line.Release]
	m.mu.Unlock()
	holder := slices.IndexFunc(buckets, func(s *bucketTarget) bool { return errors.Is(s.Refused(line.Release), bucket.ErrDiffers) })
	switch {
	case holder >= 0:
		line.Why = fmt.Sprintf("%s %s has other bytes than the signed ones at %s", BucketKind, buckets[holder], line.Release.TarballKey())
		line.Do = "find out who else can write there, and delete the object; the next run puts the signed one"
	case found == nil:
		line.Why = "upstream had other bytes than the signed ones"
		line.Accepted = slices.ContainsFunc(m.accepted, func(a Accepted) bool { return a.release == line.Release })
	default:
		served := Accepted{line.Release, found.Served.SHA256}
		_, line.Why, _ = strings.Cut(found.Error(), ": ")
		line.Do = "it was not published; ask upstream"
		if found.Served.Length > 0 {
			line.Do += ", or acknowledge exactly these bytes with"
			line.Paste = m.toPaste(served)
		}
		line.Accepted = slices.Contains(m.accepted, served)
	}
	if line.Accepted {
		line.Do, line.Paste = "acknowledged; it is not published", ""
	}
}

// toPaste is what acknowledges one more mismatch where the run was started: in the
// workflow, whose variable has the earlier ones too, or in a command line.
func (m *mismatches) toPaste(more Accepted) string {
	if !m.runner {
		return "--" + AcceptMismatch + " " + more.String()
	}
	var all []string
	for _, a := range append(slices.Clone(m.accepted), more) {
		all = append(all, a.String())
	}
	return fmt.Sprintf("gh variable set ACCEPT_MISMATCH --body '%s'", strings.Join(all, ","))
}

// alarms are the mismatches that nobody has acknowledged.
func alarms(run *report.Run) []error {
	var errs []error
	for _, line := range run.Ledger {
		if line.Reason == state.Mismatch && !line.Accepted {
			errs = append(errs, fmt.Errorf("%s: %s; %s", line.Release, line.Why, line.Advice()))
		}
	}
	return errs
}
