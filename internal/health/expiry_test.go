package health

import (
	"testing"
	"time"
)

// TestNoticeOfExpiry: when a run warns, and when a person is to hear of it.
func TestNoticeOfExpiry(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		left       time.Duration
		soon, look bool // of what is signed by hand
		dsoon      bool // of what is signed each day
		dlook      bool
		says       string
	}{
		{15 * Day, false, false, false, false, "expires in 15 days"},
		{14*Day + time.Minute, false, false, false, false, "expires in 14 days"},
		{14 * Day, true, true, false, false, "expires in 14 days"},
		{13*Day + time.Minute, true, true, false, false, "expires in 13 days"},
		{13 * Day, true, false, false, false, "expires in 13 days"},
		{8 * Day, true, false, false, false, "expires in 8 days"},
		{7 * Day, true, true, false, false, "expires in 7 days"},
		{6 * Day, true, false, false, false, "expires in 6 days"},
		{3 * Day, true, false, false, false, "expires in 3 days"}, // as Hackage signs timestamps
		{2 * Day, true, true, false, false, "expires in 2 days"},
		{36 * time.Hour, true, true, false, false, "expires in 36 hours"},
		{Day, true, true, true, false, "expires in 24 hours"},
		{7 * time.Hour, true, true, true, false, "expires in 7 hours"},
		{6 * time.Hour, true, true, true, true, "expires in 6 hours"},
		{time.Hour, true, true, true, true, "expires in 60 minutes"},
		{0, true, true, true, true, "expires in 0 minutes"},
		{-time.Hour, true, true, true, true, "has expired"},
	} {
		if soon, look := Yearly.At(test.left); soon != test.soon || look != test.look {
			t.Errorf("by hand, %s before: soon %v, look %v", test.left, soon, look)
		}
		if soon, look := Daily.At(test.left); soon != test.dsoon || look != test.dlook {
			t.Errorf("each day, %s before: soon %v, look %v", test.left, soon, look)
		}
		if got := Remaining(test.left); got != test.says {
			t.Errorf("%s before: %q, want %q", test.left, got, test.says)
		}
	}
}
