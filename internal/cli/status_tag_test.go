package cli

import (
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

func TestStatusTellsWhoseATagIs(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	other, err := openpgp.Generate("Other", "other@example.invalid", nil, w.clock.AddDate(-1, 0, 0), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := openpgp.NewSigner(other, nil, w.now)
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"--files-repository", w.files()}
	w.says(w.status(CodeDone, append(files, "--trusted-keys", w.signer+","+signer.Fingerprint())...), "which is trusted")
	said := w.status(CodeDegraded, append(files, "--trusted-keys", signer.Fingerprint())...)
	w.says(said, "degraded", "signed by key "+w.signer+", which is none of trusted-keys", "unproven  missing")
	edited := strings.Replace(w.git(w.files(), "cat-file", "tag", "current-hackage"), "Root-Version: 1", "Root-Version: 2", 1)
	w.setTag(w.files(), edited)
	w.says(w.status(CodeDegraded, append(files, "--trusted-keys", w.signer)...), "the signature of its tag does not hold")
}

// setTag puts a tag object in the place of the tag.
func (w *world) setTag(repository, object string) {
	w.Helper()
	writeFile(w.T, w.path("tag"), []byte(object))
	id := strings.TrimSpace(w.git(repository, "hash-object", "-t", "tag", "-w", "--literally", w.path("tag")))
	w.git(repository, "update-ref", "refs/tags/current-hackage", id)
}

func TestStatusOfABranchThatSomebodyElseMoved(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	tree := strings.TrimSpace(w.git(w.files(), "rev-parse", "hackage^{tree}"))
	foreign := strings.TrimSpace(w.git(w.files(), "commit-tree", tree, "-p", "hackage", "-m", "by hand"))
	w.git(w.files(), "update-ref", "refs/heads/hackage", foreign)
	files := []string{"--files-repository", w.files(), "--trusted-keys", w.signer}
	w.says(w.status(CodeDegraded, files...), `branch "hackage" is at commit `+foreign)
	w.sync(CodeDegraded)
	said := w.status(CodeDegraded, files...)
	w.says(said, "! alarm: commit "+foreign+", found at 2026-11-22T06:00:00Z")
	f := w.parsed(w.status(CodeDegraded, append(files, "--json")...))
	if tag := f.Destinations[0].Tag; len(tag.Alarms) != 1 || tag.Alarms[0].Commit != foreign || tag.Signature != "trusted" {
		t.Errorf("%+v", tag)
	}
	w.git(w.files(), "update-ref", "-d", "refs/heads/hackage")
	w.says(w.status(CodeDegraded, files...), `it has no branch "hackage"`)
	w.says(w.status(CodeDegraded, "--hashes-repository", w.files()), "its tag says that it is a files repository")
}

// The older tools' tags say no position, so the time of their commit counts.
func TestStatusOfAnOlderTool(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	old := w.path("old.git")
	w.plainRepository(old, w.hackage.Generation().Tree(), true)
	said := w.status(CodeDone, "--files-repository", old)
	w.says(said, "unsigned  signed by       nobody", "made by         an older tool", "unsigned  missing         6 entries (6.0 KiB of upstream's index), the oldest for 7 min")
	w.says(w.status(CodeDegraded, "--files-repository", old, "--trusted-keys", w.signer), "! its tag is not signed")
	head := strings.TrimSpace(w.git(old, "rev-parse", "hackage"))
	w.git(old, "update-ref", "refs/tags/current-hackage", head) // a lightweight one
	w.clock = w.clock.Add(3 * time.Hour)
	w.says(w.status(CodeDegraded, "--files-repository", old), "stale", "it lacks 6 entries", "current-hackage at commit "+head)
	w.server.Fault("/01-index.tar", hackagetest.IgnoreRange())
	w.says(w.status(CodeDegraded, "--files-repository", old), "stale", "something that has been missing for at most 4,282 days")
	w.server.Heal()
	tree := strings.TrimSpace(w.git(old, "rev-parse", "hackage^{tree}"))
	newest := strings.TrimSpace(w.git(old, "commit-tree", tree, "-p", "hackage", "-m", "Update from Hackage at 2026-11-22T05:55:00Z"))
	w.git(old, "update-ref", "refs/heads/hackage", newest)
	w.git(old, "update-ref", "refs/tags/current-hackage", newest)
	w.says(w.status(CodeDone, "--files-repository", old), "fresh", "missing         nothing")
	w.git(old, "tag", "-f", "-a", "-m", "v1", "current-hackage", "hackage")
	w.says(w.status(CodeError, "--files-repository", old), `it says "v1`, "not a tag of this mirror")
	w.git(old, "tag", "-d", "current-hackage")
	w.says(w.status(CodeError, "--files-repository", old), `it has no tag "current-hackage"`)
}

// Over the web a repository is read as by anybody: without a name, and no more of it
// than the tag and its commit.
func TestStatusReadsOverTheWebAlone(t *testing.T) {
	t.Parallel()
	w := newLookout(t, hackagetest.Options{})
	backend := findProgram(t, "git-http-backend", strings.TrimSpace(w.git(w.dir, "--exec-path")))
	script := &cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + w.dir, "GIT_HTTP_EXPORT_ALL=1"}, InheritEnv: []string{"PATH"}, Stderr: io.Discard}
	var asked atomic.Int64
	host := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, request *http.Request) {
		if asked.Add(1); request.Header.Get("Authorization") != "" || strings.Contains(request.URL.String(), "receive-pack") {
			t.Errorf("it asks for %s as %q", request.URL, request.Header.Get("Authorization"))
		}
		script.ServeHTTP(out, request)
	}))
	t.Cleanup(host.Close)
	w.git(w.hashes(), "config", "uploadpack.allowFilter", "true")
	writeFile(t, w.path("mirror.asc"), w.public)
	said := w.status(CodeDone, "--hashes-repository", host.URL+"/hashes.git", "--trusted-keys", w.path("mirror.asc"))
	w.says(said, "hashes-repository "+host.URL+"/hashes.git", "verified  missing         nothing")
	if n := asked.Load(); n == 0 || n > 5 { // a listing of the refs takes two, a fetch three
		t.Errorf("%d requests", n)
	}
	w.says(w.status(CodeError, "--hashes-repository", host.URL+"/none.git"), "unreachable", "no git repository at the address")
	private := w.tokenHost()
	w.says(w.status(CodeError, "--hashes-repository", private.URL+"/hashes.git"), "unreachable", "it asks for a token")
}
