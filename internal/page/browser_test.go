package page_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/hackage-mirror/hackage-mirror/internal/page"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// startBrowser starts Chromium for a test.
func startBrowser(t testing.TB) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && program == "" {
			program = found
		}
	}
	if program == "" {
		unable(t, errors.New("chromium is not installed; script/bootstrap installs it"))
	}
	// Pages of the tests are our own, and root cannot have a sandbox.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, leave := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error("end the browser: ", err)
		}
		leave()
		stop()
	})
	if err := chromedp.Do(ctx); err != nil {
		unable(t, err)
	}
	return ctx
}

// unable ends a test that lacks something.
func unable(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip("not tested: ", err)
}

// A reader is somebody before a window of the browser.
type reader struct {
	dark, noScript bool
	width          int64         // of the window; 0 for that of a desktop
	later          time.Duration // by the reader's clock, since the last check of the sample
}

// A tab is where a reader looks at a page.
type tab struct {
	testing.TB
	ctx context.Context

	mu    sync.Mutex
	said  []string // errors of the console, of scripts and of the policy
	asked []string // addresses that were asked for
}

// open opens an address for a reader.
func (r reader) open(t testing.TB, browser context.Context, address string) *tab {
	t.Helper()
	b := &tab{TB: t}
	ctx, leave := chromedp.NewContext(browser, chromedp.WithListener(b.listen))
	ctx, end := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(func() { end(); leave() })
	b.ctx = ctx
	scheme := "light"
	if r.dark {
		scheme = "dark"
	}
	clock := fmt.Sprintf("{ const now = Date.now.bind(Date), far = %d - now(); window.later = 0; Date.now = () => now() + far + window.later; }",
		at.Add(r.later).UnixMilli())
	tell(b, log.Enable, cdp.Empty{})
	tell(b, network.Enable, network.EnableParams{})
	tell(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	tell(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: r.noScript})
	tell(b, cdpage.AddScriptToEvaluateOnNewDocument, cdpage.AddScriptToEvaluateOnNewDocumentParams{Source: clock})
	b.do(chromedp.EmulateViewport(cmp.Or(r.width, 1280), 900), chromedp.Navigate(address))
	return b
}

// tell gives the browser a command of its protocol.
func tell[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.Helper()
	answer, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.Fatal(err)
	}
	return answer
}

// listen keeps what a test asks about.
func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
	case *log.EventEntryAdded:
		b.said = append(b.said, e.Entry.Text)
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.said = append(b.said, "console: "+string(e.Type))
	case *cdpage.EventJavascriptDialogOpening:
		b.said = append(b.said, "dialog: "+e.Message)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// ask evaluates an expression in the page; a promise is waited for.
func ask[T any](b *tab, expression string) T {
	b.Helper()
	answer, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%.200s: %v", expression, err)
	}
	return answer
}

// wait waits until an expression is true.
func (b *tab) wait(expression string) {
	b.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		b.Fatalf("wait for %s: %v", expression, err)
	}
}

// seen returns the text that a reader sees below a selector.
func (b *tab) seen(selector string) string {
	b.Helper()
	return ask[string](b, fmt.Sprintf("document.querySelector(%q).innerText", selector))
}

// quiet fails if the page complained, or asked for anything but its own files.
func (b *tab) quiet(base string, files ...string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.said {
		b.Error("the browser says: ", text)
	}
	for _, address := range b.asked {
		file, own := strings.CutPrefix(address, base)
		if !strings.HasPrefix(address, "data:") && (!own || !slices.Contains(files, file)) {
			b.Errorf("the page asked for %s", address)
		}
	}
}

// place is where a bucket is served: a folder by a web server, below a prefix.
func place(t testing.TB, s *status.Status) (base string) {
	t.Helper()
	root := t.TempDir()
	for key, body := range contents(t, s) {
		name := filepath.Join(root, "pub", "hackage", filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.FileServer(http.Dir(root)))
	t.Cleanup(server.Close)
	return server.URL + "/pub/hackage/"
}

// contents is a bucket with what the page leads to.
func contents(t testing.TB, s *status.Status) map[string][]byte {
	t.Helper()
	all := render(t, s)
	all[status.Key] = s.JSON()
	all[page.NamesKey] = page.Names(map[string]string{
		"aeson": "2.2.3.0", "aeson-pretty": "0.8.10", "attoparsec-aeson": "2.2.2.0", "Agda": "2.8.0", "lens": "5.3.4", "lens-aeson": "1.2.3",
	}).Body
	all["package/aeson-2.2.3.0/aeson.cabal"] = []byte("name: aeson\nversion: 2.2.3.0\n")
	all["package/lens-aeson-1.2.3/lens-aeson.cabal"] = []byte("name: lens-aeson\n")
	return all
}
