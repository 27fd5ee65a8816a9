//go:build unix

package temp

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// names lists a folder.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func newFolder(t *testing.T, parent string) *Folder {
	t.Helper()
	f, err := MakeIn(parent)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.Path, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// Programs that are given the folder have working folders of their own.
func TestFolderBelowARelativeOne(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("TMPDIR", ".")
	f, err := Make()
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(f.Path) != dir {
		t.Errorf("it is %q, not absolute and below %q", f.Path, dir)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	f := newFolder(t, parent)
	if info, err := os.Stat(f.Path); err != nil || info.Mode() != os.ModeDir|0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if left := names(t, parent); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
	if _, err := MakeIn(filepath.Join(parent, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in no folder: %v", err)
	}
}

// TestLiveRunsAreLeftAlone: however many begin at the same time.
func TestLiveRunsAreLeftAlone(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	made := make(chan *Folder)
	for range 20 {
		go func() { made <- newFolder(t, parent) }()
	}
	var folders []*Folder
	for range 20 {
		folders = append(folders, <-made)
	}
	folders = append(folders, newFolder(t, parent))
	for _, f := range folders {
		if _, err := os.Stat(filepath.Join(f.Path, "file")); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDeadRunsAreRemoved(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	for range 3 {
		f := newFolder(t, parent)
		// The system does this when a process ends, however it does.
		if err := f.lock.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Killed between lock and folder.
	if err := os.WriteFile(filepath.Join(parent, prefix+"7777"+lockEnd), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFolder(t, parent)
	if left := names(t, parent); len(left) != 2 {
		t.Errorf("left: %q", left)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestWhatIsNotOursIsLeftAlone: of what bears the name only private folders go, and
// those without a lock after a day.
func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	t.Parallel()
	parent, elsewhere := t.TempDir(), t.TempDir()
	precious := filepath.Join(elsewhere, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(parent, name) }
	longAgo := time.Now().Add(-lockless - time.Hour)
	for _, dir := range []struct {
		name string
		mode os.FileMode
		when time.Time
	}{
		{prefix + "1111", 0o700, longAgo}, // alone is to go
		{prefix + "2222", 0o700, time.Now()},
		{prefix + "3333", 0o755, longAgo},
		{prefix + "4444", 0o755, longAgo}, // and locked
		{prefix + "22", 0o700, longAgo},
		{prefix + "mine", 0o700, longAgo},
		{"another", 0o700, longAgo},
	} {
		err := errors.Join(os.Mkdir(at(dir.name), dir.mode), os.WriteFile(filepath.Join(at(dir.name), "file"), nil, 0o600), os.Chtimes(at(dir.name), dir.when, dir.when))
		if err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(
		os.WriteFile(at(prefix+"5555"), nil, 0o600), os.Chtimes(at(prefix+"5555"), longAgo, longAgo),
		os.Symlink(elsewhere, at(prefix+"6666")),
		os.WriteFile(at(prefix+"4444"+lockEnd), nil, 0o600),
		os.Symlink(elsewhere, at(prefix+"7777")), os.WriteFile(at(prefix+"7777"+lockEnd), nil, 0o600),
		os.Symlink(precious, at(prefix+"8888"+lockEnd)),
	)
	if err != nil {
		t.Fatal(err)
	}
	before := names(t, parent)
	sweep(parent)
	if got := names(t, parent); !slices.Equal(got, before) {
		t.Errorf("left of what has a lock %q, want %q", got, before)
	}
	sweepLockless(parent)
	want := slices.DeleteFunc(before, func(name string) bool { return name == prefix+"1111" })
	if got := names(t, parent); !slices.Equal(got, want) {
		t.Errorf("left of what has none %q, want %q", got, want)
	}
	if got := names(t, elsewhere); !slices.Equal(got, []string{"precious"}) {
		t.Errorf("elsewhere is left %q", got)
	}
}
