package hashes_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// formerMirror is the last location in the records that were published.
const formerMirror = "https://s3.amazonaws.com/hackage.fpcomplete.com"

// TestPublishedRecords computes the records of real tarballs and compares them
// with the published ones: values for all, bytes where the form is today's.
func TestPublishedRecords(t *testing.T) {
	t.Parallel()
	records, err := filepath.Glob("../../testdata/goldens/*.json")
	if err != nil {
		t.Fatal(err)
	}
	today := 0
	for _, record := range records {
		if checkRecord(t, record) {
			today++
		}
	}
	if len(records) != 23 || today == 0 || today == len(records) {
		t.Errorf("%d of %d records have today's form; there must be 23, of both forms", today, len(records))
	}
}

// checkRecord compares one published record with the tarball's own, and reports
// whether the record has today's form.
func checkRecord(t *testing.T, record string) (today bool) {
	t.Helper()
	want, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	tarball := strings.TrimSuffix(record, ".json") + ".tar.gz"
	content, err := os.ReadFile(tarball)
	if errors.Is(err, fs.ErrNotExist) {
		content, err = os.ReadFile(filepath.Join("../../testdata/demo/package", filepath.Base(tarball)))
	}
	if err != nil {
		t.Fatal(err)
	}
	release, err := index.ParseRelease(strings.TrimSuffix(filepath.Base(record), ".json"))
	if err != nil {
		t.Fatal(err)
	}
	w := hashes.NewWriter()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	got := w.Sum().JSON(hashes.Locations(release, formerMirror)...)
	if today = isToday(want); today && !bytes.Equal(got, want) {
		t.Errorf("%s: record is\n%s\nwant\n%s", release, got, want)
	}
	if diff := cmp.Diff(parse(t, want), parse(t, got)); diff != "" {
		t.Errorf("%s: record differs from the published one (-want +got):\n%s", release, diff)
	}
	return today
}

// isToday reports whether the digests stand in today's order.
func isToday(raw []byte) bool {
	return bytes.Index(raw, []byte(`"SHA1"`)) < bytes.Index(raw, []byte(`"Skein512_512"`))
}

func parse(t *testing.T, raw []byte) hashes.Record {
	t.Helper()
	r, err := hashes.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestDigestsAgreeWithPublished pins the binary digests to the published text.
func TestDigestsAgreeWithPublished(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../testdata/goldens/data-default-0.7.1.1.json")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile("../../testdata/goldens/data-default-0.7.1.1.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	w := hashes.NewWriter()
	w.Write(content)
	d := w.Sum()
	got := map[string]string{
		"MD5":          hex.EncodeToString(d.MD5[:]),
		"SHA1":         hex.EncodeToString(d.SHA1[:]),
		"SHA256":       hex.EncodeToString(d.SHA256[:]),
		"SHA512":       hex.EncodeToString(d.SHA512[:]),
		"Skein512_512": hex.EncodeToString(d.Skein512[:]),
	}
	want := parse(t, raw)
	if !maps.Equal(got, want.Hashes) || d.Size != want.Size {
		t.Errorf("digests are %v of %d bytes, want %v of %d", got, d.Size, want.Hashes, want.Size)
	}
	if sum, err := want.SHA256(); err != nil || sum != d.SHA256 {
		t.Errorf("SHA256 of the record is %x (%v), want %x", sum, err, d.SHA256)
	}
}
