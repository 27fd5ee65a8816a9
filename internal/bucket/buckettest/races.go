package buckettest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// testCreators lets 16 put four contents under one new key.
func testCreators(t *testing.T, b bucket.Bucket) {
	const creators = 16
	content := func(i int) string { return fmt.Sprintf("content %d", i%4) }
	results := make([]error, creators)
	start := make(chan struct{})
	var group errgroup.Group
	for i := range creators {
		group.Go(func() error {
			<-start
			_, results[i] = b.Put(t.Context(), "package/k", bucket.NewObject([]byte(content(i))), bucket.IfAbsent())
			return nil
		})
	}
	close(start)
	_ = group.Wait() // no member returns an error
	won, _ := get(t, b, "package/k")
	winners := 0
	for i, err := range results {
		switch {
		case content(i) == won:
			winners++
			if err != nil {
				t.Errorf("put the bytes that won: %v", err)
			}
		case !errors.Is(err, bucket.ErrDiffers):
			t.Errorf("put bytes that lost: %v, want ErrDiffers", err)
		}
	}
	if winners != creators/4 {
		t.Errorf("%q won, which %d put; want one of the four contents", won, winners)
	}
}

// testUpdaters lets several count up one number, each step by compare and swap,
// and with the updater's name behind it: two that put the same bytes would both
// have put them.
func testUpdaters(t *testing.T, b bucket.Bucket) {
	const updaters, steps = 4, 5
	put(t, b, "count", "0 by nobody", bucket.IfMatch(""))
	var group errgroup.Group
	for i := range updaters {
		group.Go(func() error {
			for range steps {
				if err := countUp(t.Context(), b, "count", i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if last, _ := get(t, b, "count"); !strings.HasPrefix(last, fmt.Sprintf("%d by", updaters*steps)) {
		t.Errorf("it holds %q after %d steps", last, updaters*steps)
	}
}

func countUp(ctx context.Context, b bucket.Bucket, key string, updater int) error {
	for {
		content, info, err := fetch(ctx, b, key)
		if err != nil {
			return err
		}
		var n int
		if _, err := fmt.Sscan(content, &n); err != nil {
			return err
		}
		next := bucket.NewObject(fmt.Appendf(nil, "%d by %d", n+1, updater))
		if _, err := b.Put(ctx, key, next, bucket.IfMatch(info.ETag)); !errors.Is(err, bucket.ErrConflict) {
			return err
		}
	}
}

// testReaders reads while versions of different sizes replace one another. Fetch
// compares what it reads with the digest that came first.
func testReaders(t *testing.T, b bucket.Bucket) {
	version := func(i int) string { return strings.Repeat(strconv.Itoa(i), 30_000+i) }
	put(t, b, "k", version(0), bucket.Always())
	group, ctx := errgroup.WithContext(t.Context())
	group.Go(func() error {
		for i := range 20 {
			if _, err := b.Put(ctx, "k", bucket.NewObject([]byte(version(i))), bucket.Always()); err != nil {
				return err
			}
		}
		return nil
	})
	for range 2 {
		group.Go(func() error {
			for range 20 {
				if _, _, err := fetch(ctx, b, "k"); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}
