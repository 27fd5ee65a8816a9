package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
)

// copied returns the ranges that a server copied since the last call.
func copied(watch *s3test.Watch) []string {
	var ranges []string
	for _, r := range watch.Requests() {
		if r.Header.Get("X-Amz-Copy-Source") != "" {
			ranges = append(ranges, r.Header.Get("X-Amz-Copy-Source-Range"))
		}
	}
	watch.Reset()
	return ranges
}

// grown returns an index and what it grew to: other bytes for the two blocks of
// zeros at its end, and more behind.
func grown() (before, after []byte) {
	before = noise(8 * mebi)
	after = append(slices.Clone(before), noise(3*mebi)...)
	clear(before[len(before)-1024:])
	return before, after
}

func TestGrownObjectIsBuiltOnItsPredecessor(t *testing.T) {
	t.Parallel()
	before, after := grown()
	const base = 8*mebi - 1024
	changed := slices.Clone(before)
	changed[0]++
	whole := []string{"HEAD", "POST", "GET", "PUT", "PUT", "POST"}
	for name, c := range map[string]struct {
		fake     *fakeS3
		from     int
		have     []byte
		next     []byte
		requests []string
		copies   []string
		told     []string
	}{
		"grown":     {&fakeS3{}, base, before, after, whole, []string{"bytes=0-8387583"}, nil},
		"changed":   {&fakeS3{}, base, changed, after, []string{"HEAD", "POST", "GET", "DELETE"}, nil, nil},
		"the same":  {&fakeS3{}, base, before, before, whole, []string{"bytes=0-8387583"}, nil},
		"short":     {&fakeS3{}, mebi, after[:2*mebi], after[:3*mebi], []string{"GET", "PUT"}, nil, nil},
		"no copies": {&fakeS3{noCopies: true}, base, before, after, []string{"HEAD", "POST", "GET", "PUT", "PUT", "DELETE"}, []string{"bytes=0-8387583", "bytes=0-8387583"}, []string{"sent whole"}},
		"no condition on copies": {
			&fakeS3{noCopyConditions: true}, base, before, after,
			[]string{"HEAD", "POST", "GET", "PUT", "PUT", "PUT", "POST"},
			[]string{"bytes=0-8387583", "bytes=0-8387583"},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n notes
			o := quick()
			o.Notify = n.add
			watch := c.fake.serve(t)
			b := at(t, watch, o)
			if _, err := b.Put(t.Context(), "01-index.tar", bucket.NewObject(c.have), bucket.Always()); err != nil {
				t.Fatal(err)
			}
			watch.Reset()
			_, err := b.Put(t.Context(), "01-index.tar", buckettest.NewObjectOn(c.from, c.next), bucket.Always())
			want := c.next
			if name == "changed" || name == "no copies" {
				want = c.have
				if !errors.Is(err, bucket.ErrBase) {
					t.Errorf("put: %v, want ErrBase", err)
				}
			} else if err != nil {
				t.Error(err)
			}
			var made []string
			for _, r := range watch.Requests() {
				made = append(made, r.Operation())
			}
			if got := copied(watch); !slices.Equal(got, c.copies) || !slices.Equal(made, c.requests) {
				t.Errorf("copied %q by requests %q, want %q by %q", got, made, c.copies, c.requests)
			}
			if got, _ := c.fake.object("01-index.tar"); !bytes.Equal(got.content, want) {
				t.Errorf("%d bytes are in place, or other ones", len(got.content))
			}
			n.expect(t, c.told...)
			if c.fake.unfinished() != 0 {
				t.Error("an upload is left")
			}
		})
	}
}

// TestServerThatCopiesNothingIsAskedOnce: after that an object with a base is
// refused without a request.
func TestServerThatCopiesNothingIsAskedOnce(t *testing.T) {
	t.Parallel()
	watch := (&fakeS3{noCopies: true}).serve(t)
	b := at(t, watch, quick())
	before, after := grown()
	if _, err := b.Put(t.Context(), "k", bucket.NewObject(before), bucket.Always()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		watch.Reset()
		_, err := b.Put(t.Context(), "k", buckettest.NewObjectOn(6*mebi, after), bucket.Always())
		if !errors.Is(err, bucket.ErrBase) {
			t.Errorf("put: %v, want ErrBase", err)
		}
	}
	expectRequests(t, watch)
}

// TestObjectThatChangesBeforeTheCopyIsNoBase lets another writer in between the
// look and the copy.
func TestObjectThatChangesBeforeTheCopyIsNoBase(t *testing.T) {
	t.Parallel()
	fake := &fakeS3{}
	watch := fake.serve(t)
	b := at(t, watch, quick())
	before, after := grown()
	if _, err := b.Put(t.Context(), "k", bucket.NewObject(before), bucket.Always()); err != nil {
		t.Fatal(err)
	}
	other := noise(9 * mebi)
	watch.Hook = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && r.URL.Query().Has("uploads") {
			fake.set("k", other, http.Header{})
		}
		return false
	}
	_, err := b.Put(t.Context(), "k", buckettest.NewObjectOn(6*mebi, after), bucket.Always())
	if !errors.Is(err, bucket.ErrBase) {
		t.Errorf("put: %v, want ErrBase", err)
	}
	if got, _ := fake.object("k"); !bytes.Equal(got.content, other) || fake.unfinished() != 0 {
		t.Errorf("%d bytes are in place, or other ones; %d uploads are left", len(got.content), fake.unfinished())
	}
}

// TestGrownObjectIsProven: the object in place has the metadata and the size of
// the genuine one, and other bytes.
func TestGrownObjectIsProven(t *testing.T) {
	t.Parallel()
	before, after := grown()
	const base = 8*mebi - 1024
	for name, c := range map[string]struct {
		checks   string // what becomes of checksums
		flipped  int    // byte; -1 is none
		sampled  int    // place
		noted    bool   // the checksum is known
		want     error
		requests []string
	}{
		"by the server": {"compared", -1, 0, true, nil, []string{"HEAD", "POST", "PUT", "PUT", "POST"}},
		"by the server, changed": {
			"compared", 5 * mebi, 0, true, bucket.ErrBase, []string{"HEAD", "POST", "PUT", "PUT", "POST", "DELETE"},
		},
		"checksum not noted":      {"compared", -1, 0, false, nil, []string{"HEAD", "POST", "GET", "PUT", "PUT", "POST"}},
		"by a sample":             {"", -1, 5 * mebi, true, nil, []string{"HEAD", "POST", "GET", "PUT", "PUT", "POST"}},
		"by a sample, changed":    {"", 5 * mebi, 5*mebi - 999, true, bucket.ErrBase, []string{"HEAD", "POST", "GET", "DELETE"}},
		"changed elsewhere":       {"", 5 * mebi, 0, true, nil, []string{"HEAD", "POST", "GET", "PUT", "PUT", "POST"}}, // SECURITY.md says so
		"checksum header refused": {"refused", -1, 0, true, nil, []string{"HEAD", "POST", "POST", "GET", "PUT", "PUT", "POST"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := &fakeS3{checksums: c.checks}
			watch := fake.serve(t)
			b := at(t, watch, quick())
			there := bytes.Clone(before)
			if c.flipped >= 0 {
				there[c.flipped] ^= 1
			}
			forge(fake, "01-index.tar", there, before)
			o := buckettest.NewObjectOn(base, after)
			o.Base.Sample = func(context.Context) (int64, []byte, error) {
				return int64(c.sampled), after[c.sampled : c.sampled+1000], nil
			}
			if !c.noted {
				o.Base.CRC64 = 0
			}
			_, err := b.Put(t.Context(), "01-index.tar", o, bucket.Always())
			if !errors.Is(err, c.want) {
				t.Fatalf("put: %v, want %v", err, c.want)
			}
			expectRequests(t, watch, c.requests...)
			want := append(there[:base:base], after[base:]...)
			if err != nil {
				want = there
			}
			if got, _ := fake.object("01-index.tar"); !bytes.Equal(got.content, want) || fake.unfinished() != 0 {
				t.Errorf("%d bytes are in place, or other ones; %d uploads are left", len(got.content), fake.unfinished())
			}
		})
	}
}

// TestGrownObjectOfAKnownVersionIsNotLookedUp: its ETag says all.
func TestGrownObjectOfAKnownVersionIsNotLookedUp(t *testing.T) {
	t.Parallel()
	before, after := grown()
	fake := &fakeS3{}
	watch := fake.serve(t)
	b := at(t, watch, quick())
	put(t, b, "known", "one", bucket.IfAbsent())
	info, err := b.Put(t.Context(), "k", bucket.NewObject(before), bucket.Always())
	must(t, err)
	watch.Reset()
	o := buckettest.NewObjectOn(8*mebi-1024, after)
	if _, err := b.Put(t.Context(), "k", o, bucket.IfMatch(`"other"`)); !errors.Is(err, bucket.ErrConflict) {
		t.Errorf("put on another version: %v, want ErrConflict", err)
	}
	expectRequests(t, watch, "POST", "GET", "PUT", "DELETE", "HEAD")
	if _, err := b.Put(t.Context(), "k", o, bucket.IfMatch(info.ETag)); err != nil {
		t.Error(err)
	}
	expectRequests(t, watch, "POST", "GET", "PUT", "PUT", "POST")
	if got, _ := fake.object("k"); !bytes.Equal(got.content, after) {
		t.Errorf("%d bytes are in place, or other ones", len(got.content))
	}
}

// TestGrownObjectGoesInPartsOfOneSize: some servers take no others.
func TestGrownObjectGoesInPartsOfOneSize(t *testing.T) {
	t.Parallel()
	const base = 23*mebi + 448
	const size = base / 4
	content := noise(base + size + 1)
	for _, more := range []int{0, 1, mebi, size, size + 1} {
		fake := &fakeS3{evenParts: true}
		watch := fake.serve(t)
		o := quick()
		o.S3.Part = 5 * mebi / 8
		b := at(t, watch, o)
		content := content[:base+more]
		fake.set("k", content[:base], http.Header{})
		_, err := b.Put(t.Context(), "k", buckettest.NewObjectOn(base, content), bucket.Always())
		if more > size { // what is sent is in memory, and no part of it may be larger
			if expectRequests(t, watch, "HEAD"); !errors.Is(err, bucket.ErrBase) {
				t.Errorf("%d more bytes: %v, want ErrBase", more, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%d more bytes: %v", more, err)
		}
		if got, _ := fake.object("k"); !bytes.Equal(got.content, content) {
			t.Errorf("%d more bytes: %d bytes are in place, or other ones", more, len(got.content))
		}
		want := []string{fmt.Sprintf("bytes=0-%d", size-1), fmt.Sprintf("bytes=%d-%d", size, 2*size-1), fmt.Sprintf("bytes=%d-%d", 2*size, 3*size-1), fmt.Sprintf("bytes=%d-%d", 3*size, 4*size-1)}
		got := copied(watch)
		slices.SortFunc(got, strings.Compare)
		slices.SortFunc(want, strings.Compare)
		if !slices.Equal(got, want) {
			t.Errorf("%d more bytes: copied %q, want %q", more, got, want)
		}
	}
}

// TestGrownObjectWhereOnlyPutsHaveConditions: a look stands in where the parts
// become the object.
func TestGrownObjectWhereOnlyPutsHaveConditions(t *testing.T) {
	t.Parallel()
	before, after := grown()
	fake := &fakeS3{}
	watch := fake.serve(t)
	var n notes
	o := quick()
	o.Notify = n.add
	b := at(t, watch, o)
	put(t, b, "known", "one", bucket.IfAbsent())
	watch.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		refused := r.Method == http.MethodPost && r.Header.Get("If-Match") != ""
		if refused {
			fail(w, http.StatusNotImplemented, "NotImplemented", "If-Match is not implemented")
		}
		return refused
	}
	info, err := b.Put(t.Context(), "k", bucket.NewObject(before), bucket.Always())
	must(t, err)
	if _, err := b.Put(t.Context(), "k", buckettest.NewObjectOn(8*mebi-1024, after), bucket.IfMatch(`"other"`)); !errors.Is(err, bucket.ErrConflict) {
		t.Errorf("put on another version: %v, want ErrConflict", err)
	}
	if _, err := b.Put(t.Context(), "k", buckettest.NewObjectOn(8*mebi-1024, after), bucket.IfMatch(info.ETag)); err != nil {
		t.Error(err)
	}
	if got, _ := fake.object("k"); !bytes.Equal(got.content, after) {
		t.Errorf("%d bytes are in place, or other ones", len(got.content))
	}
	n.expect(t) // it does not count as a server without conditions
}

// TestServerThatTakesNoGrowthIsAskedOnce: whatever it refuses on the way, the
// object is put whole, and so are those after it.
func TestServerThatTakesNoGrowthIsAskedOnce(t *testing.T) {
	t.Parallel()
	before, after := grown()
	for name, step := range map[string]func(r *http.Request) bool{
		"create":   func(r *http.Request) bool { return r.URL.Query().Has("uploads") },
		"copy":     func(r *http.Request) bool { return r.Header.Get("X-Amz-Copy-Source") != "" },
		"part":     func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "2" },
		"complete": func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") },
	} {
		for _, status := range []int{400, 404, 501} {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				t.Parallel()
				fake := &fakeS3{checksums: "compared"}
				watch := fake.serve(t)
				var n notes
				o := quick()
				o.Notify = n.add
				b := at(t, watch, o)
				fake.set("k", before, http.Header{})
				watch.Hook = func(w http.ResponseWriter, r *http.Request) bool {
					if step(r) {
						fail(w, status, "InvalidRequest", "not so")
					}
					return step(r)
				}
				for range 2 {
					if _, err := b.Put(t.Context(), "k", buckettest.NewObjectOn(8*mebi-1024, after), bucket.Always()); !errors.Is(err, bucket.ErrBase) {
						t.Fatalf("put: %v, want ErrBase", err)
					}
					watch.Reset()
				}
				n.expect(t, "sent whole")
				if _, err := b.Put(t.Context(), "k", bucket.NewObject(after), bucket.Always()); err != nil {
					t.Errorf("put whole: %v", err)
				}
				if got, _ := fake.object("k"); !bytes.Equal(got.content, after) || fake.unfinished() != 0 {
					t.Errorf("%d bytes are in place, or other ones; %d uploads are left", len(got.content), fake.unfinished())
				}
			})
		}
	}
}
