package folder_test

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/folder"
)

// killedFolder names the folder to the copy of the test that is killed.
const killedFolder = "BUCKET_TEST_KILLED_FOLDER"

// fill puts the same objects in the same order each time.
func fill(t *testing.T, path string, report func(i int)) {
	f, err := folder.New(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		content := strings.Repeat(fmt.Sprint(i, " "), 20_000)
		put(t, f, fmt.Sprintf("package/p-%d.tar.gz", i), content, bucket.IfAbsent())
		put(t, f, fmt.Sprintf("package/p-%d/p.cabal", i%7), content, bucket.Always())
		report(i)
	}
	put(t, f, "timestamp.json", "last", bucket.Always())
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestKilledWriter is also the writer that is killed, when its environment says
// so: it reports each step on its output.
func TestKilledWriter(t *testing.T) {
	if path := os.Getenv(killedFolder); path != "" {
		fill(t, path, func(i int) { fmt.Println("put", i) })
		return
	}
	t.Parallel()
	quiet := filepath.Join(t.TempDir(), "undisturbed")
	fill(t, quiet, func(int) {})
	want := tree(t, quiet)
	for _, step := range []string{"put 0", "put 3", "put 20", "put 41", "put 58"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "killed")
			killAt(t, path, step)
			for name, content := range tree(t, path) {
				if strings.HasPrefix(name, "package/p-") && strings.HasSuffix(name, ".gz") && content != want[name] {
					t.Errorf("after the kill, %q is not whole", name)
				}
			}
			// What a kill inside a write leaves, certainly.
			err := os.WriteFile(filepath.Join(path, ".hackage-mirror", "put-1"), []byte("half"), 0o600)
			if err != nil {
				t.Fatal(err)
			}
			fill(t, path, func(int) {})
			if got := tree(t, path); !maps.Equal(got, want) {
				t.Errorf("after kill and rerun there are %d names, undisturbed %d, or other content", len(got), len(want))
			}
		})
	}
}

// killAt starts a writer and kills it once it reports step.
func killAt(t *testing.T, path, step string) {
	t.Helper()
	writer := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWriter$")
	writer.Env = append(os.Environ(), killedFolder+"="+path)
	out, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	reached := false
	for lines := bufio.NewScanner(out); !reached && lines.Scan(); {
		reached = lines.Text() == step
	}
	if err := writer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Wait() // it was killed
	if !reached {
		t.Fatalf("the writer ended before %q", step)
	}
}
