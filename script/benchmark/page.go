package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/hackage-mirror/hackage-mirror/internal/page"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

const (
	pageCommand = "page" // measures the page of a bucket in a browser
	packages    = 20_000 // names of the search, as Hackage has in 2026
)

// runPage opens the page round by round, each time in a new tab without a cache,
// and types a name into its search.
func runPage(ctx context.Context, arguments []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("bench page", flag.ContinueOnError)
	rounds := flags.Int("rounds", 7, "how often the page is opened")
	program := flags.String("chromium", "chromium", "`program` of the browser")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	files, out, err := pageFiles()
	if err != nil {
		return err
	}
	server := httptest.NewServer(files)
	defer server.Close()
	window, stop, err := startChromium(ctx, *program)
	if err != nil {
		return err
	}
	defer stop()
	var m [3][]float64 // milliseconds to the first paint, to the names, of the slowest key
	for range *rounds {
		one, err := measurePage(window, server.URL)
		if err != nil {
			return fmt.Errorf("open the page: %w", err)
		}
		for i, ms := range one {
			m[i] = append(m[i], ms)
		}
	}
	out += fmt.Sprintf("\n| in Chromium, milliseconds | median of %d |\n|---|---|\n| first paint | %.0f |\n| first key of the search: %d names fetched and searched | %.0f |\n| any later key, the slowest of a round | %.1f |\n",
		*rounds, median(m[0]), packages, median(m[1]), median(m[2]))
	targets := []target{
		{"first paint, ms", "below 500", fmt.Sprintf("%.0f", median(m[0])), median(m[0]) < 500},
		{"a key of the search, ms", "below 16", fmt.Sprintf("%.1f", median(m[2])), median(m[2]) < 16},
	}
	var table strings.Builder
	table.WriteString(machine() + "\n\n" + out)
	writeTargets(&table, targets)
	if _, err := io.WriteString(stdout, table.String()); err != nil {
		return err
	}
	if missed(targets) > 0 {
		return errMissed
	}
	return nil
}

// startChromium starts the browser; the caller ends it.
func startChromium(ctx context.Context, program string) (context.Context, func(), error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox)
	allocator, stop := chromedp.NewExecAllocator(ctx, options...)
	window, leave := chromedp.NewContext(allocator)
	end := func() { leave(); stop() }
	if err := chromedp.Do(window); err != nil {
		end()
		return nil, nil, fmt.Errorf("start %s: %w", program, err)
	}
	return window, end, nil
}

// typing measures what a reader waits for: the script of a key and the layout of
// what it shows.
const typing = `(async () => {
  const query = document.getElementById('query'), results = document.getElementById('results');
  const paint = () => performance.getEntriesByName('first-contentful-paint')[0];
  while (!paint()) await new Promise(done => setTimeout(done));
  const type = (text) => { query.value = text; query.dispatchEvent(new Event('input')); };
  let from = performance.now();
  type('a');
  while (results.hidden) await new Promise(done => setTimeout(done));
  const first = performance.now() - from;
  let slowest = 0;
  for (const word of ['servant-client', 'aeson', 'text', 'zzz', 'e']) for (let n = 1; n <= word.length; n++) {
    from = performance.now();
    type(word.slice(0, n));
    document.body.offsetHeight;
    slowest = Math.max(slowest, performance.now() - from);
    await new Promise(done => requestAnimationFrame(done));
  }
  return [paint().startTime, first, slowest];
})()`

// measurePage opens the page in a tab.
func measurePage(window context.Context, address string) ([3]float64, error) {
	tab, leave := chromedp.NewContext(window, chromedp.WithNewBrowserContext())
	defer leave()
	tab, cancel := context.WithTimeout(tab, time.Minute)
	defer cancel()
	if err := chromedp.Do(tab, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(address)); err != nil {
		return [3]float64{}, err
	}
	return chromedp.Run(tab, chromedp.Evaluate[[3]float64](typing, chromedp.EvalAwaitPromise))
}

// pageFiles returns a bucket's files with all lists as long as they may be, and a
// table of their sizes.
func pageFiles() (http.Handler, string, error) {
	random := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("ae servant http client text lens mono data json yaml core conduit type level zip parse graph stream net sql db gen hs test bench")
	newest := map[string]string{}
	s := &status.Status{Version: status.Version, Health: status.Good, Sentence: "Up to date.", Checked: time.Now(), Holds: status.Holds{Packages: packages}}
	for len(newest) < packages {
		name := words[random.IntN(len(words))] + "-" + words[random.IntN(len(words))] + words[random.IntN(len(words))] + string(rune('a'+random.IntN(26)))
		newest[name] = fmt.Sprintf("%d.%d.%d", random.IntN(5), random.IntN(20), random.IntN(9))
		if len(s.Recent) < status.MaxRecent {
			s.Recent = append(s.Recent, status.Item{Package: name, Version: newest[name], Time: time.Now().Add(-time.Duration(len(s.Recent)) * time.Hour), Bytes: 50_000})
			s.Ledger = append(s.Ledger, status.Owed{Release: name, Reason: "missing", Why: "not available upstream yet", Since: time.Now()})
		}
	}
	for i := range status.MaxDays {
		s.Days = append(s.Days, status.Day{Day: time.Now().AddDate(0, 0, i-status.MaxDays).Format(time.DateOnly), Releases: random.IntN(50), Revisions: random.IntN(50)})
	}
	all, err := page.Render(s)
	if err != nil {
		return nil, "", err
	}
	mux, table := http.NewServeMux(), "| file | bytes |\n|---|---|\n"
	for _, f := range append(all, page.Names(newest)) {
		table += fmt.Sprintf("| %s | %s |\n", f.Key, thousands(len(f.Body)))
		mux.HandleFunc("/"+strings.TrimSuffix(f.Key, "index.html"), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", f.Type)
			_, _ = w.Write(f.Body) // the browser says if it misses something
		})
	}
	return mux, table, nil
}
