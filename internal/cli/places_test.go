package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/options"
)

// TestPlacesAreToldApart: whatever the spelling, one place is one destination, and
// none is inside another.
func TestPlacesAreToldApart(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	key := filepath.Join(t.TempDir(), "key")
	work := filepath.Join("work", ".git")
	err = errors.Join(os.MkdirAll(filepath.Join("one.git", "objects"), 0o700), os.Symlink("one.git", "link"), os.Symlink(dir, "here"),
		os.MkdirAll(work, 0o700), os.WriteFile(key, []byte("key"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct {
		files, hashes, bucket, upstream string
		says                            string // "" for nothing
	}{
		{files: "./one.git", hashes: in("one.git"), says: "are the same"},
		{files: "one.git", hashes: "./one.git/", says: "are the same"},
		{files: "./one", hashes: "./one.git", says: "are the same"},
		{files: "./link", hashes: "./one.git", says: "are the same"},
		{files: "here/new.git", hashes: "./new.git", says: "are the same"},
		{files: "here/x/../new", hashes: "file://" + in("new.git"), says: "are the same"},
		{files: "work", hashes: "work/.git", says: "are the same"},
		{files: "git@github.com:me/r.git", hashes: "https://github.com/Me/r", says: "are the same"},
		{files: "one.git", hashes: "one.git/objects/two.git", says: "is inside files-repository"},
		{files: "one.git", bucket: "./one.git/public", says: "is inside files-repository"},
		{hashes: "./public/hashes.git", bucket: "./public", says: "is inside bucket"},
		{hashes: "./here/public", bucket: "./public", says: "bucket and hashes-repository are the same"},
		{bucket: "./public,./here/public", says: "is given twice"},
		{bucket: "./public,./public/deeper", says: "is inside bucket"},
		{bucket: "./public/copy", upstream: "public", says: "is inside upstream"},
		{bucket: "file://" + in("public"), upstream: "public", says: "is upstream itself"},
		{files: "one.git", upstream: ".", says: "is inside upstream"},
		{files: "./all-cabal-files.git", hashes: "./all-cabal-hashes.git", bucket: "./hackage,./hackage2", upstream: "./up"},
		{files: "git@github.com:me/files.git", hashes: "git@github.com:me/hashes.git", bucket: "s3://bucket/one,s3://bucket/one/two"},
		{files: "http://127.0.0.1:8001/r.git", hashes: "http://127.0.0.1:8002/r.git"},
	} {
		args := []string{"sync", "--signing-key", key}
		for flag, value := range map[string]string{"files-repository": c.files, "hashes-repository": c.hashes, "bucket": c.bucket, "upstream": c.upstream} {
			if value != "" {
				args = append(args, "--"+flag+"="+value)
			}
		}
		env, _, stderr := testEnv(nil)
		begun := false
		code := commands{sync: func(context.Context, *options.Sync, Env) error { begun = true; return nil }}.main(t.Context(), args, env)
		if refused := code == CodeUsage; refused != (c.says != "") || begun == refused || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%+v: exit code %d, begun %v: %s", c, code, begun, stderr)
		}
	}
}
