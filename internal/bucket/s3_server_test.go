package bucket_test

import (
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
)

// openAt opens a bucket on a server.
func openAt(t testing.TB, address string, o bucket.Options) bucket.Store {
	t.Helper()
	b, err := bucket.Open(t.Context(), address, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRealServerKeepsTheContract(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	buckettest.Test(t, func(t *testing.T) bucket.Bucket {
		return openAt(t, server.Address(server.NewBucket(t), "some/prefix +%"), bucket.Options{Credentials: server.Credentials})
	})
}
