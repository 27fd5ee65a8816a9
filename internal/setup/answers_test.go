package setup

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseRemote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Remote{
		"me/x":                               {Slug: "me/x", Host: "github.com"},
		"me/x.git":                           {Slug: "me/x", Host: "github.com"},
		"https://github.com/me/x":            {Slug: "me/x", Host: "github.com"},
		"https://github.com/me/x.git/":       {Slug: "me/x", Host: "github.com"},
		"git@github.com:me/x.git":            {Slug: "me/x", Host: "github.com"},
		"ssh://git@github.com/me/x.git":      {Slug: "me/x", Host: "github.com"},
		"https://git.example.org/a/b/c":      {Host: "git.example.org", Address: "https://git.example.org/a/b/c"},
		"git@git.example.org:a/b.git":        {Host: "git.example.org", Address: "git@git.example.org:a/b.git"},
		"ssh://git@git.example.org:2222/a/b": {Host: "git.example.org:2222", Address: "ssh://git@git.example.org:2222/a/b"},
	} {
		if got, err := ParseRemote(text); err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "me", "me/", "/me/x", "./x", "me/x/y", "me/..", "-me/x", "me/x y", "file:///x", "http://h/me/x", "git://h/x",
		"https://me:hunter2@h/x", "https://token@h/x", "https://h", "https://h/x?y", "https://me:hunter2@h/%zz", "-o@h:x", "a b@h.i:c", "git@h.i:a b",
	} {
		got, err := ParseRemote(text)
		if err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q repeats the password", err)
		}
	}
}

// People copy the address of the page that they see, or the line that clones it.
func TestParseRemotePasted(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"https://github.com/me/x/tree/main", "https://github.com/me/x/settings/secrets/actions", "github.com/me/x", "GitHub.com/me/x/",
		"https://www.github.com/me/x", "http://github.com/me/x", "https://github.com/me/x#readme", "https://github.com/me/x?tab=readme-ov-file#x",
		"https://github.com/me/x/actions?query=branch%3Amain", "git clone https://github.com/me/x.git", "git clone git@github.com:me/x.git",
		"gh repo clone me/x", "git remote add origin git@github.com:me/x.git", "ssh://git@ssh.github.com:443/me/x.git", "https://github.com:443/me/x",
		"git://github.com/me/x.git", "git clone  https://github.com/me/x",
	} {
		if got, err := parseRepository(text); err != nil || got != "me/x" {
			t.Errorf("repository %q is %q, %v", text, got, err)
		}
		a := usual()
		a.Files = text
		if plan, err := a.Plan(noon()); err != nil || plan.Files.Slug != "me/x" {
			t.Errorf("files-repository %q is %+v, %v", text, plan.Files, err)
		}
	}
	for text, says := range map[string]string{
		"https://github.com/me":                    "not of a repository; write OWNER/REPO",
		"https://github.com/":                      "not of a repository; write OWNER/REPO",
		"https://github.com/orgs/me/repositories":  "not of a repository; write OWNER/REPO",
		"https://github.com/settings/tokens":       "not of a repository; write OWNER/REPO",
		"git@github.com:me":                        "not of a repository; write OWNER/REPO",
		"https://me:hunter2@github.com/me/x":       "leave that out",
		"https://hunter2@github.com/me/x/tree/x":   "leave that out",
		"http://hunter2@github.com/me/x":           "leave that out",
		"https://gitlab.com/me/x":                  "a repository at gitlab.com cannot run the workflow",
		"https://gitlab.com/me/x?ref=a":            "ends before the ? or #",
		"git clone --depth 1 https://example.org/": "write OWNER/REPO",
	} {
		if _, err := parseRepository(text); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v; want %q", text, err, says)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*Answers)
		says   string
	}{
		{"no repository", func(a *Answers) { a.Repository = "" }, "repository: \"\" is not a repository"},
		{"nothing to fill", func(a *Answers) { a.Files, a.Hashes = None, None }, "nothing to fill"},
		{"twice the same", func(a *Answers) { a.Files = "https://github.com/" + a.Hashes }, "are the same"},
		{"folder as a repository", func(a *Answers) { a.Files = "./files.git" }, "files-repository: a workflow cannot push to the folder \"./files.git\""},
		{"an expression", func(a *Answers) { a.Files = "git@h:${{x}}" }, "contains a blank, a quote"},
		{"a token in scp's form", func(a *Answers) { a.Hashes = "x-access-token:hunter2@github.com:me/r" }, "a password before the @"},
		{"a token before a name", func(a *Answers) { a.Hashes = "hunter2@github.com/me" }, "…@github.com/me"},
		{"one slash", func(a *Answers) { a.Hashes = "https:/github.com/me/r" }, "must be followed by ://"},
		{"quotes", func(a *Answers) { a.Hashes = "git@h:it's" }, "contains a blank, a quote"},
		{"folder as a bucket", func(a *Answers) { a.Buckets = []string{"./bucket"} }, "write s3://NAME"},
		{"two lines of buckets", func(a *Answers) { a.Buckets = []string{"s3://one-bucket\ns3://two"} }, "contains a blank, a quote"},
		{"bucket with a key", func(a *Answers) { a.Buckets = []string{"s3://id:hunter2@name"} }, "must not contain credentials"},
		{"public-url", func(a *Answers) { a.PublicURL = "hackage.example.org" }, "https://HOST/PATH"},
		{"role", func(a *Answers) { a.Role = "mirror" }, "arn:aws:iam::ACCOUNT:role/NAME"},
		{"role without a bucket", func(a *Answers) { a.Role = role }, "leave out role-to-assume"},
		{"region", func(a *Answers) { a.Region = "Frankfurt!" }, "such as eu-central-1"},
		{"access", func(a *Answers) { a.Access = "magic" }, "deploy-keys, github-token, app, token"},
		{"notice", func(a *Answers) { a.Notice = "mail" }, "choose job or step"},
		{"signer", func(a *Answers) { a.Signer = "me" }, "Hackage mirror <mirror@example.org>"},
		{"signer without an address", func(a *Answers) { a.Signer = "me <me>" }, "write a name and an address"},
		{"signer with brackets", func(a *Answers) { a.Signer = "Me (mirror) <me@h>" }, "cannot contain brackets"},
		{"expires", func(a *Answers) { a.Expires = "tomorrow" }, "write never, or 2y"},
		{"expires too late", func(a *Answers) { a.Expires = "200y" }, "write never"},
		{"own token for others", func(a *Answers) { a.Access = string(GitHubToken) }, "opens only its own repository"},
		{"https without a token", func(a *Answers) { a.Files = "https://git.example.org/x" }, "needs a token"},
		{"one token for two hosts", func(a *Answers) { a.Files, a.Access = "https://git.example.org/x", string(Token) }, "would get the same token"},
		{"an App of two owners", func(a *Answers) { a.Files, a.Access = "you/x", string(App) }, "have different owners"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := usual()
			test.change(&a)
			_, err := a.Plan(noon())
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v; want %q", err, test.says)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v repeats a secret", err)
			}
		})
	}
}

// Addresses come out of dashboards and chats.
func TestPlanTakesWhatFormsAdd(t *testing.T) {
	t.Parallel()
	want, err := usual().Plan(noon())
	if err != nil {
		t.Fatal(err)
	}
	a := usual()
	a.Repository, a.Files, a.Hashes = " "+a.Repository+"\n", "\ufeff"+a.Files, "<"+a.Hashes+">"
	if got, err := a.Plan(noon()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestPlanFindsAllAtOnce(t *testing.T) {
	t.Parallel()
	a := usual()
	a.Files, a.Access, a.Signer = "x", "magic", "me"
	_, err := a.Plan(noon())
	for _, part := range []string{"files-repository", "access", "signer"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v; want a word about %s", err, part)
		}
	}
}

// Each repository is opened in the way that its place and the access allow.
func TestAuthFor(t *testing.T) {
	t.Parallel()
	ssh, https := "git@github.com:me/x.git", "https://github.com/me/x.git"
	for _, test := range []struct {
		remote  string
		access  Access
		auth    Access
		address string
	}{
		{"me/x", DeployKeys, DeployKeys, ssh},
		{https, DeployKeys, DeployKeys, ssh},
		{ssh, App, App, https},
		{"me/x", Token, Token, https},
		{"me/x", GitHubToken, DeployKeys, ssh},
		{"me/own", GitHubToken, GitHubToken, "https://github.com/me/own.git"},
		{"git@h:x", App, DeployKeys, "git@h:x"},
		{"https://h/x", Token, Token, "https://h/x"},
	} {
		remote, err := ParseRemote(test.remote)
		if err != nil {
			t.Fatal(err)
		}
		p := Plan{Repository: "me/own", Access: test.access}
		if auth, address := p.authFor(remote), p.address(remote); auth != test.auth || address != test.address {
			t.Errorf("%s by %s: %s, %q; want %s, %q", test.remote, test.access, auth, address, test.auth, test.address)
		}
	}
}

func TestStandard(t *testing.T) {
	t.Parallel()
	for repository, want := range map[string][3]string{
		"me/mirror":           {"me/all-cabal-files", "me/all-cabal-hashes", "deploy-keys"},
		"me/all-cabal-hashes": {None, "me/all-cabal-hashes", "github-token"},
		"me/all-cabal-files":  {"me/all-cabal-files", None, "github-token"},
		"":                    {"", "", "deploy-keys"},
	} {
		if a := Standard(repository); a.Files != want[0] || a.Hashes != want[1] || a.Access != want[2] {
			t.Errorf("%q: %+v", repository, a)
		}
	}
}

// What stands beside a repository is known by its address, too.
func TestStandardOfAnAddress(t *testing.T) {
	t.Parallel()
	if got := Standard("https://github.com/me/mirror/settings"); !reflect.DeepEqual(got, Standard("me/mirror")) {
		t.Errorf("%+v", got)
	}
}

func TestFromGit(t *testing.T) {
	t.Parallel()
	g := newGitHub(t)
	if here, a := FromGit(t.Context(), g.run); here != (Folder{}) || a.Repository != "" || a.Signer != "" {
		t.Errorf("no repository suggests %+v", a)
	}
	g.settings = map[string]string{
		"rev-parse --git-dir": ".git", "remote get-url origin": "https://github.com/me/mirror.git", "branch --show-current": "work", "config user.name": "Me", "config user.email": "me@example.org",
	}
	if here, a := FromGit(t.Context(), g.run); here != (Folder{true, "https://github.com/me/mirror.git", "work"}) || a.Repository != "me/mirror" || a.Signer != "Me <me@example.org>" {
		t.Errorf("a clone suggests %+v", a)
	}
	g.settings["symbolic-ref --short refs/remotes/origin/HEAD"] = "origin/trunk"
	if here, _ := FromGit(t.Context(), g.run); here.Branch != "trunk" {
		t.Errorf("the default branch is %q", here.Branch)
	}
	g.settings["remote get-url origin"] = "https://me:hunter2@github.com/me/mirror.git"
	if here, a := FromGit(t.Context(), g.run); here.Origin != "https://github.com/me/mirror.git" || a.Repository != "me/mirror" {
		t.Errorf("a clone with a token suggests %+v, %+v", here, a)
	}
	g.settings["remote get-url origin"] = "https://git.example.org/me/mirror.git"
	g.settings["config user.name"] = "Me (work)"
	if _, a := FromGit(t.Context(), g.run); a.Repository != "" || a.Signer != "" {
		t.Errorf("what cannot be used suggests %+v", a)
	}
}
