package gitrepo

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	pgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

// writeMany makes n signed commits, each with a file more than the one before,
// and returns the last.
func writeMany(t testing.TB, r *Repo, s *openpgp.Signer, n int) string {
	t.Helper()
	im, err := r.TreeWriter(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	parent := ""
	for i := range n {
		path := fmt.Sprintf("package%d/1.%d/package.cabal", i%100, i)
		if err := im.Write(path, []byte("version: 1."+strconv.Itoa(i)+"\r\n")); err != nil {
			t.Fatal(err)
		}
		tree, changed, err := im.Tree()
		if err != nil || !changed {
			t.Fatalf("tree %d: changed %v, %v", i, changed, err)
		}
		if parent, err = r.WriteCommit(t.Context(), commitOf(tree, parent), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	return parent
}

func TestManyCommits(t *testing.T) {
	t.Parallel()
	const count = 5000
	remote := bareRemote(t)
	r := open(t, remote, Auth{})
	last := writeMany(t, r, testSigner(t), count)
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", New: last}); err != nil {
		t.Fatal(err)
	}
	if out := plainGit(t, remote, "fsck", "--strict", "--full"); strings.TrimSpace(out) != "" {
		t.Errorf("git fsck: %s", out)
	}
	if got := plainGit(t, remote, "rev-list", "--count", "data"); got != strconv.Itoa(count) {
		t.Errorf("%s commits", got)
	}
	if got := plainGit(t, remote, "ls-tree", "-r", "--name-only", "data"); strings.Count(got, "\n")+1 != count {
		t.Errorf("%d files", strings.Count(got, "\n")+1)
	}
}

func BenchmarkWriteCommit(b *testing.B) {
	for name, config := range map[string]packet.Config{
		"ed25519": {Algorithm: packet.PubKeyAlgoEdDSA},
		"rsa4096": {Algorithm: packet.PubKeyAlgoRSA, RSABits: 4096},
	} {
		b.Run(name, func(b *testing.B) {
			config.Time = func() time.Time { return time.Now().Add(-time.Hour) }
			key, err := pgp.NewEntity("A", "", "a@b", &config)
			if err != nil {
				b.Fatal(err)
			}
			key.Subkeys = nil
			var text strings.Builder
			if err := key.SerializePrivateWithoutSigning(&text, nil); err != nil {
				b.Fatal(err)
			}
			s, err := openpgp.NewSigner([]byte(text.String()), nil, time.Now)
			if err != nil {
				b.Fatal(err)
			}
			r := open(b, bareRemote(b), Auth{})
			b.ResetTimer()
			writeMany(b, r, s, b.N)
			if err := r.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
