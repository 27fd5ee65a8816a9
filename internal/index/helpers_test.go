package index_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A file is one entry of an index that a test makes.
type file struct {
	name, body string
	second     int64
	kind       byte // tar.TypeReg if zero
	format     tar.Format
	owner      string
	records    map[string]string // of PAX
}

// pack makes an index of the files, and says where each ends.
func pack(t testing.TB, files ...file) (raw []byte, ends []int64) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{
			Name: f.name, Size: int64(len(f.body)), Mode: 0o644, ModTime: time.Unix(f.second, 0),
			Typeflag: f.kind, Format: f.format, Uname: f.owner, PAXRecords: f.records,
		}
		if f.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if f.kind == tar.TypeXGlobalHeader {
			h = &tar.Header{Typeflag: f.kind, PAXRecords: f.records}
		}
		if f.owner != "" {
			h.Gname, h.Uid = "Hackage", 77
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatalf("write header of %q: %v", f.name, err)
		}
		if _, err := io.WriteString(w, f.body); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, int64(b.Len()))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), ends
}

// packageJSON is a package.json in the reference tool's form, or with an MD5
// that of the Hackage server.
func packageJSON(r index.Release, body, md5 string) string {
	version := 1
	if md5 != "" {
		version, md5 = 0, `"md5":"`+md5+`",`
	}
	return fmt.Sprintf(`{"signatures":[],"signed":{"_type":"Targets","expires":null,"targets":{"<repo>/%s":{"hashes":{%s"sha256":"%x"},"length":%d}},"version":%d}}`,
		r.TarballKey(), md5, sha256.Sum256([]byte(body)), len(body), version)
}

// small is an index with every kind of entry in both writers' forms, and some
// that are skipped.
func small() []file {
	foo := index.Release{Package: "foo", Version: "1.0"}
	long := strings.Repeat("long-", 30) + "name"
	return []file{
		{name: "foo/1.0/foo.cabal", body: "name: foo\r\nversion: 1.0", second: 1000, owner: "Jane"},
		{name: "foo/1.0/package.json", body: packageJSON(foo, "tarball", "0123456789abcdef0123456789abcdef"), second: 1000},
		{name: "foo/preferred-versions", body: "foo <2", second: 1001},
		{name: "Foo/1.0/Foo.cabal", body: strings.Repeat("x", 512), second: 1002, format: tar.FormatGNU},
		{name: long + "/2/" + long + ".cabal", body: "long, by GNU", second: 1003, format: tar.FormatGNU},
		{name: "foo/1.0/extra.txt", body: "skipped", second: 1004},
		{name: long + "/3/" + long + ".cabal", body: "long, by PAX", second: 1005, format: tar.FormatPAX},
		{kind: tar.TypeXGlobalHeader, records: map[string]string{"comment": "no entry at all"}},
		{name: "foo/preferred-versions", second: 1006},
		{name: "foo/1.0/foo.cabal", body: "na\xefve", second: 1006, owner: "Joe"},
		{name: "foo/1.0/", kind: tar.TypeDir, second: 1007},
	}
}

// run reads a log to its end and returns what it yielded, one line for each
// entry.
func run(l *index.Log) (lines []string, err error) {
	for e, err := range l.Entries() {
		if err != nil {
			return lines, err
		}
		if int64(len(e.Content)) != e.Size {
			return lines, fmt.Errorf("content of %q has %d bytes, size is %d", e.Path(), len(e.Content), e.Size)
		}
		lines = append(lines, fmt.Sprintf("%d-%d %s %d %q", e.Offset, e.End, e.Path(), e.Time.Unix(), e.Content))
	}
	return lines, nil
}

// mustRun is run where no error is due.
func mustRun(t testing.TB, l *index.Log) []string {
	t.Helper()
	lines, err := run(l)
	if err != nil {
		t.Fatalf("read entries: %v", err)
	}
	return lines
}
