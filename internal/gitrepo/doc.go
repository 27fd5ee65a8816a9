// Package gitrepo is a small git client for a program that publishes: it reads
// the newest state of one remote, makes trees and signed commits and tags on
// top of it, and moves the remote's refs in one atomic push. It knows nothing
// of what the files mean.
//
// # How
//
// A [Repo] is a bare repository in a temporary folder: no work tree, no
// history, no hooks. Of a remote's newest state only commit and tag are
// fetched; the folders on the way to what is read or written come by id, one
// fetch for the top and one for all below ([Repo.Find]), and so do files
// ([Repo.Need]). Older commits come alone ([Repo.History]), and of two trees only
// what differs ([Repo.Diff]). So cost follows what changes and not what there is. That takes
// a remote that knows filters (uploadpack.allowFilter), as the large hosts and
// all folders of this machine do; from others more is fetched, and
// Options.Notify is told. All objects are made here, byte for byte, and written
// into packs in git's own form: trees ([Import]) because git fast-import takes
// ten times as long for a tree of many folders that changes many times, commits
// and tags because the OpenPGP signature is part of them. A file is packed as a
// delta to the one before it at its path, or else to the last of its name below the
// same folder of the root, if both are written in one pack. A push is one git
// push --atomic: all refs move or none does, and the remote checks every
// object. A remote without atomic pushes gets the branches first.
//
// The only other program is git, 2.39 or newer, and what git itself starts
// (ssh). SHA-1 object ids only, as all git hosts use.
//
// # Objects and signatures
//
// A commit's signature stands in its header, after the committer, each line
// after the first led by one space:
//
//	gpgsig -----BEGIN PGP SIGNATURE-----
//	 ...
//
// and covers the commit without that header. A tag's signature is the end of
// its message and covers everything before it. Both rules are git's own
// (Documentation/gitformat-signature.txt). Each signature made here is taken
// out of the finished object again and verified before the object is kept.
//
// # What a remote may do to us, and what we give it
//
// A moved remote is [ErrMoved]: read again and go again. A branch only ever
// moves forward, and only from where the caller saw it. A tag moves by
// compare-and-swap.
//
// The child processes get an environment of a few named variables, so that no
// other secret of ours is visible to them. The ssh key is served by an agent in
// this process and does not touch the disk (Windows, whose ssh cannot reach
// such an agent, gets a private file that is overwritten and removed). The steps
// of a run share one ssh connection per host and key ([Lines]), which ends with
// it, or a minute after it was killed; where that cannot be, each step has its own. The
// token travels in the environment, as a header that is bound to the remote's
// address. Host keys must be known: the ones given, or GitHub's, which are
// embedded. Error texts hold the remote's words with secrets, userinfo and
// control characters taken out.
//
// A Repo and an Import are each for one goroutine at a time.
package gitrepo
