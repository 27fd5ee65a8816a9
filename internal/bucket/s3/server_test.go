package s3_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
)

// openAt opens a bucket on a server.
func openAt(t testing.TB, address string, o open.Options) bucket.Store {
	t.Helper()
	b, err := open.Bucket(t.Context(), address, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// with are the options for a server.
func with(server *s3test.Server) open.Options {
	return open.Options{Options: bucket.Options{Getenv: server.Getenv}}
}

func TestRealServerKeepsTheContract(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	buckettest.Test(t, func(t *testing.T) bucket.Bucket {
		return openAt(t, s3test.Address(server.URL, server.NewBucket(t), "some/prefix +%"), with(server))
	})
}

func put(t *testing.T, b bucket.Bucket, key, content string, c bucket.Condition) bucket.Info {
	t.Helper()
	info, err := b.Put(t.Context(), key, bucket.NewObject([]byte(content)), c)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// holds reports whether a bucket has an object with this very content, by
// reading it.
func holds(t *testing.T, b bucket.Bucket, key string, content []byte) (bool, error) {
	t.Helper()
	body, _, err := b.Get(t.Context(), key)
	if err != nil {
		return false, err
	}
	have, err := io.ReadAll(body)
	return bytes.Equal(have, content), errors.Join(err, body.Close())
}
