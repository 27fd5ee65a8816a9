package hackage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

func sum(raw []byte) [sha256.Size]byte { return sha256.Sum256(raw) }

func metadataFiles() []string {
	return []string{rootFile, timestampFile, snapshotFile, mirrorsFile}
}

func TestMetadataIsVerifiedAndVerbatim(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	h.SetMirrors("https://mirror.example/")
	g := h.Generation()
	both(t, h, g, hasty(h), func(t *testing.T, u *Upstream) {
		m := metadata(t, u, state.Seen{})
		for file, raw := range map[string][]byte{
			rootFile: m.Root.Raw(), timestampFile: m.Timestamp.Raw(),
			snapshotFile: m.Snapshot.Raw(), mirrorsFile: m.Mirrors.Raw(),
		} {
			if !bytes.Equal(raw, g.File(file)) {
				t.Errorf("%s is not upstream's", file)
			}
		}
		digest := sum(g.File(timestampFile))
		seen := m.Seen()
		if seen.Digest != hex.EncodeToString(digest[:]) || seen.Timestamp != m.Timestamp.Version() || seen.Root != 1 ||
			seen.Snapshot != m.Snapshot.Version() || seen.Mirrors != 2 || !seen.Expires.Equal(m.Timestamp.Expires()) {
			t.Errorf("seen is %+v", seen)
		}
		if _, err := u.Metadata(t.Context(), seen); !errors.Is(err, ErrUnchanged) {
			t.Errorf("a second look gives %v instead of ErrUnchanged", err)
		}
	})
}

// What is wrong in the set for good is refused alike over HTTP and in a folder,
// with the error that says what it is and the name of the file.
func TestMetadataRefuses(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	old := h.Generation()
	h.Upload("newer", "1.0", nil, nil)
	g := h.Generation()
	stranger := hackagetest.New(hackagetest.Options{Seed: "stranger"}).Generation()
	expired := func(role hackagetest.Role) *hackagetest.Generation {
		h := h.Clone()
		h.Expire(role)
		return h.Generation()
	}
	flip := func(file string) *hackagetest.Generation {
		raw := bytes.Clone(g.File(file))
		i := bytes.Index(raw, []byte(`"expires":"`)) + len(`"expires":"206`)
		raw[i] ^= 1 // another year
		return g.With(file, raw)
	}
	seen := state.Seen{Root: 1, Timestamp: 12, Snapshot: 12, Mirrors: 1}
	for name, test := range map[string]struct {
		g    *hackagetest.Generation
		seen state.Seen
		want []error
		says string
	}{
		"tampered root":      {g: flip(rootFile), want: []error{tuf.ErrSignature}, says: rootFile},
		"tampered timestamp": {g: flip(timestampFile), want: []error{tuf.ErrSignature}, says: timestampFile},
		"tampered snapshot":  {g: flip(snapshotFile), want: []error{ErrTorn, tuf.ErrDigest}, says: snapshotFile},
		"tampered mirrors":   {g: flip(mirrorsFile), want: []error{ErrTorn, tuf.ErrDigest}, says: mirrorsFile},
		"longer snapshot":    {g: g.With(snapshotFile, append(g.File(snapshotFile), ' ')), want: []error{ErrTorn, tuf.ErrLength}, says: snapshotFile},
		"older snapshot":     {g: g.WithFrom(old, snapshotFile), want: []error{ErrTorn}, says: "snapshot.json does not match timestamp.json version 13"},
		"older timestamp":    {g: g.WithFrom(old, timestampFile), want: []error{ErrTorn}, says: "snapshot.json does not match timestamp.json version 12"},
		"lengthy timestamp": {
			g:    g.With(timestampFile, append(g.File(timestampFile), bytes.Repeat([]byte(" "), tuf.MaxTimestamp)...)),
			want: []error{ErrTooLarge}, says: timestampFile,
		},
		"lengthy root": {
			g:    g.With(rootFile, append(g.File(rootFile), bytes.Repeat([]byte(" "), tuf.MaxRoot)...)),
			want: []error{ErrTooLarge}, says: rootFile,
		},
		"a page for a timestamp": {g: g.With(timestampFile, []byte("<html>")), says: "verify timestamp.json: no value at byte 0 of 6: not canonical JSON"},
		"rollback":               {g: old, seen: state.Seen{Timestamp: 13}, want: []error{tuf.ErrRollback}, says: timestampFile},
		"rollback of root":       {g: g, seen: state.Seen{Root: 2}, want: []error{tuf.ErrRollback}, says: rootFile},
		"rollback of snapshot":   {g: g, seen: state.Seen{Snapshot: 99}, want: []error{tuf.ErrRollback}, says: snapshotFile},
		"rollback of mirrors":    {g: g, seen: state.Seen{Mirrors: 2}, want: []error{tuf.ErrRollback}, says: mirrorsFile},
		"foreign keys":           {g: stranger, want: []error{tuf.ErrThreshold}, says: "pinned"},
		"foreign root":           {g: g.WithFrom(stranger, rootFile), want: []error{tuf.ErrThreshold}, says: rootFile},
		"missing mirrors":        {g: g.With(mirrorsFile, nil), want: []error{state.ErrMissing}, says: mirrorsFile},
		"expired root":           {g: expired(hackagetest.Root), seen: seen, want: []error{tuf.ErrExpired}, says: "2002-01-01"},
		"expired timestamp":      {g: expired(hackagetest.Timestamp), seen: seen, want: []error{tuf.ErrExpired}, says: "2002-01-01"},
		"expired snapshot":       {g: expired(hackagetest.Snapshot), seen: seen, want: []error{tuf.ErrExpired}, says: "2002-01-01"},
		"expired mirrors":        {g: expired(hackagetest.Mirrors), seen: seen, want: []error{tuf.ErrExpired}, says: "2002-01-01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, h, test.g, hasty(h), func(t *testing.T, u *Upstream) {
				m, err := u.Metadata(t.Context(), test.seen)
				for _, want := range test.want {
					if !errors.Is(err, want) {
						t.Errorf("error is not %q: %v", want, err)
					}
				}
				if m != nil || err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("error does not name %q: %v", test.says, err)
				}
			})
		})
	}
}

func TestMetadataWithoutKeys(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	s := serve(t, h)
	_, err := open(t, s.URL, Options{}).Metadata(t.Context(), state.Seen{})
	if err == nil || !strings.Contains(err.Error(), "not usable as pinned root keys") || s.Count("/") != 0 {
		t.Errorf("without pinned keys: %v after %d requests", err, s.Count("/"))
	}
}

// A quiet look is one small request.
func TestUnchangedCostsOneRequest(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	s := serve(t, h)
	u := open(t, s.URL, hasty(h))
	seen := metadata(t, u, state.Seen{}).Seen()
	s.Forget()
	if _, err := u.Metadata(t.Context(), seen); err != ErrUnchanged {
		t.Fatal(err)
	}
	all := s.Requests("/")
	if len(all) != 1 || all[0].Path != "/timestamp.json" || all[0].Status != 304 || all[0].Bytes != 0 {
		t.Errorf("requests: %+v", all)
	}
	// The digest tells as well, for servers without ETags, and an ETag that
	// someone has spoilt does no harm.
	for _, etag := range []string{"", "spoilt", "\"a\nb\"", `"` + strings.Repeat("a", 1000) + `"`} {
		seen.ETag = etag
		s.Forget()
		if _, err := u.Metadata(t.Context(), seen); err != ErrUnchanged || s.Count("/") != 1 {
			t.Errorf("with ETag %.20q: %v after %d requests", etag, err, s.Count("/"))
		}
	}
}

// A set that does not change any more expires all the same, and is asked for
// past the caches before that is said.
func TestUnchangedButExpired(t *testing.T) {
	t.Parallel()
	h := hackagetest.New(hackagetest.Options{Seed: "short", Lifetime: 72 * time.Hour})
	both(t, h, h.Generation(), hasty(h), func(t *testing.T, u *Upstream) {
		seen := metadata(t, u, state.Seen{}).Seen()
		u.o.Now = func() time.Time { return seen.Expires.Add(time.Second) }
		_, err := u.Metadata(t.Context(), seen)
		if !errors.Is(err, tuf.ErrExpired) || !strings.Contains(err.Error(), seen.Expires.Format(time.RFC3339)) {
			t.Errorf("expired at %s: %v", seen.Expires, err)
		}
	})
}

func TestUnchangedButExpiredInACache(t *testing.T) {
	t.Parallel()
	h := hackagetest.New(hackagetest.Options{Seed: "short", Lifetime: 72 * time.Hour})
	s := serve(t, h)
	u := open(t, s.URL, hasty(h))
	seen := metadata(t, u, state.Seen{}).Seen()
	now := seen.Expires.Add(time.Second)
	u.o.Now = func() time.Time { return now }
	s.Fault("/timestamp.json", hackagetest.Stale(h.Generation()))
	h.Advance(72 * time.Hour)
	h.Resign()
	if m := metadata(t, u, seen); !m.Timestamp.Expires().After(now) {
		t.Errorf("the cache's copy was taken, good until %s", m.Timestamp.Expires())
	}
}

// A cache that holds an old file is gone round; every round is a whole one.
func TestTornSetHeals(t *testing.T) {
	t.Parallel()
	for _, stale := range metadataFiles() {
		t.Run(stale, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			s := serve(t, h)
			o := hasty(h)
			told := &notes{}
			o.Notify = told.add
			u := open(t, s.URL, o)
			seen := metadata(t, u, state.Seen{}).Seen()
			s.Fault("/"+stale, hackagetest.Stale(h.Generation()))
			h.RotateKeys()
			h.SetMirrors("https://mirror.example/")
			s.Forget()
			if stale == timestampFile {
				seen.Timestamp++ // another cache had the newer one before
			}
			seen.Digest, seen.ETag = "", ""
			m := metadata(t, u, seen)
			if !bytes.Equal(m.Timestamp.Raw(), h.Generation().File(timestampFile)) || m.Root.Version() != 2 {
				t.Error("not the present set")
			}
			fresh := 0
			for _, r := range s.Requests("/") {
				if r.Header.Get("Cache-Control") == "max-age=0" {
					fresh++
				}
			}
			if fresh != 4 || len(told.all()) != 1 {
				t.Errorf("%d fresh requests and %d retries for one healed set", fresh, len(told.all()))
			}
		})
	}
}

func TestTornSetIsNamedAfterAllRounds(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	torn := h.Generation()
	h.Resign()
	s := serve(t, h)
	s.Show(h.Generation().WithFrom(torn, snapshotFile))
	o := hasty(h)
	told := &notes{}
	o.Notify = told.add
	_, err := open(t, s.URL, o).Metadata(t.Context(), state.Seen{})
	if !errors.Is(err, ErrTorn) || !strings.Contains(err.Error(), "5 rounds") {
		t.Error(err)
	}
	if n := s.Count("/timestamp.json"); n != 5 || len(told.all()) != 4 {
		t.Errorf("%d rounds, %d told of", n, len(told.all()))
	}
}

// A wrong signature that is there twice, past the caches too, is not that of a set
// in the making: no run waits for it.
func TestWrongSignatureIsAskedForOnceMore(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	g := h.Generation()
	h.RotateKeys()
	foreign := h.Generation().File(timestampFile)
	changed := bytes.Replace(g.File(timestampFile), []byte(`"version":`), []byte(`"version":1`), 1)
	for name, raw := range map[string][]byte{"by another key": foreign, "of other bytes": changed} {
		s := serve(t, h)
		s.Show(g.With(timestampFile, raw))
		_, err := open(t, s.URL, hasty(h)).Metadata(t.Context(), state.Seen{})
		if !errors.Is(err, tuf.ErrUnknownKey) && !errors.Is(err, tuf.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
		if n := s.Count("/timestamp.json"); n != 2 {
			t.Errorf("%s: asked for %d times", name, n)
		}
	}
}

// What waiting does not heal is asked for once past the caches, not five times.
func TestRollbackIsAskedForOnceMore(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	s := serve(t, h)
	u := open(t, s.URL, hasty(h))
	before := h.Generation()
	h.Resign()
	seen := metadata(t, u, state.Seen{}).Seen()
	s.Forget()
	s.Show(before)
	if _, err := u.Metadata(t.Context(), seen); !errors.Is(err, tuf.ErrRollback) || errors.Is(err, ErrTorn) {
		t.Error(err)
	}
	asked := s.Requests("/timestamp.json")
	if len(asked) != 2 || asked[1].Header.Get("Cache-Control") != "max-age=0" || asked[1].Header.Get("If-None-Match") != "" {
		t.Errorf("requests: %+v", asked)
	}
	s.Heal()
	s.Show(nil)
	s.Fault("/timestamp.json", hackagetest.Stale(before))
	if _, err := u.Metadata(t.Context(), seen); err != ErrUnchanged {
		t.Errorf("a cache's old copy: %v", err)
	}
}
