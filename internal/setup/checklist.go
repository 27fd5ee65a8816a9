package setup

import (
	_ "embed"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

// docs is where the program is described.
const docs = actionAddress + "/blob/main/docs/"

// A checklist is what a run prints: what it found and made, and what is left to do.
type checklist struct {
	*Setup
	*state
}

//go:embed checklist.tmpl
var steps string

// String returns the list. The steps are numbered as they come out of the template.
func (l *checklist) String() string {
	var text, b strings.Builder
	if err := template.Must(template.New("").Funcs(l.facts()).Parse(steps)).Execute(&text, l.Setup); err != nil {
		panic("setup: the list of steps: " + err.Error())
	}
	l.listFiles(&b)
	if l.pin != "" {
		b.WriteString("Note: " + l.pin + ".\n")
	}
	b.WriteString("\nLeft to do. Skip what you have done already:\n")
	number := 0
	for line := range strings.Lines(text.String()) {
		switch what, first := strings.CutPrefix(line, "* "); {
		case first:
			number++
			fmt.Fprintf(&b, "\n%2d. %s", number, what)
		case strings.HasPrefix(line, " "):
			b.WriteString(line)
		}
	}
	return b.String()
}

// facts are what the template asks for beyond the plan.
func (l *checklist) facts() template.FuncMap {
	return template.FuncMap{
		"word": plain.ShellWord, "docs": func() string { return docs }, "title": l.title, "branch": l.branch,
		"uses": l.uses, "lacks": l.lacks, "exists": l.exists, "hosts": l.hosts, "scanned": scanned,
		"workflowName": func() string { return filepath.Base(l.File) },
		"files": func() (paths []string) {
			for _, f := range l.files {
				paths = append(paths, f.path)
			}
			return paths
		},
		"originRuns": func() bool {
			origin, err := ParseRemote(l.Here.Origin)
			return err == nil && origin.Slug == l.Repository
		},
		"signing": func() *key {
			if len(l.keys) == 0 {
				return nil
			}
			return l.keys[0]
		},
		"toCreate": l.toCreate,
		"toAllow": func(github bool) []*key {
			return l.keysThat(func(k *key) bool {
				return !k.Remote.IsZero() && !k.allowed && k.line != "" && (k.Remote.Slug != "") == github
			})
		},
		"toGive": func() []*key { return l.keysThat(func(k *key) bool { return k.Private != nil && !l.has(k.Secret) }) },
		"toSet": func() []variable {
			return slices.DeleteFunc(l.variables(), func(v variable) bool { return l.has(v.Name) && l.settings[v.Name] == v.Value })
		},
		"regionless": func() string { _, bucket := l.bucketRegion(); return bucket },
		"stays": func() bool {
			return l.Pace != Watch && (l.settings[watchVariable] == watchFor || l.Former == Watch && !l.GH)
		},
		"endedChain": func() (paths []string) {
			if l.Pace != Chain {
				paths, _ = l.chainFiles() // checkFile has reported what cannot be read
			}
			return paths
		},
	}
}

func (l *checklist) keysThat(wanted func(*key) bool) (keys []*key) {
	for _, k := range l.keys {
		if wanted(k) {
			keys = append(keys, k)
		}
	}
	return keys
}

// lacks reports whether GitHub has not all of these secrets and variables.
func (l *checklist) lacks(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return !l.has(name) })
}

// listFiles says of each file what it is for and whether it was made.
func (l *checklist) listFiles(b *strings.Builder) {
	var files []file
	for _, k := range l.keys {
		files = append(files, file{path: k.Path, does: k.purpose(), outcome: l.outcome(k)})
	}
	files = append(files, l.files...)
	width := 0
	for _, f := range files {
		width = max(width, len(f.path))
	}
	for _, f := range files {
		fmt.Fprintf(b, "%-*s  %s; %s\n", width, f.path, f.does, f.outcome)
	}
}

// outcome says what became of a key.
func (s *Setup) outcome(k *key) string {
	if k.elsewhere {
		return "no longer here, and no new one was made. If it is lost, remove " + plain.ShellWord(k.Public) + " and the secret " + k.Secret + ", and run this again"
	}
	words := kept
	switch {
	case k.removed:
		words = "now a secret of " + s.Repository + ", and no longer a file"
	case k.made:
		words = "made"
	}
	if k.loose {
		words += ". Others can read it: chmod 600 " + plain.ShellWord(k.Path)
	}
	return words
}

// purpose says what a key is for.
func (k *key) purpose() string {
	switch {
	case !k.Remote.IsZero():
		return "opens " + k.Remote.String()
	case k.signer == nil:
		return "signs commits and tags"
	}
	until := "never expires"
	if end, ok := k.signer.Expires(); ok {
		until = "expires on " + end.Format("2006-01-02")
	}
	return fmt.Sprintf("signs as %s, key %s, %s", gitpack.SignerIdentity(k.signer), k.signer.Fingerprint(), until)
}

// Email is that of whom a signing key that is here belongs to.
func (k *key) Email() string {
	if k.signer == nil {
		return ""
	}
	return gitpack.SignerIdentity(k.signer).Email
}

// exists reports whether gh saw a repository.
func (l *checklist) exists(slug string) bool { return l.missing != nil && !l.missing[slug] }

// toCreate are the repositories that do not exist, or nobody looked for. That of the
// workflow is likely here, or made from this folder.
func (l *checklist) toCreate() []string {
	return slices.DeleteFunc(l.repositories(), func(slug string) bool {
		if slug == l.Repository {
			return l.Here.Origin == "" || !l.missing[slug]
		}
		return l.exists(slug)
	})
}

// hosts are those whose keys the workflow has to be told.
func (l *checklist) hosts() (hosts []string) {
	for _, d := range l.destinations() {
		if l.authFor(d.remote) == DeployKeys && d.remote.Slug == "" && !slices.Contains(hosts, d.remote.Host) {
			hosts = append(hosts, d.remote.Host)
		}
	}
	return hosts
}

// scanned names a host, which may have a port, for ssh-keyscan.
func scanned(host string) string {
	name, port, err := net.SplitHostPort(host)
	switch {
	case err != nil: // there is no port
		return plain.ShellWord(strings.Trim(host, "[]"))
	case port == "":
		return plain.ShellWord(name)
	}
	return "-p " + port + " " + plain.ShellWord(name)
}
