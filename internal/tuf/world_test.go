package tuf_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// today is the time of all tests here.
func today() time.Time { return time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC) }

// sentinels is every error that a caller can ask for.
func sentinels() []error {
	return []error{tuf.ErrUnknownKey, tuf.ErrSignature, tuf.ErrThreshold, tuf.ErrRollback, tuf.ErrExpired, tuf.ErrLength, tuf.ErrDigest}
}

// What the refusals say on which nobody branches.
const (
	notJSON      = "not canonical JSON"
	misshapen    = "not in the form of hackage-security"
	otherType    = "another type of file"
	otherKeyType = "not ed25519"
	otherID      = "the key does not match its id"
	tooMany      = "too many ("
	twice        = "two signatures by one key"
	notPinned    = "not usable as pinned root keys"
)

// mustBe fails unless err is the one error of package tuf that is wanted, or says the
// wanted words and is none of them; and says each of the words.
func mustBe(t *testing.T, err error, want any, words ...string) {
	t.Helper()
	for _, sentinel := range sentinels() {
		if have := errors.Is(err, sentinel); have != (sentinel == want) {
			t.Errorf("errors.Is(%v, %v) = %v", err, sentinel, have)
		}
	}
	if text, ok := want.(string); ok {
		if err == nil {
			t.Errorf("no error, want one that says %q", text)
		}
		words = append(words, text)
	}
	for _, word := range words {
		if err != nil && !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}

// A key signs for tests. The same name gives the same key.
type key struct {
	private ed25519.PrivateKey
	json    string
	id      string
}

func newKey(name string) key {
	seed := sha256.Sum256([]byte(name))
	private := ed25519.NewKeyFromSeed(seed[:])
	public := base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	k := key{private: private, json: `{"keytype":"ed25519","keyval":{"public":"` + public + `"}}`}
	k.id = sha256Hex([]byte(k.json))
	return k
}

func sha256Hex(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func info(raw []byte) tuf.FileInfo {
	return tuf.FileInfo{Length: int64(len(raw)), SHA256: sha256.Sum256(raw)}
}

func infoJSON(raw []byte) string {
	return fmt.Sprintf(`{"hashes":{"md5":"0","sha256":"%s"},"length":%d}`, sha256Hex(raw), len(raw))
}

// sign puts the signed part, which may have any white space and order, into an
// envelope.
func sign(t *testing.T, signed string, keys ...key) []byte {
	t.Helper()
	v, err := tuf.ParseJSON([]byte(signed))
	if err != nil {
		t.Fatalf("test signs what is not canonical JSON: %v\n%s", err, signed)
	}
	var signatures []string
	for _, k := range keys {
		sig := base64.StdEncoding.EncodeToString(ed25519.Sign(k.private, v.Canonical()))
		signatures = append(signatures, fmt.Sprintf(`{"keyid":"%s","method":"ed25519","sig":"%s"}`, k.id, sig))
	}
	return []byte(`{"signatures":[` + strings.Join(signatures, ",") + `],"signed":` + signed + `}`)
}

// A world is a repository's files before they are signed, and its keys.
type world struct {
	t                                  *testing.T
	root1, root2, root3                key
	online                             key // timestamp, snapshot and mirrors
	root, timestamp, snapshot, mirrors string
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{
		t: t, root1: newKey("root 1"), root2: newKey("root 2"), root3: newKey("root 3"), online: newKey("online"),
	}
	w.root = w.rootText(1, w.online)
	w.timestamp = `{"_type":"Timestamp","expires":"2027-01-01T00:00:00Z","meta":{"<repo>/snapshot.json":` + infoJSON([]byte("s")) + `},"version":3}`
	w.snapshot = `{"_type":"Snapshot","expires":"2027-01-01T00:00:00Z","meta":{` +
		`"<repo>/root.json":` + infoJSON([]byte("r")) + `,"<repo>/mirrors.json":` + infoJSON([]byte("m")) +
		`,"<repo>/01-index.tar.gz":` + infoJSON([]byte("gz")) + `,"<repo>/01-index.tar":` + infoJSON([]byte("tar")) + `},"version":3}`
	w.mirrors = `{"_type":"Mirrorlist","expires":"2027-01-01T00:00:00Z","mirrors":[{"urlbase":"http://one.example/"},{"urlbase":"https://two.example/x","more":0}],"version":3}`
	return w
}

// rootText gives the root role to two of the three root keys, and the others to
// the online key.
func (w world) rootText(version int, online key) string {
	var keys []string
	for _, k := range []key{w.root1, w.root2, w.root3, online} {
		keys = append(keys, fmt.Sprintf(`"%s":%s`, k.id, k.json))
	}
	one := fmt.Sprintf(`{"keyids":["%s"],"threshold":1}`, online.id)
	return fmt.Sprintf(`{"_type":"Root","expires":"2027-01-01T00:00:00Z","keys":{%s},"roles":{`+
		`"root":{"keyids":["%s","%s","%s"],"threshold":2},`+
		`"timestamp":%s,"snapshot":%s,"mirrors":%s,"targets":%s},"version":%d}`,
		strings.Join(keys, ","), w.root1.id, w.root2.id, w.root3.id, one, one, one, one, version)
}

func (w world) pinned() tuf.Pinned {
	return tuf.Pinned{KeyIDs: []string{w.root1.id, w.root2.id, w.root3.id}, Threshold: 2}
}

func (w world) bootstrap(raw []byte) error {
	_, err := w.pinned().VerifyRoot(raw, today())
	return err
}

// trusted is the world's root, verified.
func (w world) trusted() *tuf.Root {
	w.t.Helper()
	r, err := w.pinned().VerifyRoot(sign(w.t, w.root, w.root1, w.root2), today())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// edit replaces a part that has to be there.
func (w world) edit(text, from, to string) string {
	w.t.Helper()
	if !strings.Contains(text, from) {
		w.t.Fatalf("no %s in %s", from, text)
	}
	return strings.Replace(text, from, to, 1)
}
