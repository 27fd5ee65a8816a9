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

// A checklist is what a run prints: what it found and made, and what is left to do.
type checklist struct {
	*Setup
	*state
	steps []step
}

// add adds a step.
func (l *checklist) add(what, also string, commands ...string) {
	l.steps = append(l.steps, step{what, commands, also})
}

// String returns the list, with the steps in the order in which they are taken.
func (l *checklist) String() string {
	for _, add := range []func(){
		l.addPush, l.addRepositories, l.addDeployKeys, l.addSecrets, l.addCredentials, l.addVariables, l.addBadge, l.addRunner, l.addStart, l.addPace, l.addFormer, l.addCopy,
	} {
		add()
	}
	var b strings.Builder
	l.listFiles(&b)
	if l.pin != "" {
		b.WriteString("Note: " + l.pin + ".\n")
	}
	b.WriteString("\nLeft to do. Skip what you have done already:\n")
	for i, step := range l.steps {
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
func (l *checklist) listFiles(b *strings.Builder) {
	var files []file
	for _, k := range l.keys {
		files = append(files, file{path: k.path, does: k.purpose(), outcome: l.outcome(k)})
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

// addPush brings the workflow to GitHub, from a folder in whatever state. Its
// schedule waits for the variables, which are set later.
func (l *checklist) addPush() {
	var commands []string
	if !l.Here.Git {
		commands = append(commands, "git init -b main")
	}
	address := "https://github.com/" + l.Repository + ".git"
	add := "git add"
	for _, f := range l.files {
		add += " " + plain.ShellWord(f.path)
	}
	commands = append(commands, add, "git commit -m 'Mirror Hackage'")
	push := "git push -u origin HEAD"
	origin, err := ParseRemote(l.Here.Origin)
	switch {
	case l.Here.Origin == "" && l.exists(l.Repository):
		commands = append(commands, "git remote add origin "+address, push)
	case l.Here.Origin == "":
		l.add("Commit the workflow and make the repository out of this folder:",
			"If "+l.Repository+" exists already, instead of the last one: git remote add origin "+address+" && "+push,
			append(commands, "gh repo create "+l.Repository+" --public --source . --push")...)
		return
	case err == nil && origin.Slug == l.Repository:
		commands = append(commands, push)
	default:
		commands = append(commands, "git push "+address+" HEAD")
	}
	l.add("Commit the workflow and push it:", "", commands...)
}

// exists reports whether gh saw a repository.
func (l *checklist) exists(slug string) bool { return l.missing != nil && !l.missing[slug] }

func (l *checklist) addRepositories() {
	var commands []string
	for _, slug := range l.repositories() {
		unknown := l.missing == nil && slug != l.Repository // that one is likely here
		if slug == l.Repository && l.Here.Origin == "" {
			continue // made from this folder
		}
		if unknown || l.missing[slug] {
			commands = append(commands, "gh repo create "+slug+" --public")
		}
	}
	if len(commands) > 0 {
		l.add("Create the repositories that do not exist yet, empty (or at https://github.com/new):", "", commands...)
	}
}

func (l *checklist) addDeployKeys() {
	var commands, pages []string
	for _, k := range l.keys {
		switch slug := k.remote.Slug; {
		case k.remote.IsZero() || k.allowed || k.line == "":
		case slug == "":
			l.add("Give the key in "+k.public+" write access to "+k.remote.String()+", in the settings at "+k.remote.Host+".", "")
		default:
			commands = append(commands, fmt.Sprintf("gh repo deploy-key add %s --repo %s --allow-write --title %s", plain.ShellWord(k.public), slug, plain.ShellWord(l.title())))
			pages = append(pages, "https://github.com/"+slug+"/settings/keys/new")
		}
	}
	if len(commands) > 0 {
		l.add("Give each deploy key write access to its repository:", "Or at "+strings.Join(pages, " and ")+", with \"Allow write access\".", commands...)
	}
}

func (l *checklist) addSecrets() {
	var commands []string
	set := func(name, file string) {
		if !l.has(name) {
			commands = append(commands, "gh secret set "+name+" --repo "+l.Repository+file)
		}
	}
	for _, k := range l.keys {
		if k.private != nil {
			set(k.secret, " < "+plain.ShellWord(k.path))
		}
	}
	if len(l.keys) > 0 && l.keys[0].locked {
		set(passphraseSecret, "   # asks for the passphrase")
	}
	if len(commands) > 0 {
		l.add("Give the private keys to the workflow, as secrets:", "Or at https://github.com/"+l.Repository+"/settings/secrets/actions.", commands...)
	}
}

// addCredentials is for what this program cannot make.
func (l *checklist) addCredentials() {
	add := func(names []string, what, also string, commands ...string) {
		if slices.ContainsFunc(names, func(name string) bool { return !l.has(name) }) {
			l.add(what, also, commands...)
		}
	}
	repo := " --repo " + l.Repository
	if l.uses(App) {
		add([]string{"APP_CLIENT_ID", "APP_PRIVATE_KEY"},
			"Make a GitHub App with \"Contents: Read and write\", install it on the repositories, and give its client id and a private key to the workflow:",
			"At https://github.com/settings/apps/new, without a webhook.",
			"gh variable set APP_CLIENT_ID"+repo, "gh secret set APP_PRIVATE_KEY"+repo+" < DOWNLOADED.pem")
	}
	if l.uses(Token) {
		add([]string{"TOKEN"}, "Make a token that may write to the repositories (\"Contents: Read and write\"), and give it to the workflow:",
			"At https://github.com/settings/personal-access-tokens/new for GitHub.", "gh secret set TOKEN"+repo)
	}
	if hosts, scans := l.hostKeys(); len(hosts) > 0 {
		add([]string{"SSH_KNOWN_HOSTS"}, "Compare the host keys of "+strings.Join(hosts, " and ")+" with those published there, then give them to the workflow:", "",
			append(scans, "gh variable set SSH_KNOWN_HOSTS"+repo+" < known_hosts")...)
	}
	switch {
	case l.Role != "":
		l.addTrust()
	case len(l.Buckets) > 0:
		add([]string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, "Give the workflow an access key to the bucket. Each command asks for its value:",
			"What the key must be allowed to do, and how to use a role of AWS instead (--role-to-assume): "+docs+"s3.md",
			"gh secret set AWS_ACCESS_KEY_ID"+repo, "gh secret set AWS_SECRET_ACCESS_KEY"+repo)
	}
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

// addTrust names the two forms that GitHub's subject may have. A policy with
// both would also trust whoever gets the name after it was given up.
func (l *checklist) addTrust() {
	l.add("Let the role trust this workflow and write to the bucket, by the policies in "+docs+"s3.md. This prints the subject to trust:",
		"A repository last made, renamed or transferred before 15 July 2026, and not switched over, has the older form instead: repo:"+l.Repository+":ref:refs/heads/"+l.branch(),
		"gh api repos/"+l.Repository+` --jq '"repo:\(.owner.login)@\(.owner.id)/\(.name)@\(.id):ref:refs/heads/\(.default_branch)"'`)
}

// addVariables sets what is not set yet, or has another value.
func (l *checklist) addVariables() {
	var commands []string
	also := "Or at https://github.com/" + l.Repository + "/settings/variables/actions."
	for _, v := range l.variables() {
		value, set := l.settings[v.name]
		if set && value == v.value {
			continue
		}
		if set {
			also = "Variables that are set already keep their value until you run their command."
		}
		commands = append(commands, "gh variable set "+v.name+" --repo "+l.Repository+" --body "+plain.ShellWord(v.value))
	}
	if _, bucket := l.bucketRegion(); bucket != "" && !l.has("S3_REGION") {
		also += "\n    Say in which region " + bucket + " is: gh variable set S3_REGION --repo " + l.Repository + " --body REGION"
	}
	if len(commands) == 0 {
		return
	}
	if len(l.Buckets) > 0 && l.PublicURL == "" && !l.Hashes.IsZero() {
		also += "\n    If readers can download from the bucket, also give its address: gh variable set PUBLIC_URL --repo " + l.Repository + " --body https://HOST"
	}
	l.add("Tell the workflow what to fill, by variables:", also, commands...)
}

func (l *checklist) addBadge() {
	if len(l.keys) == 0 || l.keys[0].signer == nil {
		return
	}
	k := l.keys[0]
	l.add("If you want GitHub to show the commits as Verified, add the public key to the account that "+gitpack.SignerIdentity(k.signer).Email+" belongs to:",
		"Or at https://github.com/settings/gpg/new. If gh refuses, first run: gh auth refresh -s write:gpg_key",
		"gh gpg-key add "+plain.ShellWord(k.public))
}

func (l *checklist) addStart() {
	start := "gh workflow run mirror.yml --repo " + l.Repository
	after := "After that it starts by itself each hour, and opens an issue when runs fail."
	switch l.Pace {
	case Chain:
		after = "It opens an issue when runs fail."
	case Cron:
		after += "\n    GitHub's schedule is hours late at times. How to be on time: " + docs + "pace.md"
	}
	l.add("Try it without writing anything, look at the run's summary, then start the first run:",
		l.firstFill()+"\n    "+after+"\n    To hear also when it no longer starts, which takes two minutes: "+docs+"monitor.md",
		start+" -f dry-run=true", start)
}

// firstFill says how long the first run takes, roughly.
func (l *checklist) firstFill() string {
	if l.Hashes.IsZero() && len(l.Buckets) == 0 {
		return "The first fill of the files repository takes some minutes."
	}
	return "The first fill downloads about 150,000 tarballs, 9 GB: one to three hours. A run that reaches its time limit stops, and the next one picks up where it left off."
}

func (l *checklist) addCopy() {
	if len(l.keys) == 0 || l.keys[0].private == nil {
		return
	}
	with := ""
	if l.keys[0].locked {
		with = " and its passphrase"
	}
	l.add("Keep a copy of "+l.keys[0].path+with+" in a safe place. Readers recognize the mirror by this key, and GitHub does not give a secret back.", "")
}
