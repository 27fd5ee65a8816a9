package folder_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/folder"
)

// BenchmarkFolderPut puts objects of 50 kB, the size of a usual tarball, by one
// and by eight writers at a time, as immutable objects and as pointers.
func BenchmarkFolderPut(b *testing.B) {
	content := make([]byte, 50_000)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(content) // never fails
	for _, writers := range []int{1, 8} {
		for _, c := range []bucket.Condition{bucket.IfAbsent(), bucket.Always()} {
			b.Run(fmt.Sprintf("%s/%d writers", c, writers), func(b *testing.B) {
				f, err := folder.New(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(content)))
				var group errgroup.Group
				group.SetLimit(writers)
				for i := range b.N {
					group.Go(func() error {
						key := fmt.Sprintf("package/p-%d.tar.gz", i)
						_, err := f.Put(b.Context(), key, bucket.NewObject(content), c)
						return err
					})
				}
				if err := group.Wait(); err != nil {
					b.Fatal(err)
				}
				if err := f.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
