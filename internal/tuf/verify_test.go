package tuf_test

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

func TestFirstRootRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger := newKey("stranger")
	good := string(sign(t, w.root, w.root1, w.root2))
	for _, c := range []struct {
		name string
		raw  []byte
		want any
		says []string
	}{
		{"cut", []byte(good[:len(good)/2]), notJSON, []string{"root.json"}},
		{"a page instead", []byte("<html>busy</html>"), notJSON, []string{"root.json"}},
		{"behind the value", []byte(good + "x"), notJSON, nil},
		{"not an object", []byte(`[]`), misshapen, []string{"array"}},
		{"nothing signed", []byte(`{"signatures":[]}`), misshapen, []string{`"signed"`}},
		{"no list of signatures", []byte(`{"signed":` + w.root + `}`), misshapen, []string{`"signatures"`}},
		{"a signature without key", []byte(w.edit(good, `"keyid"`, `"keyId"`)), misshapen, []string{"signature 1", `"keyid"`}},
		{"line end in base64", []byte(w.edit(good, `"sig":"`, "\"sig\":\"\n")), misshapen, []string{`"sig"`}},
		{"other method", []byte(w.edit(good, `"method":"ed25519"`, `"method":"rsa"`)), otherKeyType, []string{`"rsa"`}},
		{"a snapshot", sign(t, w.snapshot, w.root1), otherType, []string{`"Snapshot"`, `"Root"`}},
		{"other type of key", sign(t, w.edit(w.root, `"keytype":"ed25519"`, `"keytype":"rsa"`), w.root1, w.root2), otherKeyType, []string{`"rsa"`}},
		{"key under a wrong id", sign(t, w.edit(w.root, `"keys":{`, `"keys":{"00":`+stranger.json+`,`), w.root1, w.root2), otherID, []string{`"00"`, stranger.id}},
		{"signature by a stranger", sign(t, w.root, w.root1, w.root2, stranger), tuf.ErrUnknownKey, []string{stranger.id}},
		{"signed twice by one", sign(t, w.root, w.root1, w.root1), twice, []string{w.root1.id}},
		{"changed after signing", []byte(w.edit(good, `"version":1`, `"version":2`)), tuf.ErrSignature, []string{w.root1.id}},
		{"field added after signing", []byte(w.edit(good, `"_type":"Root"`, `"_type":"Root","a":1`)), tuf.ErrSignature, nil},
		{"one bad among enough", badThird(w), tuf.ErrSignature, []string{w.root3.id}},
		{"signature by a short key", shortKey(w), tuf.ErrSignature, nil},
		{"signed a thousand times", sign(t, w.root, slices.Repeat([]key{w.root1}, 1000)...), tooMany, []string{"1000 signatures"}},
		{"a thousand keys", sign(t, w.edit(w.root, `"keys":{`, `"keys":{`+manyKeys(1000)), w.root1, w.root2), tooMany, []string{"1004 keys"}},
		{"a thousand keys in a role", sign(t, w.edit(w.root, `"keyids":["`+w.online.id, `"keyids":["`+strings.Repeat(w.online.id+`","`, 1000)+w.online.id), w.root1, w.root2), tooMany, []string{"1001 key ids"}},
		{"no role mirrors", sign(t, w.edit(w.root, `"mirrors":`, `"mirror":`), w.root1, w.root2), misshapen, []string{`"mirrors"`}},
		{"no role targets", sign(t, w.edit(w.root, `"targets":`, `"target":`), w.root1, w.root2), misshapen, []string{`"targets"`}},
		{"role of a stranger", sign(t, w.edit(w.root, `"keyids":["`+w.online.id, `"keyids":["`+stranger.id), w.root1, w.root2), tuf.ErrUnknownKey, []string{"role timestamp", stranger.id}},
		{"threshold in words", sign(t, w.edit(w.root, `"threshold":2`, `"threshold":"2"`), w.root1, w.root2), misshapen, []string{"role root", `"threshold"`}},
		{"no version", sign(t, w.edit(w.root, `"version":1`, `"v":1`), w.root1, w.root2), misshapen, []string{`"version"`}},
		{"no expiry", sign(t, w.edit(w.root, `"expires":`, `"expired":`), w.root1, w.root2), misshapen, []string{`"expires"`}},
		{"expiry with fractions", sign(t, w.edit(w.root, `00:00:00Z`, `00:00:00.5Z`), w.root1, w.root2), misshapen, []string{`"expires"`, "00.5Z"}},
		{"no signature", sign(t, w.root), tuf.ErrThreshold, []string{"0 of 3"}},
		{"one signature", sign(t, w.root, w.root2), tuf.ErrThreshold, []string{
			"1 of 3 pinned keys signed and 2 must; it is signed by " + w.root2.id[:12] + "…",
		}},
		{"one signature and one by another key", sign(t, w.root, w.root1, w.online), tuf.ErrThreshold, []string{"1 of 3", w.root1.id[:12] + "…", w.online.id[:12] + "…"}},
		{"expired", sign(t, w.edit(w.root, "2027-01-01T00:00:00Z", "2026-11-22T05:59:59Z"), w.root1, w.root2), tuf.ErrExpired, []string{"root.json", "2026-11-22T05:59:59Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mustBe(t, w.bootstrap(c.raw), c.want, append(c.says, "verify root.json with pinned keys")...)
		})
	}
}

// manyKeys are members of keys.
func manyKeys(n int) string {
	var text strings.Builder
	for i := range n {
		k := newKey(strconv.Itoa(i))
		text.WriteString(`"` + k.id + `":` + k.json + `,`)
	}
	return text.String()
}

// badThird is signed well by two keys, and for the third has a signature of
// something else.
func badThird(w world) []byte {
	other := sign(w.t, `{}`, w.root3)
	start := bytes.Index(other, []byte(`{"keyid"`))
	entry := string(other[start:bytes.Index(other, []byte(`],"signed"`))])
	return []byte(w.edit(string(sign(w.t, w.root, w.root1, w.root2)), `"signatures":[`, `"signatures":[`+entry+`,`))
}

// shortKey lists and uses a key that is too short to be one, under its right id.
func shortKey(w world) []byte {
	short := newKey("short")
	short.json = `{"keytype":"ed25519","keyval":{"public":"AAAA"}}`
	short.id = sha256Hex([]byte(short.json))
	root := w.edit(w.root, `"keys":{`, `"keys":{"`+short.id+`":`+short.json+`,`)
	return sign(w.t, root, w.root1, w.root2, short)
}

func TestFirstRootTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, raw := range map[string][]byte{
		"enough signatures":      sign(t, w.root, w.root1, w.root3),
		"more than enough":       sign(t, w.root, w.root1, w.root2, w.root3, w.online),
		"unknown fields":         sign(t, w.edit(w.root, `"_type"`, `"new":{"deep":[null,true]},"_type"`), w.root1, w.root2),
		"good to the second":     sign(t, w.edit(w.root, "2027-01-01T00:00:00Z", "2026-11-22T06:00:00Z"), w.root1, w.root2),
		"never expires":          sign(t, w.edit(w.root, `"2027-01-01T00:00:00Z"`, "null"), w.root1, w.root2),
		"white space everywhere": bytes.ReplaceAll(append(sign(t, w.root, w.root1, w.root2), '\n'), []byte(`,"`), []byte(" ,\r\n\t \"")),
		"one key in two roles":   sign(t, w.edit(w.root, w.root3.id+`"],"threshold":2`, w.online.id+`"],"threshold":2`), w.root1, w.root2),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, err := w.pinned().VerifyRoot(raw, today())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(root.Raw(), raw) {
				t.Error("other bytes than those verified")
			}
			root.Raw()[0] = 'x'
			if !bytes.Equal(root.Raw(), raw) {
				t.Error("the verified bytes can be changed")
			}
		})
	}
}

func TestNextRoot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	trusted := w.trusted()
	// The next generation's root keys are others; they alone do not count.
	n := newWorld(t)
	n.root1, n.root2, n.root3 = newKey("next 1"), newKey("next 2"), newKey("next 3")
	withOld := w.edit(n.rootText(2, n.online), `"keys":{`, `"keys":{"`+w.root1.id+`":`+w.root1.json+`,"`+w.root2.id+`":`+w.root2.json+`,`)
	for _, c := range []struct {
		name string
		raw  []byte
		now  time.Time
		want any
		says []string
	}{
		{"the same again", trusted.Raw(), today(), nil, nil},
		{"same version, other content", sign(t, w.rootText(1, newKey("other")), w.root1, w.root3), today(), nil, nil},
		{"versions left out", sign(t, w.rootText(9, w.online), w.root1, w.root3), today(), nil, nil},
		{"keys changed, old ones signed", sign(t, withOld, w.root1, w.root2, n.root1), today(), nil, nil},
		{"keys changed, one old one signed", sign(t, withOld, w.root1, n.root1, n.root2, n.root3), today(), tuf.ErrThreshold, []string{"1 signatures", "role root, which needs 2"}},
		{"keys changed, new ones signed", sign(t, n.rootText(2, n.online), n.root1, n.root2), today(), tuf.ErrThreshold, []string{"root version 1"}},
		{"older", sign(t, w.rootText(0, w.online), w.root1, w.root2), today(), tuf.ErrRollback, []string{"version 0 after version 1"}},
		{"expired", sign(t, w.rootText(2, w.online), w.root1, w.root2), today().AddDate(1, 0, 0), tuf.ErrExpired, []string{"version 2", "2027-01-01T00:00:00Z", "2027-11-22T06:00:00Z"}},
		{"expired, part of a chain", sign(t, w.edit(w.rootText(2, w.online), "2027", "2017"), w.root1, w.root2), time.Time{}, nil, nil},
		{"not its own key", sign(t, n.rootText(2, n.online), w.root1, w.root2), today(), tuf.ErrUnknownKey, []string{w.root1.id}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			next, err := trusted.VerifyRoot(c.raw, c.now)
			mustBe(t, err, c.want, append(c.says, "verify root.json")...)
			if (c.want == nil) != (next != nil) || (err == nil) != (c.want == nil) {
				t.Errorf("root %v, error %v", next, err)
			}
		})
	}
}

func TestTimestamp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	trusted := w.trusted()
	for _, c := range []struct {
		name string
		raw  []byte
		min  int64
		want any
		says []string
	}{
		{"good", sign(t, w.timestamp, w.online), 3, nil, nil},
		{"more files", sign(t, w.edit(w.timestamp, `"meta":{`, `"meta":{"<repo>/x":{"hashes":{},"length":-1},`), w.online), 0, nil, nil},
		{"never expires", sign(t, w.edit(w.timestamp, `"2027-01-01T00:00:00Z"`, `null`), w.online), 0, nil, nil},
		{"older", sign(t, w.timestamp, w.online), 4, tuf.ErrRollback, []string{"version 3 after version 4"}},
		{"expired", sign(t, w.edit(w.timestamp, "2027", "2017"), w.online), 0, tuf.ErrExpired, []string{"version 3", "2017-01-01T00:00:00Z", "2026-11-22T06:00:00Z"}},
		{"a snapshot", sign(t, w.snapshot, w.online), 0, otherType, []string{`"Snapshot"`}},
		{"not signed", sign(t, w.timestamp), 0, tuf.ErrThreshold, []string{"0 signatures by keys of the role timestamp, which needs 1"}},
		{"signed by a root key", sign(t, w.timestamp, w.root1), 0, tuf.ErrThreshold, nil},
		{"signed by a stranger too", sign(t, w.timestamp, w.online, newKey("stranger")), 0, tuf.ErrUnknownKey, []string{newKey("stranger").id, "root version 1"}},
		{"no meta", sign(t, w.edit(w.timestamp, `"meta"`, `"metadata"`), w.online), 0, misshapen, []string{`"meta"`}},
		{"no snapshot", sign(t, w.edit(w.timestamp, `/snapshot.json`, `/snapshots.json`), w.online), 0, misshapen, []string{"<repo>/snapshot.json"}},
		{"outside of the repository", sign(t, w.edit(w.timestamp, `<repo>/`, `/`), w.online), 0, misshapen, []string{`"/snapshot.json"`}},
		{"only an md5", sign(t, w.edit(w.timestamp, `"sha256"`, `"sha1"`), w.online), 0, misshapen, []string{"SHA-256"}},
		{"negative length", sign(t, w.edit(w.timestamp, `"length":`, `"length":-`), w.online), 0, misshapen, nil},
		{"length in words", sign(t, w.edit(w.timestamp, `"length":1`, `"length":"1"`), w.online), 0, misshapen, []string{`"length"`}},
		{"hash in numbers", sign(t, w.edit(w.timestamp, `"md5":"0"`, `"md5":0`), w.online), 0, misshapen, []string{`"md5"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			timestamp, err := trusted.VerifyTimestamp(c.raw, c.min, today())
			mustBe(t, err, c.want, append(c.says, "verify timestamp.json")...)
			if c.want != nil {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if have := timestamp.Snapshot(); have != info([]byte("s")) {
				t.Errorf("snapshot must be %+v", have)
			}
		})
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	trusted := w.trusted()
	for _, c := range []struct {
		name   string
		signed string
		min    int64
		want   any
		says   []string
	}{
		{"good", w.snapshot, 3, nil, nil},
		{"no plain index", w.edit(w.snapshot, `/01-index.tar"`, `/02-index.tar"`), 0, nil, nil},
		{"no root", w.edit(w.snapshot, `/root.json`, `/rot.json`), 0, misshapen, []string{"<repo>/root.json"}},
		{"no mirrors", w.edit(w.snapshot, `/mirrors.json`, `/m.json`), 0, misshapen, []string{"<repo>/mirrors.json"}},
		{"no index", w.edit(w.snapshot, `/01-index.tar.gz`, `/i.tar.gz`), 0, misshapen, []string{"<repo>/01-index.tar.gz"}},
		{"older", w.snapshot, 4, tuf.ErrRollback, nil},
		{"expired", w.edit(w.snapshot, "2027", "2017"), 0, tuf.ErrExpired, []string{"2017-01-01T00:00:00Z"}},
		{"a timestamp", w.timestamp, 0, otherType, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			raw := sign(t, c.signed, w.online)
			s, err := trusted.VerifySnapshot(raw, info(raw), c.min, today())
			mustBe(t, err, c.want, append(c.says, "verify snapshot.json")...)
			if c.want != nil {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for content, have := range map[string]tuf.FileInfo{"r": s.Root(), "m": s.Mirrors(), "gz": s.IndexTarGz()} {
				if have != info([]byte(content)) {
					t.Errorf("%s is %+v", content, have)
				}
			}
			if tar, ok := s.IndexTar(); ok != (c.name == "good") || ok && tar != info([]byte("tar")) {
				t.Errorf("index is %+v, %v", tar, ok)
			}
		})
	}
}

func TestMirrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	trusted := w.trusted()
	for _, c := range []struct {
		name   string
		signed string
		min    int64
		want   any
		urls   []string
	}{
		{"good", w.mirrors, 3, nil, []string{"http://one.example/", "https://two.example/x"}},
		{"none", w.edit(w.mirrors, `{"urlbase":"http://one.example/"},{"urlbase":"https://two.example/x","more":0}`, ``), 0, nil, nil},
		{"not a list", w.edit(w.mirrors, `"mirrors":[`, `"mirrors":{},"others":[`), 0, misshapen, nil},
		{"no address", w.edit(w.mirrors, `"urlbase"`, `"url"`), 0, misshapen, nil},
		{"no URL", w.edit(w.mirrors, `http://one.example/`, `one`), 0, misshapen, nil},
		{"older", w.mirrors, 4, tuf.ErrRollback, nil},
		{"expired", w.edit(w.mirrors, "2027", "2017"), 0, tuf.ErrExpired, nil},
		{"a snapshot", w.snapshot, 0, otherType, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			raw := sign(t, c.signed, w.online)
			m, err := trusted.VerifyMirrors(raw, info(raw), c.min, today())
			mustBe(t, err, c.want, "verify mirrors.json")
			if c.want != nil {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if have := m.URLs(); !slices.Equal(have, c.urls) {
				t.Errorf("addresses %q, want %q", have, c.urls)
			}
		})
	}
}

func TestFilesBoundByHash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	trusted := w.trusted()
	snapshot, mirrors := sign(t, w.snapshot, w.online), sign(t, w.mirrors, w.online)
	for _, c := range []struct {
		name string
		want any
		bend func(*tuf.FileInfo)
	}{
		{"longer", tuf.ErrLength, func(f *tuf.FileInfo) { f.Length-- }},
		{"shorter", tuf.ErrLength, func(f *tuf.FileInfo) { f.Length++ }},
		{"changed", tuf.ErrDigest, func(f *tuf.FileInfo) { f.SHA256[31] ^= 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := info(snapshot)
			c.bend(&want)
			_, err := trusted.VerifySnapshot(snapshot, want, 0, today())
			mustBe(t, err, c.want, "verify snapshot.json")
			want = info(mirrors)
			c.bend(&want)
			_, err = trusted.VerifyMirrors(mirrors, want, 0, today())
			mustBe(t, err, c.want, "verify mirrors.json")
		})
	}
}

// Nobody becomes trusted by a threshold that asks for no signature, nor by a
// Root that nobody verified.
func TestNoSignatureIsNeverEnough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, threshold := range []string{"0", "-1"} {
		root := strings.ReplaceAll(w.root, `"threshold":1`, `"threshold":`+threshold)
		trusted, err := w.pinned().VerifyRoot(sign(t, root, w.root1, w.root2), today())
		if err != nil {
			t.Fatal(err)
		}
		_, err = trusted.VerifyTimestamp(sign(t, w.timestamp), 0, today())
		mustBe(t, err, tuf.ErrThreshold)
	}
	_, err := new(tuf.Root).VerifyTimestamp(sign(t, w.timestamp), 0, today())
	mustBe(t, err, tuf.ErrThreshold)
	_, err = new(tuf.Root).VerifyRoot(sign(t, w.root, w.root1, w.root2), today())
	mustBe(t, err, tuf.ErrThreshold)
}

func TestPinned(t *testing.T) {
	t.Parallel()
	if hackage := tuf.HackagePinned(); hackage.Check() != nil || len(hackage.KeyIDs) != 6 || hackage.Threshold != 3 {
		t.Errorf("Hackage's own keys: %+v, %v", hackage, hackage.Check())
	}
	w := newWorld(t)
	one, two := w.root1.id, w.root2.id
	root := sign(t, w.root, w.root1, w.root2)
	for _, c := range []struct {
		name   string
		pinned tuf.Pinned
	}{
		{"nothing", tuf.Pinned{}},
		{"no keys", tuf.Pinned{Threshold: 1}},
		{"threshold zero", tuf.Pinned{KeyIDs: []string{one, two}}},
		{"negative threshold", tuf.Pinned{KeyIDs: []string{one, two}, Threshold: -1}},
		{"threshold above the keys", tuf.Pinned{KeyIDs: []string{one, two}, Threshold: 3}},
		{"key twice", tuf.Pinned{KeyIDs: []string{one, one}, Threshold: 2}},
		{"short id", tuf.Pinned{KeyIDs: []string{one[:8], two}, Threshold: 1}},
		{"upper case", tuf.Pinned{KeyIDs: []string{strings.ToUpper(one), two}, Threshold: 1}},
		{"no digits", tuf.Pinned{KeyIDs: []string{strings.Repeat("x", 64), two}, Threshold: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mustBe(t, c.pinned.Check(), notPinned)
			_, err := c.pinned.VerifyRoot(root, today())
			mustBe(t, err, notPinned, "root-keys", "key-threshold")
		})
	}
}
