// Package gitrepo is a small git client for a program that publishes: it reads
// the newest state of one remote, writes trees, signed commits and tags on top of it
// ([gitpack]), and moves the remote's refs in one atomic push. It knows nothing of
// what the files mean.
//
// A [Repo] is a bare repository in a temporary folder: no work tree, no history, no
// hooks. Of a remote's newest state only commit and tag are fetched ([Repo.Fetch]);
// the folders on the way to what is read or written come by id, one fetch for the top
// and one for all below ([Repo.ResolvePaths]), and so do files ([Repo.FetchObjects]).
// Older commits come alone ([Repo.History]), and of two trees only what differs
// ([Repo.Diff]). So cost follows what changes and not what there is. That takes a
// remote that knows filters (uploadpack.allowFilter), as the large hosts and all
// folders of this machine do; from others more is fetched, and Options.Notify is
// told.
//
// A push is one git push --atomic: all refs move or none does, and the remote checks
// every object. A remote without atomic pushes gets the branches first. A moved remote
// is [ErrMoved]: read again and go again. A branch only ever moves forward, and only
// from where the caller saw it. A tag moves by compare-and-swap.
//
// The only other program is git, 2.39 or newer, and what git itself starts (ssh).
// SHA-1 object ids only, as all git hosts use. The child processes get an environment
// of a few named variables, so that no other secret of ours is visible to them. The
// steps of a run share one ssh connection per host and key ([sshauth]). The token
// travels in the environment, as a header that is bound to the remote's address. Error
// texts hold the remote's words with secrets, userinfo and control characters taken
// out.
//
// A Repo is for one goroutine at a time, but for WriteCommit and WriteTag.
package gitrepo
