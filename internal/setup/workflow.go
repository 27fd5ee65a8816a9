package setup

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	workflows "github.com/hackage-mirror/hackage-mirror/.github/workflows"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3"
)

// actionAddress is where the Action's releases are tags.
const actionAddress = "https://github.com/hackage-mirror/hackage-mirror"

// lookupTime is how long the release is looked for.
const lookupTime = 20 * time.Second

// dependabot has GitHub propose newer releases of the actions.
//
//go:embed dependabot.yml
var dependabot string

var (
	ownUses     = regexp.MustCompile(`(?m)(uses: hackage-mirror/hackage-mirror\S*)@v1$`)
	cronMinute  = regexp.MustCompile(`(?m)^(    - cron: ")([0-9]+)( \* \* \* \*")`)
	anyCron     = regexp.MustCompile(`(?m)^ *- cron:`)
	anyUses     = regexp.MustCompile(`(?m)(uses: [\w./-]+)@.*$`)
	releaseLine = regexp.MustCompile(`(?m)^([0-9a-f]{40})\trefs/tags/(v1\.\d+\.\d+)(\^\{\})?$`)
)

// Workflow returns mirror.yml with a minute of the repository's own, the rights
// that the plan needs, and this pin behind the @ of our own actions. All else is
// in the settings of the repository, see variables.
func (p Plan) Workflow(pin string) []byte {
	text := p.atMinute(workflows.Mirror)
	switch p.Pace {
	case Chain: // a file with a schedule is disabled by itself, on all its events
		text = schedule.ReplaceAllString(text, "")
	case Watch: // on GitHub's own runners that is not welcome
		text = strings.Replace(text, "runs-on: ubuntu-latest", "runs-on: self-hosted", 1)
	}
	text = ownUses.ReplaceAllString(text, "${1}@"+pin)
	allow := func(right string) { text = strings.Replace(text, "      # "+right+"\n", "      "+right+"\n", 1) }
	if p.uses(GitHubToken) {
		allow("contents: write")
		text = strings.Replace(text, "${{ steps.app.outputs.token || secrets.TOKEN }}", "${{ github.token }}", 1)
	}
	if p.NoticeStep {
		allow("issues: write")
		allow("actions: read")
	}
	return []byte(text)
}

// releasePin asks the Action's repository for the commit of its newest release.
// Without an answer or a release the pin is the moving tag v1, and why says so.
func (s *Setup) releasePin(ctx context.Context) (pin, why string) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	out, err := s.Run(ctx, nil, "git", "-c", "credential.helper=", "ls-remote", "--tags", "--sort=version:refname", actionAddress, "v1.*")
	if err != nil {
		return "v1", "the release could not be looked up, so the workflow names the tag v1 and not a commit"
	}
	pin = "v1"
	for _, m := range releaseLine.FindAllStringSubmatch(string(out), -1) {
		pin = m[1] + " # " + m[2] // a tag's line comes before the one of its commit
	}
	if pin == "v1" {
		why = "there is no release yet, so the workflow names the tag v1, which the first release makes"
	}
	return pin, why
}

// What became of a file.
const (
	written   = "written"
	unchanged = "up to date"
	replaced  = "replaced"
	different = "differs from the one of this version, so it was left as it is. --force-workflow replaces it; git diff then shows what changed"
	kept      = "kept"
)

// writeWorkflows writes those that are not there.
func (s *Setup) writeWorkflows(ctx context.Context, st *state) error {
	if err := removeUnfinished(filepath.Dir(s.File)); err != nil {
		return err
	}
	pin := ""
	for _, w := range s.workflows() {
		there, err := readFile(w.path)
		if err != nil {
			return err
		}
		name := linkNew
		switch {
		case there == nil:
			w.outcome = written
		case bytes.Equal(common(there), common(w.text("v1"))):
			w.outcome, name = unchanged, nil
		case !s.ForceWorkflow:
			w.outcome, name = different, nil
		default:
			w.outcome, name = replaced, os.Rename
		}
		if name != nil {
			if pin == "" {
				pin, st.pin = s.releasePin(ctx)
			}
			there = w.text(pin)
			if err := write(w.path, there, 0o644, name); err != nil {
				return err
			}
		}
		w.describe(there)
		st.files = append(st.files, w)
	}
	return nil
}

// writeDependabot has the pins brought up to date, if nothing does so yet.
func (s *Setup) writeDependabot(st *state) error {
	workflowsFolder := filepath.Dir(s.File)
	github := filepath.Dir(workflowsFolder)
	if filepath.Base(workflowsFolder) != "workflows" || filepath.Base(github) != ".github" {
		return nil
	}
	if err := removeUnfinished(github); err != nil {
		return err
	}
	if there, err := readFile(filepath.Join(github, "dependabot.yaml")); err != nil || there != nil {
		return err
	}
	d := file{path: filepath.Join(github, "dependabot.yml"), does: "proposes newer releases of the actions", outcome: kept}
	there, err := readFile(d.path)
	if err == nil && there == nil {
		d.outcome = written
		err = create(d.path, []byte(dependabot), 0o644)
	}
	st.files = append(st.files, d)
	return err
}

// common is a workflow without the releases of actions, which others bring up to
// date, and without the minute, which anybody may choose.
func common(workflow []byte) []byte {
	return cronMinute.ReplaceAll(anyUses.ReplaceAll(workflow, []byte("$1")), []byte("$1$3"))
}

// A variable is a setting of the workflow's repository.
type variable struct{ Name, Value string }

// variables are what the workflow reads of the plan.
func (p Plan) variables() []variable {
	var all []variable
	set := func(name, value string) {
		if value != "" {
			all = append(all, variable{name, value})
		}
	}
	set("BUCKET", strings.Join(p.Buckets, ","))
	set("S3_REGION", p.region())
	set("PUBLIC_URL", p.PublicURL)
	set("AWS_ROLE", p.Role)
	if p.uses(App) {
		owner, names := p.appRepositories()
		set("APP_OWNER", owner)
		set("APP_REPOSITORIES", names)
	}
	if p.NoticeStep {
		set("NOTICE", NoticeStep)
	}
	if p.Pace == Watch {
		set(watchVariable, watchFor)
	}
	// Last, because the schedule waits for them.
	set("FILES_REPOSITORY", p.address(p.Files))
	set("HASHES_REPOSITORY", p.address(p.Hashes))
	return all
}

// region is the one to name beside the buckets: the one that was given, or for a
// role that of a bucket.
func (p Plan) region() string {
	region, without := p.bucketRegion()
	if p.Region != "" || p.Role == "" || without != "" {
		return p.Region
	}
	return region
}

// bucketRegion returns the region that a bucket of AWS names, and a bucket of AWS
// whose region nobody named; each is "" if there is none.
func (p Plan) bucketRegion() (region, without string) {
	for _, text := range p.Buckets {
		named, onAWS := s3.AWSRegion(text)
		switch {
		case !onAWS:
		case named != "":
			region = named
		case p.Region == "":
			without = cmp.Or(without, text)
		}
	}
	return region, without
}

// appRepositories returns whose repositories an App's token is for, and which.
func (p Plan) appRepositories() (owner, names string) {
	var all []string
	for _, d := range p.destinations() {
		if p.authFor(d.remote) == App {
			o, name, _ := strings.Cut(d.remote.Slug, "/")
			owner, all = o, append(all, name)
		}
	}
	return owner, strings.Join(all, ",")
}

// minuteOf spreads the mirrors of the world over the hour, past the minutes at
// which most crons start.
func minuteOf(repository string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(strings.ToLower(repository))) // never fails
	minute := int(h.Sum32() % 48)
	return minute + minute/4 + 1 // 1 to 59 without 5, 10, … 55
}
