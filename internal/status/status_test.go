package status_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

func TestRoundTrip(t *testing.T) {
	day := time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC)
	want := &status.Status{
		Version: status.Version, Health: status.Look, Sentence: "Up to date, but <look> at this.", Checked: day,
		Index: status.Index{Length: 512, State: day}, Holds: status.Holds{Packages: -1, Releases: -1, Revisions: -1, Bytes: -1},
		Recent: []status.Item{{Package: "aeson", Version: "2.2.3.0", Revision: 4, Time: day}},
	}
	got, err := status.Parse(want.JSON())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read back %+v, want %+v", got, want)
	}
}

func TestRefused(t *testing.T) {
	long := &status.Status{Version: status.Version, Days: make([]status.Day, status.MaxDays+1)}
	for name, raw := range map[string]string{
		"no JSON": "<html>", "another version": `{"version":2}`, "no version": `{}`,
		"a long list": string(long.JSON()), "a large file": strings.Repeat(" ", status.MaxSize+1),
	} {
		if _, err := status.Parse([]byte(raw)); err == nil {
			t.Errorf("%s: read without an error", name)
		}
	}
}
