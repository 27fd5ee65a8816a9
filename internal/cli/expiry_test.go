package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/health"
)

// TestExpiryIsSaidDaysBefore, by runs that read upstream's files and by quiet ones
// alike: else a state would come and go with what upstream publishes.
func TestExpiryIsSaidDaysBefore(t *testing.T) {
	t.Parallel()
	for _, role := range []hackagetest.Role{hackagetest.Root, hackagetest.Mirrors} {
		w := newWorld(t, hackagetest.Small())
		start := time.Now()
		end := start.Add(20 * health.Day)
		w.hackage.SetExpiry(role, end)
		if said := w.sync(CodeDone); strings.Contains(said, "expires") {
			t.Errorf("it warns of files that are good for weeks:\n%s", said)
		}
		for i, at := range []struct {
			left time.Duration
			code int
			says string
		}{
			{15 * health.Day, CodeDone, ""},
			{14*health.Day - time.Hour, CodeDegraded, "expires in 13 days"},
			{8 * health.Day, CodeDone, "expires in 7 days"},
			{7*health.Day - time.Hour, CodeDegraded, "expires in 6 days"},
			{2*health.Day - time.Hour, CodeDegraded, "expires in 46 hours"},
			{time.Hour, CodeDegraded, "expires in 59 minutes"},
		} {
			w.now = func() time.Time { return end.Add(-at.left) }
			for _, quiet := range []bool{true, false} {
				if !quiet {
					w.hackage.Upload(fmt.Sprintf("new%d", i), "1.0", nil, nil)
				}
				said := w.sync(at.code)
				if at.says == "" && strings.Contains(said, "expires in") {
					t.Errorf("it warns %s before:\n%s", at.left, said)
				}
				if strings.Contains(said, "nothing new") != quiet {
					t.Errorf("quiet %v:\n%s", quiet, said)
				}
				w.says(said, at.says)
				if at.says != "" {
					w.says(said, "Only upstream can sign it anew")
				}
				if at.code == CodeDegraded {
					w.says(said, lookAtThis+"upstream's ")
				}
			}
		}
		w.now = func() time.Time { return end.Add(time.Hour) }
		w.says(w.sync(CodeError), "upstream", "must renew it")
	}
}

// TestUpstreamThatDoesNotSignAnew is named as what is late.
func TestUpstreamThatDoesNotSignAnew(t *testing.T) {
	t.Parallel()
	for role, file := range map[hackagetest.Role]string{hackagetest.Timestamp: "timestamp.json", hackagetest.Snapshot: "snapshot.json"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			doesNotSignAnew(t, role, file)
		})
	}
}

func doesNotSignAnew(t *testing.T, role hackagetest.Role, file string) {
	t.Helper()
	w := newWorld(t, hackagetest.Small())
	for _, at := range []struct {
		left time.Duration
		code int
		says string
	}{
		{48 * time.Hour, CodeDone, ""},
		{20 * time.Hour, CodeDone, "expires in 19 hours"},
		{5 * time.Hour, CodeDegraded, "expires in 4 hours"},
	} {
		w.hackage.SetExpiry(role, time.Now().Add(at.left))
		bucket := append(w.upstreamArgs(), "--bucket", w.bucket())
		code, first := w.run(bucket...)
		again, quiet := w.run(bucket...) // which asks for timestamp.json only
		if code != at.code || again != at.code {
			t.Fatalf("exit codes %d and %d:\n%s", code, again, first+quiet)
		}
		if at.says == "" {
			if strings.Contains(first+quiet, "expires in") {
				t.Errorf("it warns of a timestamp of the usual age:\n%s", first+quiet)
			}
			continue
		}
		w.says(first, "upstream's "+file+" "+at.says, "It is upstream that has not signed anew in time")
		w.says(quiet, "the first of upstream's signed files "+at.says, "It is upstream that has not signed anew in time")
	}
	w.hackage.SetExpiry(role, time.Now().Add(-time.Hour))
	w.says(w.sync(CodeError), "upstream has not renewed it")
}
