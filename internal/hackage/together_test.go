package hackage

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A gathering lets none of some requests go on before all of them were made. Who makes
// them one after the other waits until the test's context ends.
type gathering struct {
	ctx  context.Context
	all  []string
	mu   sync.Mutex
	here []string
	full chan struct{}
}

func gather(ctx context.Context, all ...string) *gathering {
	return &gathering{ctx: ctx, all: all, full: make(chan struct{})}
}

// arrive waits for the others, if it is one of those that gather.
func (g *gathering) arrive(what string) {
	g.mu.Lock()
	if !slices.Contains(g.all, what) || slices.Contains(g.here, what) {
		g.mu.Unlock()
		return
	}
	if g.here = append(g.here, what); len(g.here) == len(g.all) {
		close(g.full)
	}
	g.mu.Unlock()
	select {
	case <-g.full:
	case <-g.ctx.Done():
	}
}

// What does not depend on each other is asked for together: the files below
// timestamp.json while known roots come, and the new ends of both indexes.
func TestWhatDoesNotDependOnEachOtherIsAskedForTogether(t *testing.T) {
	t.Parallel()
	h := bulky()
	s := serve(t, h)
	held := whole(h.Generation())
	h.Upload("newer", "1", nil, nil)
	const roots = "known roots"
	metadata, ends := gather(t.Context(), roots, "/snapshot.json", "/mirrors.json"), gather(t.Context(), tarPath, gzPath)
	network := &http.Transport{}
	t.Cleanup(network.CloseIdleConnections)
	o := hasty(h)
	o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		metadata.arrive(req.URL.Path)
		ends.arrive(req.URL.Path)
		return network.RoundTrip(req)
	})
	o.KnownRoots = func(context.Context) [][]byte {
		metadata.arrive(roots)
		return [][]byte{h.Generation().File("root.json")}
	}
	u := open(t, s.URL, o)
	m, err := u.Metadata(t.Context(), state.Seen{})
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Count("/"); n != 3 {
		t.Errorf("%d requests for three files", n)
	}
	ix, err := u.IndexFrom(t.Context(), m, t.TempDir(), held)
	if err != nil {
		t.Fatal(err)
	}
	if err := ix.Close(); err != nil {
		t.Error(err)
	}
	if ix.From != held.Tar || s.Count(tarPath) != 1 || s.Count(gzPath) != 1 {
		t.Errorf("index from %d by %d and %d requests", ix.From.Length, s.Count(tarPath), s.Count(gzPath))
	}
}
