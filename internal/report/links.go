package report

import (
	"crypto/sha256"
	"encoding/hex"
	"html"
	"net/url"
	"regexp"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// Links are what is needed to make links of.
type Links struct {
	// Server is the address of the GitHub that the run is on; empty for
	// github.com.
	Server string
	// Run is the page of the run, with its log; empty if there is none.
	Run string
}

// runID is the number of a run of a workflow.
var runID = regexp.MustCompile(`^[0-9]+$`)

// linksOf returns the links of a run on GitHub.
func linksOf(getenv func(string) string) Links {
	l := Links{Server: getenv("GITHUB_SERVER_URL")}
	u, err := url.Parse(l.Server)
	repository, named := addresses.Slug(getenv("GITHUB_REPOSITORY"))
	id := getenv("GITHUB_RUN_ID")
	if err == nil && u.Scheme == "https" && u.Host != "" && named && runID.MatchString(id) {
		l.Run = u.JoinPath(repository, "actions", "runs", id).String()
	}
	return l
}

// RunPage returns the page of a run on GitHub, with its log; "" elsewhere.
func RunPage(getenv func(string) string) string { return linksOf(getenv).Run }

// gitHub is a host that is known to be one.
const gitHub = "github.com"

// repository returns the page of a repository on GitHub, "" for one that is
// elsewhere. Remote is as git takes it: a URL, host:path, or a folder.
func (l Links) repository(remote string) string {
	g, ok := addresses.ParseGit(remote)
	host, _ := addresses.Forge(g.Host)
	slug, named := addresses.Slug(strings.Trim(g.Path, "/"))
	if !ok || !named || g.Scheme == "http" || host != gitHub && host != l.host() {
		return ""
	}
	return "https://" + host + "/" + slug
}

// host is that of the server.
func (l Links) host() string {
	u, err := url.Parse(l.Server)
	if err != nil || u.Scheme != "https" || u.Port() != "" {
		return gitHub
	}
	return strings.ToLower(u.Host)
}

// commit links to a commit that was pushed.
func (l Links) commit(d Destination) string {
	short := code(d.Commit[:min(8, len(d.Commit))])
	page := l.repository(d.Name)
	if page == "" || d.Commit == "" {
		return short
	}
	return link(page+"/commit/"+url.PathEscape(d.Commit), short)
}

// release links to a release's page upstream.
func (l Links) release(upstream string, r index.Release) string {
	u, err := url.Parse(upstream)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return code(r.String())
	}
	return link(u.JoinPath("package", url.PathEscape(r.String())).String(), code(r.String()))
}

// diff links to what a run changed of a release's .cabal file: where it is in the
// one commit of the run, or the file's history if there are several. It is empty
// if the repository is not on GitHub.
func (l Links) diff(d Destination, r Release) string {
	page := l.repository(d.Name)
	if page == "" || d.Commit == "" {
		return ""
	}
	if d.Commits == 1 {
		anchor := sha256.Sum256([]byte(r.CabalPath()))
		return link(page+"/commit/"+url.PathEscape(d.Commit)+"#diff-"+hex.EncodeToString(anchor[:]), "diff")
	}
	var path []string
	for part := range strings.SplitSeq(r.CabalPath(), "/") {
		path = append(path, url.PathEscape(part))
	}
	return link(page+"/commits/"+url.PathEscape(d.Commit)+"/"+strings.Join(path, "/"), "history")
}

// diffRepository returns the repository whose commits show .cabal files: the
// files repository if there is one on GitHub, else the hashes repository.
func (l Links) diffRepository(r *Run) (found Destination) {
	for _, d := range r.Destinations {
		if d.Commit == "" || l.repository(d.Name) == "" {
			continue
		}
		if d.Kind == "files-repository" {
			return d
		}
		found = d
	}
	return found
}

// link is safe in a cell of a table, where a bar would end it.
func link(address, inner string) string {
	address = strings.ReplaceAll(html.EscapeString(address), "|", "%7C")
	return `<a href="` + address + `">` + inner + "</a>"
}
