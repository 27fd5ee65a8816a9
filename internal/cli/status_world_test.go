package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/probe"
)

// A lookout is a world whose mirror somebody else looks at, over HTTP and with
// nothing but what everybody has. Its clock stands still.
type lookout struct {
	*world
	web    *httptest.Server
	front  http.Handler // before the bucket, if set
	clock  time.Time
	signer string // fingerprint
	public []byte // its key
}

// newLookout returns a lookout over a Hackage whose newest entry is five minutes
// old, and which is mirrored.
func newLookout(t *testing.T, o hackagetest.Options) *lookout {
	t.Helper()
	w := &lookout{clock: time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)}
	o.Seed, o.Start = "lookout", w.clock.Add(-8*time.Minute)
	h := hackagetest.New(o)
	for _, name := range []string{"alpha", "beta", "gamma"} {
		h.Upload(name, "1.0", nil, nil)
	}
	w.world = newWorld(t, h)
	w.now = func() time.Time { return w.clock }
	var err error
	if w.key, err = openpgp.Generate("Mirror", "mirror@example.invalid", nil, w.clock.AddDate(-1, 0, 0), time.Time{}); err != nil {
		t.Fatal(err)
	}
	w.web = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.front != nil {
			w.front.ServeHTTP(rw, r)
			return
		}
		http.FileServer(http.Dir(w.bucket())).ServeHTTP(rw, r)
	}))
	t.Cleanup(w.web.Close)
	w.sync(CodeDone)
	signer, err := openpgp.NewSigner(w.key, nil, w.now)
	if err != nil {
		t.Fatal(err)
	}
	w.signer, w.public = signer.Fingerprint(), signer.PublicKey()
	return w
}

// status runs the command as somebody who has no key, and must end with a code.
func (w *lookout) status(code int, args ...string) string {
	w.Helper()
	upstream := w.upstreamArgs()
	upstream[0] = "status"
	return w.bare(code, slices.Concat(upstream, args)...)
}

// bare is status with no options but those given.
func (w *lookout) bare(code int, args ...string) string {
	w.Helper()
	variables := map[string]string{"PATH": os.Getenv("PATH"), "HOME": w.dir}
	for name, value := range w.env {
		variables[name] = value
	}
	env, stdout, stderr := testEnv(variables)
	env.Now, env.tune = w.now, w.tune
	got := Main(context.Background(), args, env)
	said := stdout.String() + stderr.String()
	if got != code {
		w.Fatalf("exit code %d, want %d:\n%s", got, code, said)
	}
	if strings.ContainsAny(said, "\x1b\x07\u009b\u202e") {
		w.Errorf("it prints what moves a terminal: %q", said)
	}
	return said
}

// all are the options that name all places.
func (w *lookout) all(more ...string) []string {
	return append([]string{
		w.web.URL + "/", "--files-repository", w.files(), "--hashes-repository", w.hashes(), "--trusted-keys", w.signer,
	}, more...)
}

// put writes a file into the bucket.
func (w *lookout) put(key string, content string) {
	w.Helper()
	writeFile(w.T, filepath.Join(w.bucket(), key), []byte(content))
}

// saysNot fails the test if a text has one of some parts.
func (w *lookout) saysNot(text string, parts ...string) {
	w.Helper()
	for _, part := range parts {
		if strings.Contains(text, part) {
			w.Errorf("it says %q:\n%s", part, text)
		}
	}
}

// parsed reads what --json prints.
func (w *lookout) parsed(said string) (f probe.Form) {
	w.Helper()
	said = said[:strings.LastIndex(said, "\n}\n")+3]
	if err := json.Unmarshal([]byte(said), &f); err != nil {
		w.Fatalf("%v:\n%s", err, said)
	}
	return f
}

// says fails the test unless a text has every one of some parts, wherever it breaks
// its lines.
func (w *lookout) says(text string, parts ...string) {
	w.Helper()
	flat := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	for _, part := range parts {
		if !strings.Contains(flat(text), flat(part)) {
			w.Errorf("it does not say %q:\n%s", part, text)
		}
	}
}
