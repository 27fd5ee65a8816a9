package hackage

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

func TestDeprecated(t *testing.T) {
	t.Parallel()
	large := []byte("[" + strings.Repeat(" ", MaxDeprecated) + "]")
	entry := func(s string) []byte { return []byte("[" + s + "]") }
	for name, test := range map[string]struct {
		raw   []byte
		fails error
	}{
		"a list": {raw: []byte(` [{"deprecated-package":"a","in-favour-of":[]},` + "\n" +
			`{"in-favour-of":["b-c","d3"], "deprecated-package":"acme-Everything"}]` + "\n")},
		"empty list":         {raw: []byte("[]")},
		"absent":             {fails: fs.ErrNotExist},
		"object":             {raw: []byte("{}"), fails: errNotDeprecated},
		"a page":             {raw: []byte("<html>"), fails: errNotDeprecated},
		"cut":                {raw: []byte("[{}"), fails: errNotDeprecated},
		"empty":              {raw: []byte{}, fails: errNotDeprecated},
		"two":                {raw: []byte("[][]"), fails: errNotDeprecated},
		"large":              {raw: large, fails: ErrTooLarge},
		"strings":            {raw: entry(`"a"`), fails: errNotDeprecated},
		"empty object":       {raw: entry(`{}`), fails: errNotDeprecated},
		"null":               {raw: entry(`null`), fails: errNotDeprecated},
		"no name":            {raw: entry(`{"in-favour-of":[]}`), fails: errNotDeprecated},
		"no favour":          {raw: entry(`{"deprecated-package":"a"}`), fails: errNotDeprecated},
		"another key":        {raw: entry(`{"deprecated-package":"a","in-favour-of":[],"password":"x"}`), fails: errNotDeprecated},
		"a key twice":        {raw: entry(`{"deprecated-package":"a","in-favour-of":[],"in-favour-of":[]}`), fails: errNotDeprecated},
		"case of a key":      {raw: entry(`{"Deprecated-Package":"a","in-favour-of":[]}`), fails: errNotDeprecated},
		"name of no package": {raw: entry(`{"deprecated-package":"../a","in-favour-of":[]}`), fails: errNotDeprecated},
		"favour of none":     {raw: entry(`{"deprecated-package":"a","in-favour-of":["b c"]}`), fails: errNotDeprecated},
		"number":             {raw: entry(`{"deprecated-package":1,"in-favour-of":[]}`), fails: errNotDeprecated},
		"favour is a name":   {raw: entry(`{"deprecated-package":"a","in-favour-of":"b"}`), fails: errNotDeprecated},
		"favour is deep":     {raw: entry(`{"deprecated-package":"a","in-favour-of":[["b"]]}`), fails: errNotDeprecated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			both(t, h, h.Generation().With(deprecatedFile, test.raw), hasty(h), func(t *testing.T, u *Upstream) {
				raw, err := u.Deprecated(t.Context())
				if !errors.Is(err, test.fails) || err == nil && !bytes.Equal(raw, test.raw) {
					t.Errorf("got %.60q: %v", raw, err)
				}
			})
		})
	}
}

// TestDeprecatedComesFromUpstreamsOwnHost: a redirect within the host is followed,
// one to another host or port is not even asked.
func TestDeprecatedComesFromUpstreamsOwnHost(t *testing.T) {
	t.Parallel()
	const list = `[{"deprecated-package":"a","in-favour-of":[]}]`
	var asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(list))
	}))
	t.Cleanup(other.Close)
	for to, followed := range map[string]bool{"/here": true, other.URL + "/here": false, "http://localhost/here": false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/here" {
				http.Redirect(w, r, to, http.StatusFound)
				return
			}
			_, _ = w.Write([]byte(list))
		}))
		t.Cleanup(server.Close)
		u := open(t, server.URL, hasty(hackagetest.Small()))
		raw, err := u.Deprecated(t.Context())
		if (string(raw) == list) != followed || (err == nil) != followed {
			t.Errorf("redirected to %q: %q, %v", to, raw, err)
		}
		if err != nil && !strings.Contains(err.Error(), "own host") {
			t.Errorf("redirected to %q: %v", to, err)
		}
	}
	if asked.Load() != 0 {
		t.Error("another host was asked")
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		same     bool
	}{
		{"http://a.example", "https://a.example/x", true},
		{"https://a.example:443", "https://A.example/x", true},
		{"http://a.example:8080", "https://a.example", false},
		{"https://a.example", "https://b.a.example", false},
	} {
		from, err := url.Parse(c.from)
		to, toErr := url.Parse(c.to)
		if err != nil || toErr != nil {
			t.Fatal(err, toErr)
		}
		if same := origin(from) == origin(to); same != c.same {
			t.Errorf("%s and %s are one origin: %v", c.from, c.to, same)
		}
	}
}

func TestDeprecatedCancelled(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	both(t, h, h.Generation(), hasty(h), func(t *testing.T, u *Upstream) {
		if _, err := u.Deprecated(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
