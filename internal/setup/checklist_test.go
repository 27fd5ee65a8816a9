package setup

import (
	"strings"
	"testing"
)

// The commands for host keys work as they are printed: with a port, and for two
// hosts into one file.
func TestHostKeysOfAllHosts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ files, hashes, want string }{
		"a port": {
			"ssh://git@git.example.org:2222/me/files", None,
			"ssh-keyscan -p 2222 git.example.org > known_hosts\n      gh variable set SSH_KNOWN_HOSTS --repo me/mirror < known_hosts\n",
		},
		"two hosts": {
			"git@one.example.org:me/files", "ssh://git@[2001:db8::1]:22022/me/hashes",
			"ssh-keyscan one.example.org > known_hosts\n      ssh-keyscan -p 22022 2001:db8::1 >> known_hosts\n      gh variable set SSH_KNOWN_HOSTS --repo me/mirror < known_hosts\n",
		},
		"one host twice": {
			"git@one.example.org:me/files", "git@one.example.org:me/hashes",
			"ssh-keyscan one.example.org > known_hosts\n      gh variable set SSH_KNOWN_HOSTS --repo me/mirror < known_hosts\n",
		},
	} {
		y := newTry(t)
		y.answers.Files, y.answers.Hashes = test.files, test.hashes
		if said := y.must(); !strings.Contains(said, test.want) || strings.Count(said, "gh variable set SSH_KNOWN_HOSTS") != 1 {
			t.Errorf("%s: it does not say %q once:\n%s", name, test.want, said)
		}
	}
}

// A role trusts one form of the subject, not both.
func TestTrustIsOfOneForm(t *testing.T) {
	t.Parallel()
	y := newTry(t)
	y.answers = Answers{Repository: "me/mirror", Buckets: []string{"s3://my-hackage"}, Role: role, Access: string(DeployKeys)}
	y.says(y.must(), "gh api repos/me/mirror --jq ", "before 15 July 2026", "the older form instead: repo:me/mirror:ref:refs/heads/trunk")
}
