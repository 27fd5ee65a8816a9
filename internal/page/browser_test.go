package page_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
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
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU)
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
	noScript bool
	width    int64         // of the window; 0 for that of a desktop
	later    time.Duration // by the reader's clock, since the last check of the sample
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
func (r reader) open(t testing.TB, window context.Context, address string) *tab {
	t.Helper()
	b := &tab{TB: t}
	ctx, leave := chromedp.NewContext(window, chromedp.WithListener(b.listen))
	t.Cleanup(leave)
	b.ctx = ctx
	clock := fmt.Sprintf("{ const now = Date.now.bind(Date), far = %d - now(); window.later = 0; Date.now = () => now() + far + window.later; }",
		at.Add(r.later).UnixMilli())
	tell(b, log.Enable, cdp.Empty{})
	tell(b, network.Enable, network.EnableParams{})
	b.light(true)
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

// wait waits until an expression is true, or for ever.
func (b *tab) wait(expression string) {
	b.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(0))); err != nil {
		b.Fatalf("wait for %s: %v", expression, err)
	}
}

// arrive waits until the browser shows an address, or for ever.
func (b *tab) arrive(address string) {
	b.Helper()
	for {
		ready, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](fmt.Sprintf("location.href === %q && document.readyState === 'complete'", address)))
		if err == nil && ready {
			return
		}
		if b.ctx.Err() != nil {
			b.Fatalf("did not come to %s: %v", address, err)
		}
		time.Sleep(10 * time.Millisecond)
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

// s3Place is a bucket on a real S3 server that everybody may read.
func s3Place(t *testing.T, s *status.Status) string {
	t.Helper()
	server := s3test.Start(t)
	name := server.NewBucket(t)
	b, err := open.Bucket(t.Context(), s3test.Address(server.URL, name, "hackage"), open.Options{Options: bucket.Options{Getenv: server.Getenv}})
	if err != nil {
		t.Fatal(err)
	}
	for key, body := range contents(t, s) {
		o := bucket.Object{Body: bytes.NewReader(body), Size: int64(len(body)), SHA256: sha256.Sum256(body), ContentType: kinds[path.Ext(key)]}
		if _, err := b.Put(t.Context(), key, o, bucket.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	return server.PublicURL(name) + "/hackage/"
}

var kinds = map[string]string{".html": "text/html; charset=utf-8", ".json": "application/json", ".cabal": "text/plain; charset=utf-8"}

func TestPageInABrowser(t *testing.T) {
	t.Parallel()
	window := startBrowser(t)
	unknown := sample()
	unknown.PublicURL = ""
	base := place(t, unknown)
	axe := axeCore(t)
	t.Run("search", func(t *testing.T) {
		b := testSearch(t, window, base)
		b.press(kb.ArrowDown, kb.ArrowDown, kb.ArrowUp)
		b.wait("document.getElementById('query').getAttribute('aria-activedescendant') === 'result-0'")
		b.accessible(axe, "{}")
		b.press(kb.Enter)
		b.arrive(base + "package/aeson-2.2.3.0/aeson.cabal")
		if seen := b.seen("body"); !strings.Contains(seen, "name: aeson") {
			t.Errorf("opened %q", seen)
		}
	})
	t.Run("search on S3", func(t *testing.T) {
		t.Parallel()
		base := s3Place(t, sample())
		b := testSearch(t, window, base+"index.html")
		b.do(chromedp.Click("#result-0"))
		b.arrive(base + "package/aeson-2.2.3.0/aeson.cabal")
	})
	t.Run("copy", func(t *testing.T) { testCopy(t, window, base) })
	t.Run("clock", func(t *testing.T) { testClock(t, window, base) })
	t.Run("policy", func(t *testing.T) { testPolicy(t, window, base) })
	t.Run("no script", func(t *testing.T) { testNoScript(t, window, base) })
	t.Run("file", func(t *testing.T) { testFile(t, window) })
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testSample(t, window, s, axe)
		})
	}
}

// press presses keys one after the other.
func (b *tab) press(keys ...string) {
	b.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

// reach presses the tabulator until an element has the focus.
func (b *tab) reach(selector string) {
	b.Helper()
	for range 60 {
		b.press(kb.Tab)
		if ask[bool](b, fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
			return
		}
	}
	b.Fatalf("%s cannot be reached by the keyboard", selector)
}

// testSearch finds a package by the keyboard alone.
func testSearch(t *testing.T, window context.Context, address string) *tab {
	t.Helper()
	base := strings.TrimSuffix(address, "index.html")
	b := reader{later: 10 * time.Minute}.open(t, window, address)
	if seen := b.seen("#health"); !strings.Contains(seen, "Up to date") || !strings.Contains(seen, "10 minutes ago") {
		t.Errorf("the page says of its health %q", seen)
	}
	b.quiet(base, strings.TrimPrefix(address, base))
	b.reach("#query")
	b.press("a", "e", "s")
	b.wait("document.querySelectorAll('#results [role=option]').length === 4")
	if seen := b.seen("#found"); seen != "4 packages" {
		t.Errorf("said %q", seen)
	}
	b.press(kb.Escape)
	b.wait("document.getElementById('results').hidden && document.getElementById('query').value === ''")
	b.press("x", "x")
	b.wait("document.getElementById('found').textContent.startsWith('No package')")
	b.press(kb.Escape, "A", "e", "s", "o", "n")
	b.wait("!document.getElementById('results').hidden")
	if seen := b.seen("#result-0"); !strings.Contains(seen, "aeson") || !strings.Contains(seen, "2.2.3.0") {
		t.Errorf("the first result is %q", seen)
	}
	if seen := b.seen("#pick"); seen != "Files of aeson 2.2.3.0: .cabal file, tarball, digests" {
		t.Errorf("the files are %q", seen)
	}
	b.quiet(base, strings.TrimPrefix(address, base), page.NamesKey)
	return b
}

// testCopy copies the blocks by the keyboard, with the address filled in.
func testCopy(t *testing.T, window context.Context, base string) {
	b := reader{}.open(t, window, base)
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		if _, err := chromedp.CallBrowser(b.ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted,
		}); err != nil {
			t.Fatal(err)
		}
	}
	b.reach(".copy")
	b.press(kb.Enter)
	b.wait("document.getElementById('said').textContent === 'Copied'")
	want := "repository hackage.haskell.org\n  url: " + base + "\n  secure: True\n  root-keys: " + strings.Join(rootKeys(), "\n             ") + "\n  key-threshold: 3\n"
	if got := ask[string](b, "navigator.clipboard.readText()"); got != want {
		t.Errorf("copied\n%s\nwant\n%s", got, want)
	}
	// Elsewhere than on loopback, http is no secure connection, and there is no clipboard.
	ask[bool](b, "window.board = navigator.clipboard; delete Navigator.prototype.clipboard; document.querySelectorAll('details').forEach(d => { d.open = true; }); navigator.clipboard === undefined")
	b.reach(".copy")
	b.press(kb.Enter)
	b.wait("getSelection().toString().includes('download-prefix')")
	if got := ask[string](b, "window.board.readText()"); !strings.Contains(got, "download-prefix: "+base) {
		t.Errorf("copied %q", got)
	}
	b.quiet(base, "")
}

// testClock looks at the page when no run has written for long, and at one that
// has been open for long.
func testClock(t *testing.T, window context.Context, base string) {
	b := reader{later: 9 * time.Hour}.open(t, window, base)
	if seen := b.seen("#health"); !strings.Contains(seen, "The last check was 9 hours ago: this mirror may be out of date.\n\nThen it said: “Up to date.”") {
		t.Errorf("nine hours later it says %q", seen)
	}
	b = reader{later: 59 * time.Minute}.open(t, window, base)
	if seen := b.seen("#health"); strings.Contains(seen, "out of date") {
		t.Errorf("an hour later it says %q", seen)
	}
	ask[bool](b, "window.later = 5 * 3600e3; document.dispatchEvent(new Event('visibilitychange'))")
	if seen := b.seen("#health"); !strings.Contains(seen, "opened 5 hours ago") || strings.Contains(seen, "out of date") {
		t.Errorf("opened for five hours it says %q", seen)
	}
	b = reader{later: -26 * time.Hour}.open(t, window, base)
	if seen := b.seen("#health"); strings.Contains(seen, "ago") {
		t.Errorf("to a clock that is late it says %q", seen)
	}
}

// testPolicy tries what the page's policy has to forbid.
func testPolicy(t *testing.T, window context.Context, base string) {
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	b := reader{}.open(t, window, base)
	for kind, attempt := range map[string]string{
		"script":  "{ const s = document.createElement('script'); s.textContent = 'window.pwned = 1'; document.body.append(s); }",
		"style":   "{ const s = document.createElement('style'); s.textContent = 'body { color: red }'; document.body.append(s); }",
		"img":     "{ new Image().src = '" + elsewhere.URL + "/i.png'; }",
		"connect": "fetch('" + elsewhere.URL + "').catch(() => {});",
		"form":    "{ const f = document.createElement('form'); f.action = '" + elsewhere.URL + "'; document.body.append(f); f.submit(); }",
	} {
		violated := ask[string](b, "new Promise(done => { document.addEventListener('securitypolicyviolation', e => done(e.effectiveDirective), {once: true}); "+attempt+" setTimeout(() => done('nothing'), 60000); })")
		if !strings.HasPrefix(violated, kind) {
			t.Errorf("%s violates %s", kind, violated)
		}
		if ask[bool](b, "'pwned' in window") {
			t.Errorf("%s ran", kind)
		}
	}
}

// testNoScript reads the page without its script.
func testNoScript(t *testing.T, window context.Context, base string) {
	b := reader{noScript: true}.open(t, window, base)
	seen := b.seen("body")
	for _, want := range []string{"Up to date", "26 Nov 2026, 06:00 UTC", "allow this page its script", "https://ADDRESS/", "2 days left"} {
		if !strings.Contains(seen, want) {
			t.Errorf("without script it does not say %q", want)
		}
	}
	for _, hidden := range []string{"Find a package", "Copy", "ago"} {
		if strings.Contains(seen, hidden) {
			t.Errorf("without script it says %q", hidden)
		}
	}
}

// testFile reads the page from a file.
func testFile(t *testing.T, window context.Context) {
	s := sample()
	s.PublicURL = ""
	name := filepath.Join(t.TempDir(), "index.html")
	if err := os.WriteFile(name, render(t, s)["index.html"], 0o644); err != nil {
		t.Fatal(err)
	}
	b := reader{}.open(t, window, "file://"+name)
	if seen := b.seen("body"); !strings.Contains(seen, "opened from a file") || !strings.Contains(seen, "https://ADDRESS/") {
		t.Errorf("from a file it says %q", seen)
	}
	b.reach("#query")
	b.press("a")
	b.wait("document.getElementById('found').textContent.includes('needs a web server')")
	b.quiet("file://"+name, "")
}

// testSample looks at a mirror in light and in dark, on a narrow screen and a wide
// one: nothing runs out of the screen, and axe finds nothing serious.
func testSample(t *testing.T, window context.Context, s *status.Status, axe string) {
	base := place(t, s)
	b := reader{width: 360, later: time.Minute}.open(t, window, base)
	for _, dark := range []bool{false, true} {
		b.light(!dark)
		b.do(chromedp.EmulateViewport(360, 900))
		if wide := ask[int](b, "document.documentElement.scrollWidth"); wide > 360 {
			t.Errorf("on a screen of 360 pixels it is %d wide", wide)
		}
		sum := ask[int](b, "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, c) => a + +c, 0)")
		if dark != (sum < 3*128) {
			t.Errorf("dark is %v, and the background has %d of %d", dark, sum, 3*255)
		}
		b.do(chromedp.EmulateViewport(1280, 900))
		ask[bool](b, "document.querySelectorAll('details').forEach(d => { d.open = true; }); true")
		if ask[bool](b, "'pwned' in window || [...document.links].some(a => !/^https?:$/.test(a.protocol))") {
			t.Error("what was shown became a script or a link")
		}
		b.quiet(base, "")
		rules := "{}"
		if dark {
			rules = `{runOnly: ["color-contrast"]}` // nothing else differs
		}
		if len(s.Ledger) < status.MaxLedger { // of long lists axe would say the same, again and again
			b.accessible(axe, rules)
		}
	}
}

// light says whether the system is set to light or to dark.
func (b *tab) light(is bool) {
	b.Helper()
	scheme := map[bool]string{true: "light", false: "dark"}[is]
	tell(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// accessible fails if axe-core finds anything that keeps people out.
func (b *tab) accessible(axe, rules string) {
	b.Helper()
	findings := ask[[]string](b, axe+`;axe.run(document, `+rules+`).then(r => r.violations.map(v =>
		v.impact + " " + v.id + ": " + v.nodes.slice(0, 3).map(n => n.target + " " + n.failureSummary).join("; ")))`)
	for _, finding := range findings {
		b.Error(finding)
	}
}

// axeCore returns the script of axe-core, as script/bootstrap fetched it.
func axeCore(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		unable(t, err)
	}
	raw, err := os.ReadFile(filepath.Join(cache, "hackage-mirror", "axe-core-"+axeVersion+".js"))
	if err != nil {
		unable(t, fmt.Errorf("axe-core is missing; script/bootstrap fetches it: %w", err))
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != axeSum {
		t.Fatalf("axe-core has the SHA-256 %x, want %s", sum, axeSum)
	}
	return string(raw)
}

// The version that script/bootstrap fetches, and its axe.min.js.
const (
	axeVersion = "4.14.1"
	axeSum     = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
)
