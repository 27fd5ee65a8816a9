package hackage

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

func TestOpenRefusesNonsense(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{
		"", " ", "ftp://hackage.haskell.org", "s3://bucket/prefix", "https://", "http:hackage.haskell.org",
		"https://hackage.haskell.org?x=1", "https://hackage.haskell.org#x", "https://user:secret@[bad", "someone:secret@hackage.haskell.org",
		"hackage.haskell.org", "hackage.haskell.org:443", "file:", "file://host/path", "file://" + filepath.ToSlash(dir),
		dir, file, filepath.Join(dir, "none"), "nul\x00byte",
	} {
		u, err := Open(address, Options{})
		if err == nil {
			t.Errorf("%q was opened as %s", address, u)
			continue
		}
		if !strings.Contains(err.Error(), "https://hackage.haskell.org, or a folder") && !strings.Contains(address, "\x00") {
			t.Errorf("%q: the error does not say what is allowed: %v", address, err)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the password: %v", address, err)
		}
	}
}

func TestOpenTakesFoldersAndAddresses(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	dir := t.TempDir()
	if err := h.Write(dir); err != nil {
		t.Fatal(err)
	}
	slashed := filepath.ToSlash(dir)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a drive letter
	}
	link := filepath.Join(t.TempDir(), "link")
	addresses := map[string]string{
		dir: dir, "file://" + slashed: dir, "file://localhost" + slashed: dir, "file:" + slashed: dir,
	}
	if err := os.Symlink(dir, link); err == nil {
		addresses[link] = link
	}
	for address, want := range addresses {
		u := open(t, address, hasty(h))
		if u.String() != want {
			t.Errorf("%q is %s instead of %s", address, u, want)
		}
		metadata(t, u, state.Seen{})
	}
	for address, want := range map[string]string{
		"https://hackage.haskell.org":       "https://hackage.haskell.org/timestamp.json",
		"HTTPS://hackage.haskell.org/":      "https://hackage.haskell.org/timestamp.json",
		"http://user:pw@127.0.0.1:8080/a/b": "http://127.0.0.1:8080/a/b/timestamp.json",
		"https://host/a%20b/":               "https://host/a%20b/timestamp.json",
	} {
		if got := open(t, address, Options{}).src.name(timestampFile); got != want {
			t.Errorf("%q has %s instead of %s", address, got, want)
		}
	}
}

func TestDrivesAreFolders(t *testing.T) {
	t.Parallel()
	for _, path := range []string{`C:\mirror`, "C:/mirror", "c:mirror"} {
		u, folder, err := parseAddress(path)
		if u != nil || err != nil || !strings.HasSuffix(folder, filepath.FromSlash(path)) {
			t.Errorf("%s is %v or %s: %v", path, u, folder, err)
		}
	}
}

// A link may stay within the folder, as for tarballs that two names share, but
// not leave it.
func TestFolderLinks(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	dir, outside := t.TempDir(), t.TempDir()
	if err := h.Write(dir); err != nil {
		t.Fatal(err)
	}
	u := open(t, dir, hasty(h))
	want := target(h.Generation(), alpha())
	place := filepath.Join(dir, filepath.FromSlash(alpha().TarballKey()))
	inside, away := filepath.Join(dir, "package", "store"), filepath.Join(outside, "store")
	if err := errors.Join(copyFile(place, away), os.Rename(place, inside)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("store", place); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	if _, err := fetchTarball(t.Context(), u, alpha(), want); err != nil {
		t.Errorf("a link within the folder: %v", err)
	}
	if err := errors.Join(os.Remove(place), os.Symlink(away, place)); err != nil {
		t.Fatal(err)
	}
	_, err := fetchTarball(t.Context(), u, alpha(), want)
	if err == nil || !strings.Contains(err.Error(), "links may not leave the folder") {
		t.Errorf("a link out of the folder: %v", err)
	}
}

func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o600)
}

func TestFolderOddities(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	dir := t.TempDir()
	if err := h.Write(dir); err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(dir, filepath.FromSlash(alpha().TarballKey()))
	if err := errors.Join(os.Remove(place), os.Mkdir(place, 0o755)); err != nil {
		t.Fatal(err)
	}
	u := open(t, dir, hasty(h))
	want := target(h.Generation(), alpha())
	if _, err := fetchTarball(t.Context(), u, alpha(), want); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder for a tarball: %v", err)
	}
	if runtime.GOOS != "windows" && os.Getuid() != 0 {
		if err := errors.Join(os.Remove(place), os.WriteFile(place, nil, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := fetchTarball(t.Context(), u, alpha(), want); !errors.Is(err, os.ErrPermission) {
			t.Errorf("an unreadable tarball: %v", err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Metadata(t.Context(), state.Seen{}); err == nil {
		t.Error("a folder that went away was read")
	}
}
