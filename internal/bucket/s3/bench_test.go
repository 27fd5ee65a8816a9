package s3_test

import (
	"bytes"
	"fmt"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
)

// BenchmarkS3Put puts objects of 50 kB, the size of a usual tarball, by 16
// workers into a real server: by the SDK alone, and by us.
func BenchmarkS3Put(b *testing.B) {
	const workers = 16
	server := s3test.Start(b)
	content := noise(50_000)
	run := func(name string, open func(bucketName string) func(key string) error) {
		b.Run(name, func(b *testing.B) {
			put := open(server.NewBucket(b))
			b.SetBytes(int64(len(content)))
			var group errgroup.Group
			group.SetLimit(workers)
			b.ResetTimer()
			for i := range b.N {
				group.Go(func() error { return put(fmt.Sprintf("package/p-%d.tar.gz", i)) })
			}
			if err := group.Wait(); err != nil {
				b.Fatal(err)
			}
		})
	}
	run("SDK", func(name string) func(string) error {
		return func(key string) error {
			_, err := server.Client.PutObject(b.Context(), &sdk.PutObjectInput{Bucket: &name, Key: &key, Body: bytes.NewReader(content)})
			return err
		}
	})
	for _, c := range []bucket.Condition{bucket.Always(), bucket.IfAbsent()} {
		run(c.String(), func(name string) func(string) error {
			store := openAt(b, s3test.Address(server.URL, name, ""), with(server))
			o := bucket.NewObject(content)
			return func(key string) error {
				o := o
				o.Body = bytes.NewReader(content)
				_, err := store.Put(b.Context(), key, o, c)
				return err
			}
		})
	}
}
