package hackage

import (
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// wrong returns h's generation with a snapshot and a timestamp that are rightly
// signed, but say of the files what edit makes of the truth.
func wrong(h *hackagetest.Hackage, edit func(info map[string]tuf.FileInfo)) *hackagetest.Generation {
	g := h.Generation()
	info := map[string]tuf.FileInfo{}
	for _, file := range []string{rootFile, mirrorsFile, indexGzFile, indexTarFile} {
		info[file] = tuf.FileInfo{Length: int64(len(g.File(file))), SHA256: sum(g.File(file))}
	}
	edit(info)
	snapshot := h.Sign(hackagetest.Snapshot, map[string]any{
		"_type": "Snapshot", "version": 99, "expires": nil, "meta": entriesOf(info, rootFile, mirrorsFile, indexGzFile, indexTarFile),
	})
	info[snapshotFile] = tuf.FileInfo{Length: int64(len(snapshot)), SHA256: sum(snapshot)}
	edit(info)
	timestamp := h.Sign(hackagetest.Timestamp, map[string]any{
		"_type": "Timestamp", "version": 99, "expires": nil, "meta": entriesOf(info, snapshotFile),
	})
	return g.With(snapshotFile, snapshot).With(timestampFile, timestamp)
}

func entriesOf(info map[string]tuf.FileInfo, files ...string) map[string]any {
	entries := map[string]any{}
	for _, file := range files {
		digest := info[file].SHA256
		entries["<repo>/"+file] = map[string]any{
			"length": info[file].Length,
			"hashes": map[string]any{"sha256": hex.EncodeToString(digest[:])},
		}
	}
	return entries
}

// change edits what is said of one file, once it is said.
func change(file string, edit func(*tuf.FileInfo)) func(map[string]tuf.FileInfo) {
	done := false
	return func(info map[string]tuf.FileInfo) {
		if one, ok := info[file]; ok && !done {
			done = true
			edit(&one)
			info[file] = one
		}
	}
}

// Signatures do not make a contradiction right: the packed index is as signed,
// but what is in it is not.
func TestIndexThatContradictsItself(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit func(*tuf.FileInfo)
		want error
	}{
		"longer than signed":  {func(i *tuf.FileInfo) { i.Length-- }, ErrTooLarge},
		"shorter than signed": {func(i *tuf.FileInfo) { i.Length++ }, state.ErrMismatch},
		"other than signed":   {func(i *tuf.FileInfo) { i.SHA256[0]++ }, state.ErrMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			both(t, h, wrong(h, change(indexTarFile, test.edit)), hasty(h), func(t *testing.T, u *Upstream) {
				dir := t.TempDir()
				_, err := u.Index(t.Context(), metadata(t, u, state.Seen{}), dir)
				if !errors.Is(err, test.want) || !strings.Contains(err.Error(), "unpack "+indexGzFile) {
					t.Error(err)
				}
				if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
					t.Errorf("%d files are left: %v", len(left), err)
				}
			})
		})
	}
}

// No signed length makes us fetch without bounds.
func TestSignedLengthsHaveLimits(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	s := serve(t, h)
	u := open(t, s.URL, hasty(h))
	for _, file := range []string{snapshotFile, mirrorsFile} {
		s.Forget()
		s.Show(wrong(h, change(file, func(i *tuf.FileInfo) { i.Length = maxMetadata + 1 })))
		_, err := u.Metadata(t.Context(), state.Seen{})
		// It was asked for once before its length was known, up to a bound.
		if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), file) || s.Count("/"+file) > 1 || s.Bytes("/"+file) > maxEarly {
			t.Errorf("%d requests for %s: %v", s.Count("/"+file), file, err)
		}
	}
	s.Show(wrong(h, change(indexGzFile, func(i *tuf.FileInfo) { i.Length = MaxIndex + 1 })))
	_, err := u.Index(t.Context(), metadata(t, u, state.Seen{}), t.TempDir())
	if !errors.Is(err, ErrTooLarge) || s.Count("/"+indexGzFile) != 0 {
		t.Errorf("%d requests for the index: %v", s.Count("/"+indexGzFile), err)
	}
}
