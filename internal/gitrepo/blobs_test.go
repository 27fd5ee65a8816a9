package gitrepo

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack/packtest"
)

// TestBlobsAreDeltas writes many versions of files concurrently and holds the packs
// against git: whole, strict, no chain too long, every content to be read back, and
// small.
func TestBlobsAreDeltas(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	im, err := r.TreeWriter(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(7, 7))
	texts, written, bytes := map[string]string{}, map[string]string{}, 0
	write := func(path, content string) {
		t.Helper()
		if err := im.Write(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		written[path], bytes = content, bytes+len(content)
	}
	parent := ""
	for version := range 3 * 50 {
		for _, name := range []string{"a", "b", "c", "large", "huge"} {
			lines := map[string]int{"large": 3000, "huge": 256 << 10 / 10}[name]
			if lines > 0 && version > 5 {
				continue
			}
			if texts[name] == "" {
				texts[name] = packtest.Text(max(lines, 70), random)
			}
			if random.IntN(5) > 0 {
				texts[name] = packtest.Edited(texts[name], random)
			}
			write(fmt.Sprintf("%s/%d/%s.cabal", name, version, name), texts[name])
			write(fmt.Sprintf("%s/0/%s.cabal", name, name), packtest.Edited(texts[name], random))
			write(name+"/preferred-versions", strings.Repeat("\n", version%3))
		}
		tree, _, err := im.Tree()
		if err != nil {
			t.Fatal(err)
		}
		if parent, err = r.WriteCommit(t.Context(), commitOf(tree, parent), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", New: parent}); err != nil {
		t.Fatal(err)
	}
	for path, content := range written {
		if got, err := r.Blob(t.Context(), parent, path); err != nil || string(got) != content {
			t.Fatalf("%s holds %d bytes, want %d, %v", path, len(got), len(content), err)
		}
	}
	if packed := strictPacks(t, r); packed > int64(bytes/5) {
		t.Errorf("%d bytes are packed in %d", bytes, packed)
	}
}

// strictPacks has git read the packs here and those that the remote got, and returns
// the size of the latter.
func strictPacks(t *testing.T, r *Repo) (size int64) {
	t.Helper()
	longest := 0
	for _, dir := range []string{r.git.dir, r.remote.forGit} {
		size = 0
		packs, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
		if err != nil || len(packs) == 0 {
			t.Fatalf("packs %q, %v", packs, err)
		}
		for _, pack := range packs {
			info, err := os.Stat(pack)
			if err != nil {
				t.Fatal(err)
			}
			size += info.Size()
			plainGit(t, dir, "index-pack", "--strict", "-o", filepath.Join(t.TempDir(), "again.idx"), pack)
			for line := range strings.Lines(plainGit(t, dir, "verify-pack", "--verbose", strings.TrimSuffix(pack, "pack")+"idx")) {
				if chain, ok := strings.CutPrefix(line, "chain length = "); ok {
					number, _, _ := strings.Cut(chain, ":")
					depth, err := strconv.Atoi(number)
					if err != nil {
						t.Fatal(err)
					}
					longest = max(longest, depth)
				}
			}
		}
	}
	if longest == 0 || longest > 50 {
		t.Errorf("the longest chain is %d", longest)
	}
	if out := plainGit(t, r.remote.forGit, "fsck", "--strict", "--full"); out != "" {
		t.Errorf("git fsck: %s", out)
	}
	return size
}

// TestPackIsAsSmallAsGits holds what a remote gets of many packages, each in many
// releases that resemble each other, against git's own packing of the same.
func TestPackIsAsSmallAsGits(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	im, err := r.TreeWriter(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 9))
	for pkg := range 70 {
		text := packtest.Text(20+random.IntN(80), random)
		for release := range 28 {
			folder := fmt.Sprintf("p%d/1.%d/", pkg, release)
			cabal := fmt.Sprintf("%sp%d.cabal", folder, pkg)
			text = packtest.Edited(text, random)
			record := fmt.Sprintf(`{"signed":{"targets":{"length":%d,"sha256":"%016x%016x"}}}`, random.IntN(1<<20), random.Uint64(), random.Uint64())
			err = errors.Join(err, im.Write(cabal, []byte(text)), im.Write(folder+"package.json", []byte(record)))
			if random.IntN(4) == 0 {
				text = packtest.Edited(text, random)
				err = errors.Join(err, im.Write(cabal, []byte(text)))
			}
		}
	}
	tree, _, treeErr := im.Tree()
	if err := errors.Join(err, treeErr, im.Close()); err != nil {
		t.Fatal(err)
	}
	commit, err := r.WriteCommit(t.Context(), commitOf(tree), nil)
	if err := errors.Join(err, r.Push(t.Context(), Update{Ref: "refs/heads/data", New: commit})); err != nil {
		t.Fatal(err)
	}
	ours := strictPacks(t, r)
	plainGit(t, r.remote.forGit, "repack", "-adfq")
	gits := strictPacks(t, r)
	t.Logf("a push takes %d bytes, after git's own packing %d", ours, gits)
	if ours*4 > gits*5 {
		t.Errorf("a push takes %d bytes, after git's own packing %d", ours, gits)
	}
}
