package s3_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash/crc64"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
)

// A fakeS3 is a server that can lack what a real one has.
type fakeS3 struct {
	// What becomes of If-Match and If-None-Match: heeded, "refused" or "ignored".
	conditions string
	// noMetadata drops it; noETags answers puts without one.
	noMetadata, noETags bool
	// noParts takes no uploads in parts, noCopies no copies of parts; evenParts
	// wants all parts but the last to have one size, and the last no more.
	noParts, noCopies, noCopyConditions, evenParts bool
	// checksums compares CRC-64/NVME of whole objects; others refuse its header
	// ("refused") or do not know it.
	checksums string

	t       testing.TB
	mu      sync.Mutex
	objects map[string]fakeObject
	uploads map[string]*fakeUpload
	begun   int // uploads
}

type fakeObject struct {
	content []byte
	etag    string
	header  http.Header
	crc     string // of the bytes that were put, if checksums are compared
}

type fakeUpload struct {
	parts  map[int][]byte
	header http.Header
}

const fakeID, fakeSecret, fakeToken = "AKIAFAKEFAKEFAKE", "secret/that+nobody=may/see", "token-that-nobody-may-see"

func fakeKeys(name string) string {
	return map[string]string{"AWS_ACCESS_KEY_ID": fakeID, "AWS_SECRET_ACCESS_KEY": fakeSecret, "AWS_SESSION_TOKEN": fakeToken}[name]
}

// serve starts the fake and returns what stands before it.
func (f *fakeS3) serve(t testing.TB) *s3test.Watch {
	t.Helper()
	f.t, f.objects, f.uploads = t, map[string]fakeObject{}, map[string]*fakeUpload{}
	return f.front(t)
}

// front returns what else stands before the fake.
func (f *fakeS3) front(t testing.TB) *s3test.Watch { return s3test.NewWatchOf(t, f) }

// quick are options under which nothing takes long.
func quick() open.Options {
	return open.Options{Options: bucket.Options{Getenv: fakeKeys}, S3: s3.Options{Pause: 1, Part: 5 << 20}}
}

// at opens the bucket "fake" of the server behind watch.
func at(t testing.TB, watch *s3test.Watch, o open.Options) bucket.Store {
	t.Helper()
	return openAt(t, s3test.Address(watch.URL, "fake", "pre"), o)
}

// fail answers with an error of S3.
func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "REQUEST-7")
	w.WriteHeader(status)
	if status != http.StatusNotModified {
		_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
	}
}

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/fake/")
	query := r.URL.Query()
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case r.Method == http.MethodHead, r.Method == http.MethodGet && !query.Has("list-type"):
		f.get(w, r, name)
	case r.Method == http.MethodPost && query.Has("uploads"):
		f.create(w, r)
	case r.Method == http.MethodPost:
		f.complete(w, r, name, content)
	case r.Method == http.MethodDelete && query.Has("uploadId"):
		delete(f.uploads, query.Get("uploadId"))
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut && query.Has("uploadId"):
		f.part(w, r, content)
	case r.Method == http.MethodPut:
		if f.allowed(w, r, name, content) {
			f.store(w, name, content, r.Header)
		}
	default:
		f.t.Errorf("unexpected request %s %s", r.Method, r.URL)
		fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "")
	}
}

func (f *fakeS3) get(w http.ResponseWriter, r *http.Request, name string) {
	o, ok := f.objects[name]
	if !ok {
		fail(w, http.StatusNotFound, "NoSuchKey", "no such key")
		return
	}
	if match := r.Header.Get("If-Match"); match != "" && match != o.etag {
		fail(w, http.StatusPreconditionFailed, "PreconditionFailed", "")
		return
	}
	maps.Copy(w.Header(), o.header)
	w.Header().Set("ETag", o.etag)
	if o.crc != "" && r.Header.Get("X-Amz-Checksum-Mode") != "" {
		w.Header().Set("X-Amz-Checksum-Crc64nvme", o.crc)
		w.Header().Set("X-Amz-Checksum-Type", "FULL_OBJECT")
	}
	content, status := o.content, http.StatusOK
	if asked, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		first, last, _ := strings.Cut(asked, "-")
		from, _ := strconv.Atoi(first)
		end := len(content)
		if n, err := strconv.Atoi(last); err == nil {
			end = min(end, n+1)
		}
		if from >= end {
			fail(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable")
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, end-1, len(content)))
		content, status = content[from:end], http.StatusPartialContent
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_, _ = w.Write(content) // the client may go away
	}
}

// allowed checks the digests and the condition of a put.
func (f *fakeS3) allowed(w http.ResponseWriter, r *http.Request, name string, content []byte) bool {
	f.intact(r, content)
	return f.holds(w, r, name)
}

// intact checks what is signed and what servers with locked objects want.
func (f *fakeS3) intact(r *http.Request, content []byte) {
	sum := sha256.Sum256(content)
	if got := r.Header.Get("X-Amz-Content-Sha256"); got != hex.EncodeToString(sum[:]) {
		f.t.Errorf("%s: signed digest %q", r.URL, got)
	}
	md5 := md5.Sum(content)
	if got := r.Header.Get("Content-MD5"); got != base64.StdEncoding.EncodeToString(md5[:]) {
		f.t.Errorf("%s: Content-MD5 %q", r.URL, got)
	}
}

func (f *fakeS3) holds(w http.ResponseWriter, r *http.Request, name string) bool {
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	o, exists := f.objects[name]
	switch {
	case match == "" && none == "", f.conditions == "ignored":
		return true
	case f.conditions == "refused":
		fail(w, http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented")
	case match != "" && !exists:
		fail(w, http.StatusNotFound, "NoSuchKey", "no such key")
	case none != "" && exists, match != "" && match != o.etag:
		fail(w, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	default:
		return true
	}
	return false
}

// store puts an object in place; the lock is held.
func (f *fakeS3) store(w http.ResponseWriter, name string, content []byte, from http.Header) {
	header := http.Header{}
	for key, values := range from {
		kept := slices.Contains([]string{"Content-Type", "Cache-Control", "Content-Encoding"}, key)
		if kept || strings.HasPrefix(key, "X-Amz-Meta-") && !f.noMetadata {
			header[key] = values
		}
	}
	o := fakeObject{content, fmt.Sprintf(`"%x"`, md5.Sum(content)), header, ""}
	if f.checksums == "compared" {
		o.crc = crcText(content)
	}
	f.objects[name] = o
	if !f.noETags {
		w.Header().Set("ETag", o.etag)
	}
	w.WriteHeader(http.StatusOK)
}

func (f *fakeS3) create(w http.ResponseWriter, r *http.Request) {
	algorithm := r.Header.Get("X-Amz-Checksum-Algorithm")
	switch {
	case f.noParts:
		fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "")
		return
	case algorithm != "" && f.checksums == "refused":
		fail(w, http.StatusBadRequest, "InvalidArgument", "Unsupported header 'x-amz-checksum-algorithm' received for this API call.")
		return
	case algorithm != "" && f.checksums == "compared":
		w.Header().Set("X-Amz-Checksum-Algorithm", algorithm)
		w.Header().Set("X-Amz-Checksum-Type", r.Header.Get("X-Amz-Checksum-Type"))
	}
	f.begun++
	id := fmt.Sprintf("upload-%d", f.begun)
	f.uploads[id] = &fakeUpload{parts: map[int][]byte{}, header: r.Header.Clone()}
	_, _ = fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id)
}

func (f *fakeS3) part(w http.ResponseWriter, r *http.Request, content []byte) {
	upload := f.uploads[r.URL.Query().Get("uploadId")]
	number, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
	if upload == nil || err != nil {
		fail(w, http.StatusNotFound, "NoSuchUpload", "no such upload")
		return
	}
	source := r.Header.Get("X-Amz-Copy-Source")
	switch {
	case source != "" && f.noCopies, f.noCopyConditions && r.Header.Get("X-Amz-Copy-Source-If-Match") != "":
		fail(w, http.StatusNotImplemented, "NotImplemented", "not implemented")
		return
	case source != "":
		o := f.objects[strings.TrimPrefix(source, "fake/")]
		if match := r.Header.Get("X-Amz-Copy-Source-If-Match"); match != "" && match != o.etag {
			fail(w, http.StatusPreconditionFailed, "PreconditionFailed", "")
			return
		}
		var first, last int
		_, _ = fmt.Sscanf(r.Header.Get("X-Amz-Copy-Source-Range"), "bytes=%d-%d", &first, &last)
		content = o.content[first : last+1]
		_, _ = fmt.Fprintf(w, "<CopyPartResult><ETag>\"%x\"</ETag></CopyPartResult>", md5.Sum(content))
	default:
		f.intact(r, content)
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, md5.Sum(content)))
	}
	upload.parts[number] = bytes.Clone(content)
}

func (f *fakeS3) complete(w http.ResponseWriter, r *http.Request, name string, content []byte) {
	id := r.URL.Query().Get("uploadId")
	upload := f.uploads[id]
	if upload == nil {
		fail(w, http.StatusNotFound, "NoSuchUpload", "no such upload")
		return
	}
	if !f.holds(w, r, name) {
		return
	}
	var list struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := xml.Unmarshal(content, &list); err != nil {
		f.t.Errorf("complete: %v", err)
	}
	var whole []byte
	var sizes []int
	for i, part := range list.Part {
		piece := upload.parts[part.PartNumber]
		if part.PartNumber != i+1 || strings.Trim(part.ETag, `"`) != fmt.Sprintf("%x", md5.Sum(piece)) {
			f.t.Errorf("complete: part %d is %d with ETag %s", i+1, part.PartNumber, part.ETag)
		}
		if len(piece) < 5<<20 && i < len(list.Part)-1 {
			f.t.Errorf("complete: part %d has only %d bytes", i+1, len(piece))
		}
		whole, sizes = append(whole, piece...), append(sizes, len(piece))
	}
	if last := len(sizes) - 1; f.evenParts && (len(slices.Compact(slices.Clone(sizes[:last]))) > 1 || sizes[last] > sizes[0]) {
		fail(w, http.StatusBadRequest, "InvalidPart", "All non-trailing parts must have the same length.")
		return
	}
	crc := crcText(whole)
	if want := r.Header.Get("X-Amz-Checksum-Crc64nvme"); f.checksums == "compared" && want != "" && want != crc {
		fail(w, http.StatusBadRequest, "BadDigest", "The CRC64NVME you specified did not match the calculated checksum.")
		return
	}
	delete(f.uploads, id)
	f.store(discardWriter{http.Header{}}, name, whole, upload.header)
	_, _ = fmt.Fprintf(w, "<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>",
		strings.ReplaceAll(f.objects[name].etag, `"`, "&quot;"))
}

// crcText is the CRC-64/NVME of content as a header has it.
func crcText(content []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64.Checksum(content, nvme)))
}

// nvme is the polynomial of CRC-64/NVME, with its bits in the order of Go's.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// A discardWriter takes an answer that nobody gets.
type discardWriter struct{ header http.Header }

func (d discardWriter) Header() http.Header         { return d.header }
func (d discardWriter) Write(p []byte) (int, error) { return len(p), nil }
func (d discardWriter) WriteHeader(int)             {}

// object returns what lies under a key, and whether anything does.
func (f *fakeS3) object(key string) (fakeObject, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.objects["pre/"+key]
	return o, ok
}

// set puts an object in place as another program does.
func (f *fakeS3) set(key string, content []byte, header http.Header) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.store(discardWriter{http.Header{}}, "pre/"+key, content, header)
}

// damage flips a bit of an object below the server, which keeps its checksum.
func (f *fakeS3) damage(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.objects["pre/"+key]
	o.content = bytes.Clone(o.content)
	o.content[len(o.content)/2] ^= 1
	f.objects["pre/"+key] = o
}

// unfinished returns how many uploads were neither completed nor aborted.
func (f *fakeS3) unfinished() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.uploads)
}
