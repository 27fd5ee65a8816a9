//go:build unix

package acttest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// gitEnv is an environment in which git knows somebody and nobody's settings.
func gitEnv(more ...string) []string {
	return append(environment("GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Me", "GIT_AUTHOR_EMAIL=me@example.invalid", "GIT_COMMITTER_NAME=Me", "GIT_COMMITTER_EMAIL=me@example.invalid"), more...)
}

// clone makes dir a repository with the files of this one as they are now, and
// with one more part of the changelog.
func clone(t testing.TB, dir string) {
	t.Helper()
	copyTree(t, dir)
	changelog := filepath.Join(dir, "CHANGELOG.md")
	write(t, changelog, strings.Replace(read(t, changelog), "## [Unreleased]\n", "## [Unreleased]\n\n## [0.1.0] - 2026-11-22\n\n### Added\n\n- All of it.\n\n## [0.0.9] - 2026-11-21\n\n- Before.\n", 1), 0o644)
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"commit", "-q", "-m", "all"}} {
		must(t, dir, gitEnv(), "git", args...)
	}
}

// copyTree copies this repository's files.
func copyTree(t testing.TB, dir string) {
	t.Helper()
	from := root(t)
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(from, path)
		switch {
		case d.IsDir() && (name == ".git" || name == "demo" || name == "dist"):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		write(t, filepath.Join(dir, name), string(raw), info.Mode().Perm())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// releaseScript runs script/release in a clone.
func releaseScript(t testing.TB, dir string, env []string, args ...string) (int, string) {
	t.Helper()
	return run(t, dir, env, filepath.Join(dir, "script", "release"), args...)
}

// Two people in two places get the same bytes, with nothing in common but the
// commit's files and the version of Go. Here they also share Go's build cache,
// which holds what it compiled by all that went into it.
func TestReleaseIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	need(t, "git")
	need(t, "go")
	one, two := t.TempDir(), filepath.Join(t.TempDir(), "another place", "of the clone")
	clone(t, one)
	must(t, one, gitEnv(), "git", "clone", "-q", one, two)
	var sums [2]string
	for i, place := range []struct {
		dir string
		env []string
	}{
		{one, gitEnv()},
		{two, gitEnv("GOFLAGS=-tags=other", "GOAMD64=v3", "GOARM64=v9.0", "TZ=Asia/Tokyo", "LANG=C", "CGO_ENABLED=1")},
	} {
		code, said := releaseScript(t, place.dir, place.env, "prepare", "v0.1.0", "--only", "linux-amd64")
		if code != 0 {
			t.Fatalf("exit code %d:\n%s", code, said)
		}
		says(t, said, "v0.1.0 is tagged, here only")
		sums[i] = must(t, place.dir, gitEnv(), "git", "show", "v0.1.0:checksums.txt")
	}
	if sums[0] != sums[1] || !strings.Contains(sums[0], "  hackage-mirror-linux-amd64\n") {
		t.Errorf("the checksums are\n%s\nand\n%s", sums[0], sums[1])
	}
	checkRelease(t, one)
}

// checkRelease looks at what prepare has made, and builds it from its commit.
func checkRelease(t *testing.T, dir string) {
	t.Helper()
	git := func(args ...string) string { return must(t, dir, gitEnv(), "git", args...) }
	if changed := git("diff", "--name-only", "main", "v0.1.0"); changed != "VERSION\nchecksums.txt\n" {
		t.Errorf("the release differs from its branch in %q", changed)
	}
	if git("rev-parse", "v0.1.0^") != git("rev-parse", "main") || git("status", "--porcelain") != "" {
		t.Error("the release is not on top of HEAD, or the folder was touched")
	}
	if code, said := releaseScript(t, dir, gitEnv(), "check"); code == 0 {
		t.Errorf("a branch is checked like a release:\n%s", said)
	}
	git("checkout", "-q", "v0.1.0")
	code, said := releaseScript(t, dir, gitEnv(), "check", "--only", "linux-amd64")
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
	says(t, said, "came out as promised")
	if goarch(t) == "amd64" {
		says(t, must(t, dir, nil, filepath.Join(dir, "dist", "hackage-mirror-linux-amd64"), "--version"), "hackage-mirror v0.1.0 (go")
	}
	says(t, read(t, filepath.Join(dir, "dist", "hackage-mirror.spdx.json")), `"SPDX-2.3"`, "pkg:golang/github.com/aws/aws-sdk-go-v2@v", "pkg:golang/stdlib@1.")
	notes := must(t, dir, gitEnv(), filepath.Join(dir, "script", "release"), "notes")
	if strings.TrimSpace(notes) != "### Added\n\n- All of it." {
		t.Errorf("the notes are %q", notes)
	}
	sums := filepath.Join(dir, "checksums.txt")
	write(t, sums, "0"+read(t, sums)[1:], 0o644)
	code, said = releaseScript(t, dir, gitEnv(), "check", "--only", "linux-amd64")
	if code != 1 {
		t.Errorf("another checksum: exit code %d", code)
	}
	says(t, said, "not what checksums.txt promises")
	write(t, filepath.Join(dir, "VERSION"), "v0.1.0\ngo1.0\n", 0o644)
	code, said = releaseScript(t, dir, gitEnv(), "check")
	if code != 1 {
		t.Errorf("another Go: exit code %d", code)
	}
	says(t, said, "built with go1.0")
}

func TestReleaseRefuses(t *testing.T) {
	t.Parallel()
	need(t, "git")
	need(t, "go")
	dir := t.TempDir()
	clone(t, dir)
	must(t, dir, gitEnv(), "git", "tag", "v0.0.9")
	for args, want := range map[string]string{
		"prepare v0.0.9":     "there already",
		"prepare v7.0.0":     `lacks the heading "## [7.0.0] - `,
		"prepare 0.1.0":      "not a version",
		"prepare v0.1":       "not a version",
		"prepare v0.1.0/../": "not a version",
		"prepare v01.1.0":    "not a version",
		"build":              "no VERSION",
		"publish":            "no VERSION",
	} {
		code, said := releaseScript(t, dir, gitEnv(), strings.Fields(args)...)
		if code != 1 {
			t.Errorf("%s: exit code %d", args, code)
		}
		says(t, said, want)
	}
	if code, _ := releaseScript(t, dir, gitEnv(), "prepare"); code != 2 {
		t.Errorf("bad usage: exit code %d", code)
	}
	if tags := must(t, dir, gitEnv(), "git", "tag"); tags != "v0.0.9\n" {
		t.Errorf("the tags are %q", tags)
	}
}

// publish shows nothing before all is there, and the tag that users follow moves
// last, and only for what is no preview.
func TestReleaseIsPublishedInOrder(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"v0.1.0": "aws s3 cp --only-show-errors --recursive DIST s3://releases/v0.1.0/\n" +
			"gh release create v0.1.0 --draft --verify-tag --title v0.1.0 --notes-file - DIST/checksums.txt DIST/hackage-mirror-linux-amd64\n" +
			"gh release edit v0.1.0 --draft=false\n" +
			"gh api --silent --method PATCH repos/me/it/git/refs/tags/v0 -f sha=HEAD -F force=true\n",
		"v0.1.0-rc.1": "aws s3 cp --only-show-errors --recursive DIST s3://releases/v0.1.0-rc.1/\n" +
			"gh release create v0.1.0-rc.1 --draft --verify-tag --title v0.1.0-rc.1 --notes-file - --prerelease DIST/checksums.txt DIST/hackage-mirror-linux-amd64\n" +
			"gh release edit v0.1.0-rc.1 --draft=false\n",
	} {
		dir, bin := t.TempDir(), t.TempDir()
		clone(t, dir)
		calls := filepath.Join(bin, "calls")
		for _, name := range []string{"gh", "aws"} {
			standIn(t, bin, name, `cat >/dev/null; printf '%s %s\n' "${0##*/}" "$*" >>"$CALLS"`)
		}
		write(t, filepath.Join(dir, "VERSION"), version+"\ngo1.26.0\n", 0o644)
		for _, name := range []string{"checksums.txt", "dist/checksums.txt", "dist/hackage-mirror-linux-amd64"} {
			write(t, filepath.Join(dir, name), "same\n", 0o644)
		}
		env := gitEnv("PATH="+bin+":"+os.Getenv("PATH"), "CALLS="+calls, "GH_REPO=me/it", "RELEASE_BUCKET=releases")
		if code, said := releaseScript(t, dir, env, "publish"); code != 0 {
			t.Fatalf("exit code %d:\n%s", code, said)
		}
		head := strings.TrimSpace(must(t, dir, gitEnv(), "git", "rev-parse", "HEAD"))
		got := strings.NewReplacer(filepath.Join(dir, "dist"), "DIST", head, "HEAD").Replace(read(t, calls))
		if got != want {
			t.Errorf("%s was published by\n%swant\n%s", version, got, want)
		}
		write(t, filepath.Join(dir, "dist", "checksums.txt"), "other\n", 0o644)
		if code, said := releaseScript(t, dir, env, "publish"); code != 1 {
			t.Errorf("what was not promised is published: exit code %d:\n%s", code, said)
		}
	}
}
