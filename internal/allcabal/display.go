package allcabal

import (
	"context"
	"fmt"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
)

// DisplayBranch is what a host shows of the repository. Readers with old
// clients clone it because it is small.
const DisplayBranch = "display"

// readmePath is the one file of the branch display. It holds the public key.
const readmePath = "README.md"

// display pushes the branch that explains an empty remote, before anything
// else, so that hosts take it as the default branch.
func (d *Repository) display(ctx context.Context) error {
	tree, err := d.makeTree(ctx, "", func(im *gitpack.TreeWriter) error { return im.Write(readmePath, []byte(d.readme())) })
	if err != nil {
		return err
	}
	now := d.o.Now()
	id, err := d.o.Repo.WriteCommit(ctx, gitpack.Commit{
		Tree: tree, Author: d.identity(), AuthorWhen: now,
		Committer: d.identity(), CommitterWhen: now,
		Message: "Say what this repository is\n",
	}, d.o.Signer)
	if err != nil {
		return fmt.Errorf("commit to branch %q: %w", DisplayBranch, err)
	}
	err = d.o.Repo.Push(ctx, gitrepo.Update{Ref: "refs/heads/" + DisplayBranch, New: id})
	if err != nil {
		return fmt.Errorf("branch %q: %w", DisplayBranch, err)
	}
	d.empty = false
	return nil
}

// readme is the text of the display branch.
func (d *Repository) readme() string {
	title, content := "all-cabal-files", "every `.cabal` file of Hackage, each in its newest revision,"
	if d.o.Hashes {
		title = "all-cabal-hashes"
		content = "every `.cabal` file of Hackage, the digests of every release's tarball,"
	}
	return strings.NewReplacer(
		"TITLE", title, "CONTENT", content, "BRANCH", d.o.Branch, "TAG", d.o.Tag,
		"FINGERPRINT", d.o.Signer.Fingerprint(), "KEY", string(d.o.Signer.PublicKey()),
	).Replace(displayText)
}

const displayText = `# TITLE

The branch [BRANCH](../../tree/BRANCH) holds CONTENT
and the preferred versions of packages, as Hackage's signed index has them. A
scheduled run of [hackage-mirror](https://github.com/hackage-mirror/hackage-mirror)
keeps it up to date; every revision is in its history.

Every commit is signed, and so is the tag TAG, which always
stands at the newest one. The key's fingerprint is

    FINGERPRINT

To read the newest state without the history:

    git clone --depth 1 --branch BRANCH URL

To check it, with the key below in your keyring, if its fingerprint is the one
you know:

    git fetch origin +refs/tags/TAG:refs/tags/TAG
    git verify-tag TAG

~~~
KEY~~~
`
