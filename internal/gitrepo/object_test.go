package gitrepo

import (
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

// TestReadsObjectsOfGit reads what git and gpg made themselves, with parents, a
// zone and a signature.
func TestReadsObjectsOfGit(t *testing.T) {
	t.Parallel()
	home := newGPG(t)
	fingerprint := home.generate(t, "", "Key-Type: eddsa", "Key-Curve: ed25519", "Key-Usage: sign", "Expire-Date: 0")
	work := t.TempDir()
	env := []string{"GNUPGHOME=" + home.dir, "GIT_AUTHOR_NAME=É B", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@d", "GIT_COMMITTER_DATE=1700000000 +0530", "GIT_AUTHOR_DATE=1600000000 -0800"}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=data"},
		{"commit", "--quiet", "--allow-empty", "-m", "first"},
		{"config", "user.signingKey", fingerprint},
		{"commit", "--quiet", "--allow-empty", "-S", "-m", "second\n\n -----BEGIN in a body"},
		{"tag", "-s", "-m", "a tag\n\nKey: value", "current"},
	} {
		if out, err := tryGit(t, work, env, "", args...); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	r := open(t, work, Auth{})
	ids, err := r.Fetch(t.Context(), "refs/heads/data", "refs/tags/current")
	if err != nil {
		t.Fatal(err)
	}
	public, err := openpgp.ReadKeys(home.export(t, "--export", ""))
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.ReadCommit(t.Context(), ids["refs/heads/data"])
	if err != nil || len(c.Parents) != 1 || c.Author != (gitpack.Identity{Name: "É B", Email: "a@b"}) || c.CommitterWhen.Unix() != 1700000000 || c.Message != "second\n\n -----BEGIN in a body\n" {
		t.Fatalf("commit %+v, %v", c, err)
	}
	if _, err := public.Verify(c.Signed, c.Signature, time.Now()); err != nil {
		t.Error(err)
	}
	g, err := r.ReadTag(t.Context(), ids["refs/tags/current"])
	if err != nil || g.Message != "a tag\n\nKey: value\n" || g.Object != ids["refs/heads/data"] {
		t.Fatalf("tag %+v, %v", g, err)
	}
	if _, err := public.Verify(g.Signed, g.Signature, time.Now()); err != nil {
		t.Error(err)
	}
}
