// Package setup prepares a repository of GitHub to run the mirror: it makes the
// keys, writes the workflow, hands over to GitHub's command line what that can
// do, and says what is left for a person.
//
// The rules that it keeps:
//
//   - What is there stays. A key is never overwritten, a workflow only when that
//     was asked for, a secret of GitHub never. So it can be run again at any
//     time, and changes nothing the second time.
//   - A file appears whole or not at all, and the private half of a key before
//     its public one, which can be made from it again. So a run that was killed
//     is put right by the next.
//   - A private key is in a file that only its owner can read, and reaches
//     GitHub by the standard input of gh: never by an argument, which others can
//     see, and never by what is printed.
//   - A deploy key of GitHub opens one repository, so each repository that is
//     reached by ssh gets its own.
//
// The answers a workflow was made with stand in its first lines, as the command
// that makes it again. They are the defaults of the next run.
//
// Keys are Ed25519: OpenPGP in version 4 of its format, which every gpg since
// 2.1 reads (RFC 9580, section 5.5.2), and OpenSSH's own form for ssh
// (PROTOCOL.key in its sources).
package setup
