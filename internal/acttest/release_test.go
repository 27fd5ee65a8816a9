//go:build unix

package acttest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// gitEnv is an environment in which git knows somebody and nobody's settings.
func gitEnv(more ...string) []string {
	return append(environment("GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Me", "GIT_AUTHOR_EMAIL=me@example.invalid", "GIT_COMMITTER_NAME=Me", "GIT_COMMITTER_EMAIL=me@example.invalid"), more...)
}

// clone makes dir a repository with the files of this one as they are now, with
// one more part of the changelog, and for one system only, which is faster.
func clone(t testing.TB, dir string) {
	t.Helper()
	copyTree(t, dir)
	changelog := filepath.Join(dir, "CHANGELOG.md")
	write(t, changelog, strings.Replace(read(t, changelog), "## [Unreleased]\n", "## [Unreleased]\n\n## [0.1.0] - 2026-11-22\n\n### Added\n\n- All of it.\n\n## [0.0.9] - 2026-11-21\n\n- Before.\n", 1), 0o644)
	script := filepath.Join(dir, "script", "release")
	write(t, script, regexp.MustCompile(`(?m)^readonly all_platforms=.*$`).ReplaceAllString(read(t, script), "readonly all_platforms=linux-amd64"), 0o755)
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"remote", "add", "origin", "git@github.com:me/it.git"}, {"add", "."}, {"commit", "-q", "-m", "all"},
	} {
		must(t, dir, gitEnv(), "git", args...)
	}
}

// copyTree copies this repository's files, but for those that only a release has.
func copyTree(t testing.TB, dir string) {
	t.Helper()
	from := root(t)
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(from, path)
		switch {
		case name == ".git" && !d.IsDir(): // a file in a worktree, which points to the repository
			return nil
		case d.IsDir() && (name == ".git" || name == "demo" || name == "dist"):
			return fs.SkipDir
		case !d.Type().IsRegular() || name == "VERSION" || name == "checksums.txt":
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

// releaseScript runs script/release in a clone. It must leave no temporary file,
// however it ends.
func releaseScript(t testing.TB, dir string, env []string, args ...string) (code int, said string) {
	t.Helper()
	temp := t.TempDir()
	code, said = run(t, dir, append(env, "TMPDIR="+temp), filepath.Join(dir, "script", "release"), args...)
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("%q left %q, %v", args, left, err)
	}
	return code, said
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
	must(t, two, gitEnv(), "git", "remote", "set-url", "origin", "https://github.com/me/it")
	var sums [2]string
	for i, place := range []struct {
		dir string
		env []string
	}{
		{one, gitEnv()},
		{two, gitEnv("GOFLAGS=-tags=other", "GOAMD64=v3", "GOARM64=v9.0", "TZ=Asia/Tokyo", "LANG=C", "CGO_ENABLED=1")},
	} {
		code, said := releaseScript(t, place.dir, place.env, "prepare", "v0.1.0")
		if code != 0 {
			t.Fatalf("exit code %d:\n%s", code, said)
		}
		says(t, said, "v0.1.0 is tagged, here only")
		sums[i] = must(t, place.dir, gitEnv(), "git", "show", "v0.1.0:checksums.txt")
		if lines := strings.Split(must(t, place.dir, gitEnv(), "git", "show", "v0.1.0:VERSION"), "\n"); len(lines) != 4 ||
			lines[0] != "v0.1.0" || lines[2] != "https://github.com/me/it/releases/download" {
			t.Errorf("VERSION is %q", lines)
		}
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
	code, said := releaseScript(t, dir, gitEnv(), "check")
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
	other := map[bool]string{true: "1", false: "0"}[read(t, sums)[0] == '0']
	write(t, sums, other+read(t, sums)[1:], 0o644)
	code, said = releaseScript(t, dir, gitEnv(), "check")
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
		"prepare v0.1.0 --only linux-amd64": "--only is for build",
		"check --only linux-amd64":          "--only is for build",
		"prepare v0.0.9":                    "there already",
		"prepare v7.0.0":                    `lacks the heading "## [7.0.0] - `,
		"prepare 0.1.0":                     "not a version",
		"prepare v0.1":                      "not a version",
		"prepare v0.1.0/../":                "not a version",
		"prepare v01.1.0":                   "not a version",
		"build":                             "no VERSION",
		"publish":                           "no VERSION",
		"notes":                             "no VERSION",
	} {
		code, said := releaseScript(t, dir, gitEnv(), strings.Fields(args)...)
		if code != 1 {
			t.Errorf("%s: exit code %d", args, code)
		}
		says(t, said, want)
	}
	for args, want := range map[string]string{"prepare": "script/release prepare", "build --only": "--only needs a value", "build --dist": "--dist needs a value"} {
		code, said := releaseScript(t, dir, gitEnv(), strings.Fields(args)...)
		if code != 2 || strings.Contains(said, "checksum prints the lines") {
			t.Errorf("%s: exit code %d:\n%s", args, code, said)
		}
		says(t, said, want)
	}
	if tags := must(t, dir, gitEnv(), "git", "tag"); tags != "v0.0.9\n" {
		t.Errorf("the tags are %q", tags)
	}
}

// A release is made of what has landed, for a repository that can publish it.
func TestReleaseIsOfTheMainBranch(t *testing.T) {
	t.Parallel()
	need(t, "git")
	dir := t.TempDir()
	clone(t, dir)
	git := func(args ...string) { must(t, dir, gitEnv(), "git", args...) }
	refuses := func(want string) {
		t.Helper()
		code, said := releaseScript(t, dir, gitEnv(), "prepare", "v0.1.0")
		if code != 1 {
			t.Errorf("%s: exit code %d", want, code)
		}
		says(t, said, want)
	}
	git("switch", "-q", "-c", "other")
	git("commit", "-q", "--allow-empty", "-m", "not landed")
	refuses("HEAD is not on main;")
	git("update-ref", "refs/remotes/origin/main", "main")
	git("branch", "-f", "main", "other")
	refuses("HEAD is not on origin/main;")
	git("switch", "-q", "--detach", "origin/main")
	git("remote", "set-url", "origin", "/elsewhere")
	refuses("the remote origin is no repository of GitHub")
	git("remote", "remove", "origin")
	refuses("there is no remote origin")
	if tags := must(t, dir, gitEnv(), "git", "tag"); tags != "" {
		t.Errorf("the tags are %q", tags)
	}
}

// A publication is a release's commit, what was built of it, and a GitHub that
// keeps releases and refs.
type publication struct {
	*testing.T
	dir, bin, version string
}

// hub stands in for gh: its folder has a line for each release (releases: its
// state, number and version), the asset checksums.txt of each, the tags' commits,
// and each call that changes something. A call with the text $FAIL fails.
const hub = `cd "$HUB"
printf '%s %s\n' "$GH_HOST" "${GH_ENTERPRISE_TOKEN:-none}" >hosts
input=
case "$*" in *'--notes-file -'*) input=$(cat) ;; esac
case $1:$2 in api:--paginate | release:download) ;; *) printf 'gh %s\n' "$*" >>calls ;; esac
if [[ -n $FAIL && $* == *"$FAIL"* ]]; then exit 1; fi
case $1:$2 in
api:--paginate)
  jq -R 'split(" ") | {id: .[1], tag_name: .[2], draft: (.[0] == "draft"), prerelease: (.[2] | contains("-"))}' releases | jq -s . | jq -r "${@: -1}" ;;
api:--silent)
  case $4:$5 in
  DELETE:*) sed -i "/^draft ${5##*/} /d" releases ;;
  PATCH:*) test -f "${5##*/}" && echo "${7#sha=}" >"${5##*/}" ;;
  POST:*) echo "${9#sha=}" >"${7##*/}" ;;
  esac ;;
release:create) echo "draft $((100 + RANDOM)) $3" >>releases; cp "${@: -2:1}" "checksums-$3" ;;
release:edit) sed -i "s/^draft \\(.* $3\\)$/published \\1/" releases ;;
release:download) cp "checksums-$3" "$7/checksums.txt" ;;
esac
`

func newPublication(t *testing.T, version string, releases ...string) *publication {
	t.Helper()
	need(t, "jq")
	p := &publication{T: t, dir: t.TempDir(), bin: t.TempDir(), version: version}
	clone(t, p.dir)
	standIn(t, p.bin, "gh", hub)
	standIn(t, p.bin, "aws", `printf '%s %s\n' "${0##*/}" "$*" >>"$HUB/calls"`)
	write(t, filepath.Join(p.bin, "releases"), strings.Join(append(releases, ""), "\n"), 0o644)
	write(t, filepath.Join(p.dir, "VERSION"), version+"\ngo1.26.0\nhttps://github.com/me/it/releases/download\n", 0o644)
	write(t, filepath.Join(p.dir, "dist", "hackage-mirror-linux-amd64"), "program "+version, 0o755)
	sums := must(t, filepath.Join(p.dir, "dist"), nil, "sha256sum", "hackage-mirror-linux-amd64")
	for _, name := range []string{"checksums.txt", "dist/checksums.txt"} {
		write(t, filepath.Join(p.dir, name), sums, 0o644)
	}
	return p
}

// publish runs the script and returns what it called, with short names.
func (p *publication) publish(more ...string) (code int, said, calls string) {
	p.Helper()
	env := gitEnv(append([]string{"PATH=" + p.bin + ":" + os.Getenv("PATH"), "HUB=" + p.bin, "FAIL=", "GH_REPO=me/it"}, more...)...)
	code, said = releaseScript(p, p.dir, env, "publish")
	if raw, err := os.ReadFile(filepath.Join(p.bin, "calls")); err == nil {
		head := strings.TrimSpace(must(p, p.dir, gitEnv(), "git", "rev-parse", "HEAD"))
		calls = strings.NewReplacer(filepath.Join(p.dir, "dist"), "DIST", head, "HEAD").Replace(string(raw))
		_ = os.Remove(filepath.Join(p.bin, "calls"))
	}
	return code, said, calls
}

// publishes is publish that must succeed with these calls.
func (p *publication) publishes(want string, more ...string) {
	p.Helper()
	code, said, calls := p.publish(more...)
	if code != 0 {
		p.Fatalf("exit code %d:\n%s", code, said)
	}
	if want = strings.ReplaceAll(want, "VERSION", p.version); calls != want {
		p.Errorf("%s was published by\n%swant\n%s", p.version, calls, want)
	}
}

// The calls of a publication.
const (
	creates = "gh release create VERSION --draft --verify-tag --title VERSION --notes-file - DIST/checksums.txt DIST/hackage-mirror-linux-amd64\n"
	shows   = "gh release edit VERSION --draft=false --latest=true\n"
	moves   = "gh api --silent --method PATCH repos/me/it/git/refs/tags/v0 -f sha=HEAD -F force=true\n"
	makes   = "gh api --silent --method POST repos/me/it/git/refs -f ref=refs/tags/v0 -f sha=HEAD\n"
)

// publish shows nothing before all is there, and the tag that users follow moves
// last, and only for what is no preview.
func TestReleaseIsPublishedInOrder(t *testing.T) {
	t.Parallel()
	const bucket = "aws s3 cp --only-show-errors --recursive DIST s3://releases/VERSION/\n"
	newPublication(t, "v0.1.0").publishes(bucket+creates+shows+moves+makes, "RELEASE_BUCKET=releases")
	newPublication(t, "v0.1.0-rc.1", "published 1 v0.0.9").publishes(
		strings.Replace(creates, " -\n", "", 1)[:len("gh release create VERSION --draft --verify-tag --title VERSION --notes-file -")] +
			" --prerelease DIST/checksums.txt DIST/hackage-mirror-linux-amd64\n" + strings.Replace(shows, "true", "false", 1))
}

// Whatever an earlier publication left, the next one ends right.
func TestReleaseIsPublishedAgain(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]string{"draft": "release edit", "tag": "refs/tags/v0"} {
		p := newPublication(t, "v0.1.0", "draft 7 v0.2.0")
		if code, said, _ := p.publish("FAIL=" + fault); code == 0 {
			t.Errorf("%s: a fault is not told:\n%s", name, said)
		}
		if code, said, _ := p.publish(); code != 0 {
			t.Errorf("%s: exit code %d:\n%s", name, code, said)
		}
		releases := read(t, filepath.Join(p.bin, "releases"))
		if strings.Count(releases, "v0.1.0") != 1 || !strings.Contains(releases, "published") || !strings.Contains(releases, "draft 7 v0.2.0") {
			t.Errorf("%s: the releases are\n%s", name, releases)
		}
		read(t, filepath.Join(p.bin, "v0")) // the tag is there
		p.publishes(moves)                  // a third time, nothing else changes
	}
	p := newPublication(t, "v0.1.0", "published 7 v0.1.0")
	write(t, filepath.Join(p.bin, "checksums-v0.1.0"), "other\n", 0o644)
	code, said, calls := p.publish()
	if code != 1 || calls != "" {
		t.Errorf("another release of that version: exit code %d, %q", code, calls)
	}
	says(t, said, "something else")
}

// A release that is to be listed in the Marketplace is published by a person, and
// the next run does the rest.
func TestReleaseIsPublishedByHand(t *testing.T) {
	t.Parallel()
	p := newPublication(t, "v0.1.0")
	p.publishes(creates, "RELEASE_BY_HAND=yes")
	draft := filepath.Join(p.bin, "releases")
	write(t, draft, strings.Replace(read(t, draft), "draft ", "published ", 1), 0o644)
	p.publishes(moves+makes, "RELEASE_BY_HAND=yes")
}

// A correction of an older version takes the tag from nobody.
func TestOlderReleaseMovesNoTag(t *testing.T) {
	t.Parallel()
	older := strings.Replace(shows, "true", "false", 1)
	newPublication(t, "v0.9.1", "published 1 v0.10.0").publishes(creates + older)
	newPublication(t, "v0.9.1", "published 1 v0.9.0", "published 2 v1.0.0", "published 3 v0.10.0-rc.1").publishes(creates + older + moves + makes)
}

// On a GitHub Enterprise nothing is asked of github.com.
func TestReleaseIsPublishedOnItsServer(t *testing.T) {
	t.Parallel()
	p := newPublication(t, "v0.1.0")
	p.publishes(creates + shows + moves + makes)
	if hosts := read(t, filepath.Join(p.bin, "hosts")); hosts != "github.com none\n" {
		t.Errorf("asked %q", hosts)
	}
	p = newPublication(t, "v0.1.0")
	write(t, filepath.Join(p.dir, "VERSION"), "v0.1.0\ngo1.26.0\nhttps://ghe.example.org/me/it/releases/download\n", 0o644)
	p.publishes(creates+shows+moves+makes, "GITHUB_SERVER_URL=https://ghe.example.org", "GH_TOKEN=t0ken")
	if hosts := read(t, filepath.Join(p.bin, "hosts")); hosts != "ghe.example.org t0ken\n" {
		t.Errorf("asked %q", hosts)
	}
}

func TestReleaseIsNotPublished(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(p *publication)
		want  string
	}{
		"another file":     {func(p *publication) { write(p, filepath.Join(p.dir, "dist", "hackage-mirror-linux-amd64"), "x", 0o755) }, "run: script/release check"},
		"a file more":      {func(p *publication) { write(p, filepath.Join(p.dir, "dist", "hackage-mirror-x"), "x", 0o755) }, "run: script/release check"},
		"a file less":      {func(p *publication) { remove(p, filepath.Join(p.dir, "dist", "hackage-mirror-linux-amd64")) }, "run: script/release check"},
		"another checksum": {func(p *publication) { write(p, filepath.Join(p.dir, "dist", "checksums.txt"), "x\n", 0o644) }, "run: script/release check"},
		"another repository": {func(p *publication) {
			write(p, filepath.Join(p.dir, "VERSION"), "v0.1.0\ngo1.26.0\nhttps://github.com/you/it/releases/download\n", 0o644)
		}, "prepare it in a clone of me/it"},
	} {
		p := newPublication(t, "v0.1.0")
		test.spoil(p)
		code, said, calls := p.publish()
		if code != 1 || calls != "" {
			t.Errorf("%s: exit code %d, %q", name, code, calls)
		}
		says(t, said, test.want)
	}
}
