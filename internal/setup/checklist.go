package setup

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

// docs is where the program is described.
const docs = actionAddress + "/blob/main/docs/"

// A step is one of the things that are left for a person.
type step struct {
	what     string
	commands []string
	also     string // another way, or what to know
}

// checklist is what a run prints: what it found and made, and what is left to do.
func (s *Setup) checklist(st *state) string {
	var b strings.Builder
	s.listFiles(&b, st)
	if st.pin != "" {
		b.WriteString("Note: " + st.pin + ".\n")
	}
	b.WriteString("\nLeft to do. Skip what you have done already:\n")
	for i, step := range s.steps(st) {
		fmt.Fprintf(&b, "\n%2d. %s\n", i+1, step.what)
		for _, command := range step.commands {
			b.WriteString("      " + command + "\n")
		}
		if step.also != "" {
			b.WriteString("    " + step.also + "\n")
		}
	}
	return b.String()
}

// listFiles says of each file what it is for and whether it was made.
func (s *Setup) listFiles(b *strings.Builder, st *state) {
	var files []file
	for _, k := range st.keys {
		files = append(files, file{path: k.path, does: k.purpose(), outcome: s.outcome(k)})
	}
	files = append(files, st.files...)
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
		return "no longer here, and no new one was made. If it is lost, remove " + plain.ShellWord(k.public) + " and the secret " + k.secret + ", and run this again"
	}
	words := kept
	switch {
	case k.removed:
		words = "now a secret of " + s.Repository + ", and no longer a file"
	case k.made:
		words = "made"
	}
	if k.loose {
		words += ". Others can read it: chmod 600 " + plain.ShellWord(k.path)
	}
	return words
}

// purpose says what a key is for.
func (k *key) purpose() string {
	switch {
	case !k.remote.IsZero():
		return "opens " + k.remote.String()
	case k.signer == nil:
		return "signs commits and tags"
	}
	until := "never expires"
	if end, ok := k.signer.Expires(); ok {
		until = "expires on " + end.Format("2006-01-02")
	}
	return fmt.Sprintf("signs as %s, key %s, %s", gitpack.SignerIdentity(k.signer), k.signer.Fingerprint(), until)
}

// steps are what is left, in the order in which it is done.
func (s *Setup) steps(st *state) []step {
	var all []step
	for _, some := range []func(*state) []step{
		s.pushSteps, s.repositorySteps, s.deployKeySteps, s.secretSteps, s.credentialSteps, s.variableSteps, s.badgeSteps, s.runnerSteps, s.startSteps, s.paceSteps, s.formerSteps, s.safeSteps,
	} {
		all = append(all, some(st)...)
	}
	return all
}

// pushSteps bring the workflow to GitHub, from a folder in whatever state. Its
// schedule waits for the variables, which are set later.
func (s *Setup) pushSteps(st *state) []step {
	var commands []string
	if !s.Here.Git {
		commands = append(commands, "git init -b main")
	}
	address := "https://github.com/" + s.Repository + ".git"
	add := "git add"
	for _, f := range st.files {
		add += " " + plain.ShellWord(f.path)
	}
	commands = append(commands, add, "git commit -m 'Mirror Hackage'")
	push := "git push -u origin HEAD"
	origin, err := ParseRemote(s.Here.Origin)
	switch {
	case s.Here.Origin == "" && s.exists(st, s.Repository):
		commands = append(commands, "git remote add origin "+address, push)
	case s.Here.Origin == "":
		return []step{{
			"Commit the workflow and make the repository out of this folder:",
			append(commands, "gh repo create "+s.Repository+" --public --source . --push"),
			"If " + s.Repository + " exists already, instead of the last one: git remote add origin " + address + " && " + push,
		}}
	case err == nil && origin.Slug == s.Repository:
		commands = append(commands, push)
	default:
		commands = append(commands, "git push "+address+" HEAD")
	}
	return []step{{"Commit the workflow and push it:", commands, ""}}
}

// exists reports whether gh saw a repository.
func (s *Setup) exists(st *state, slug string) bool { return st.missing != nil && !st.missing[slug] }

func (s *Setup) repositorySteps(st *state) []step {
	var commands []string
	for _, slug := range s.repositories() {
		unknown := st.missing == nil && slug != s.Repository // that one is likely here
		if slug == s.Repository && s.Here.Origin == "" {
			continue // made from this folder
		}
		if unknown || st.missing[slug] {
			commands = append(commands, "gh repo create "+slug+" --public")
		}
	}
	if len(commands) == 0 {
		return nil
	}
	return []step{{"Create the repositories that do not exist yet, empty (or at https://github.com/new):", commands, ""}}
}

func (s *Setup) deployKeySteps(st *state) []step {
	var commands, pages []string
	var all []step
	for _, k := range st.keys {
		switch slug := k.remote.Slug; {
		case k.remote.IsZero() || k.allowed || k.line == "":
		case slug == "":
			all = append(all, step{"Give the key in " + k.public + " write access to " + k.remote.String() + ", in the settings at " + k.remote.Host + ".", nil, ""})
		default:
			commands = append(commands, fmt.Sprintf("gh repo deploy-key add %s --repo %s --allow-write --title %s", plain.ShellWord(k.public), slug, plain.ShellWord(s.title())))
			pages = append(pages, "https://github.com/"+slug+"/settings/keys/new")
		}
	}
	if len(commands) > 0 {
		all = append(all, step{"Give each deploy key write access to its repository:", commands, "Or at " + strings.Join(pages, " and ") + ", with \"Allow write access\"."})
	}
	return all
}

func (s *Setup) secretSteps(st *state) []step {
	var commands []string
	set := func(name, file string) {
		if !st.has(name) {
			commands = append(commands, "gh secret set "+name+" --repo "+s.Repository+file)
		}
	}
	for _, k := range st.keys {
		if k.private != nil {
			set(k.secret, " < "+plain.ShellWord(k.path))
		}
	}
	if len(st.keys) > 0 && st.keys[0].locked {
		set(passphraseSecret, "   # asks for the passphrase")
	}
	if len(commands) == 0 {
		return nil
	}
	return []step{{"Give the private keys to the workflow, as secrets:", commands, "Or at https://github.com/" + s.Repository + "/settings/secrets/actions."}}
}

// credentialSteps are for what this program cannot make.
func (s *Setup) credentialSteps(st *state) []step {
	var all []step
	add := func(names []string, what, also string, commands ...string) {
		for _, name := range names {
			if !st.has(name) {
				all = append(all, step{what, commands, also})
				return
			}
		}
	}
	repo := " --repo " + s.Repository
	if s.uses(App) {
		add([]string{"APP_CLIENT_ID", "APP_PRIVATE_KEY"},
			"Make a GitHub App with \"Contents: Read and write\", install it on the repositories, and give its client id and a private key to the workflow:",
			"At https://github.com/settings/apps/new, without a webhook.",
			"gh variable set APP_CLIENT_ID"+repo, "gh secret set APP_PRIVATE_KEY"+repo+" < DOWNLOADED.pem")
	}
	if s.uses(Token) {
		add([]string{"TOKEN"}, "Make a token that may write to the repositories (\"Contents: Read and write\"), and give it to the workflow:",
			"At https://github.com/settings/personal-access-tokens/new for GitHub.", "gh secret set TOKEN"+repo)
	}
	if hosts, scans := s.hostKeys(); len(hosts) > 0 {
		add([]string{"SSH_KNOWN_HOSTS"}, "Compare the host keys of "+strings.Join(hosts, " and ")+" with those published there, then give them to the workflow:", "",
			append(scans, "gh variable set SSH_KNOWN_HOSTS"+repo+" < known_hosts")...)
	}
	switch {
	case s.Role != "":
		all = append(all, s.trustStep())
	case len(s.Buckets) > 0:
		add([]string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, "Give the workflow an access key to the bucket. Each command asks for its value:",
			"What the key must be allowed to do, and how to use a role of AWS instead (--role-to-assume): "+docs+"s3.md",
			"gh secret set AWS_ACCESS_KEY_ID"+repo, "gh secret set AWS_SECRET_ACCESS_KEY"+repo)
	}
	return all
}

// hostKeys returns the hosts whose keys the workflow has to be told, and the
// commands that write them into one file.
func (s *Setup) hostKeys() (hosts, scans []string) {
	into := " > known_hosts"
	for _, d := range s.destinations() {
		if s.authFor(d.remote) != DeployKeys || d.remote.Slug != "" || slices.Contains(hosts, d.remote.Host) {
			continue
		}
		host, port, err := net.SplitHostPort(d.remote.Host)
		if err != nil { // there is no port
			host, port = strings.Trim(d.remote.Host, "[]"), ""
		}
		if port != "" {
			port = "-p " + port + " "
		}
		hosts, scans = append(hosts, d.remote.Host), append(scans, "ssh-keyscan "+port+plain.ShellWord(host)+into)
		into = " >> known_hosts"
	}
	return hosts, scans
}

// trustStep names the two forms that GitHub's subject may have. A policy with
// both would also trust whoever gets the name after it was given up.
func (s *Setup) trustStep() step {
	return step{
		"Let the role trust this workflow and write to the bucket, by the policies in " + docs + "s3.md. This prints the subject to trust:",
		[]string{
			"gh api repos/" + s.Repository + ` --jq '"repo:\(.owner.login)@\(.owner.id)/\(.name)@\(.id):ref:refs/heads/\(.default_branch)"'`,
		},
		"A repository last made, renamed or transferred before 15 July 2026, and not switched over, has the older form instead: repo:" + s.Repository + ":ref:refs/heads/" + s.branch(),
	}
}

// variableSteps set what is not set yet, or has another value.
func (s *Setup) variableSteps(st *state) []step {
	var commands []string
	also := "Or at https://github.com/" + s.Repository + "/settings/variables/actions."
	for _, v := range s.variables() {
		value, set := st.settings[v.name]
		if set && value == v.value {
			continue
		}
		if set {
			also = "Variables that are set already keep their value until you run their command."
		}
		commands = append(commands, "gh variable set "+v.name+" --repo "+s.Repository+" --body "+plain.ShellWord(v.value))
	}
	if _, bucket := s.bucketRegion(); bucket != "" && !st.has("S3_REGION") {
		also += "\n    Say in which region " + bucket + " is: gh variable set S3_REGION --repo " + s.Repository + " --body REGION"
	}
	if len(commands) == 0 {
		return nil
	}
	if len(s.Buckets) > 0 && s.PublicURL == "" && !s.Hashes.IsZero() {
		also += "\n    If readers can download from the bucket, also give its address: gh variable set PUBLIC_URL --repo " + s.Repository + " --body https://HOST"
	}
	return []step{{"Tell the workflow what to fill, by variables:", commands, also}}
}

func (s *Setup) badgeSteps(st *state) []step {
	if len(st.keys) == 0 || st.keys[0].signer == nil {
		return nil
	}
	k := st.keys[0]
	return []step{{
		"If you want GitHub to show the commits as Verified, add the public key to the account that " + gitpack.SignerIdentity(k.signer).Email + " belongs to:",
		[]string{"gh gpg-key add " + plain.ShellWord(k.public)},
		"Or at https://github.com/settings/gpg/new. If gh refuses, first run: gh auth refresh -s write:gpg_key",
	}}
}

func (s *Setup) startSteps(st *state) []step {
	start := "gh workflow run mirror.yml --repo " + s.Repository
	after := "After that it starts by itself each hour, and opens an issue when runs fail."
	switch s.Pace {
	case Chain:
		after = "It opens an issue when runs fail."
	case Cron:
		after += "\n    GitHub's schedule is hours late at times. How to be on time: " + docs + "pace.md"
	}
	return []step{{
		"Try it without writing anything, look at the run's summary, then start the first run:",
		[]string{start + " -f dry-run=true", start},
		s.firstFill() + "\n    " + after + "\n    To hear also when it no longer starts, which takes two minutes: " + docs + "monitor.md",
	}}
}

// firstFill says how long the first run takes, roughly.
func (s *Setup) firstFill() string {
	if s.Hashes.IsZero() && len(s.Buckets) == 0 {
		return "The first fill of the files repository takes some minutes."
	}
	return "The first fill downloads about 150,000 tarballs, 9 GB: one to three hours. A run that reaches its time limit stops, and the next one picks up where it left off."
}

func (s *Setup) safeSteps(st *state) []step {
	if len(st.keys) == 0 || st.keys[0].private == nil {
		return nil
	}
	with := ""
	if st.keys[0].locked {
		with = " and its passphrase"
	}
	return []step{{"Keep a copy of " + st.keys[0].path + with + " in a safe place. Readers recognize the mirror by this key, and GitHub does not give a secret back.", nil, ""}}
}
