// Package setup prepares a repository of GitHub to run the mirror: it makes the
// keys, writes the workflow, lets GitHub's command line do what that can do, and
// lists what is left for a person.
//
// It keeps these rules:
//
//   - Nothing that exists is overwritten: no key, no secret or variable of
//     GitHub, and a workflow only on request. So it can be run again at any time,
//     and the second run changes nothing.
//   - A file appears as a whole or not at all. The private half of a key is
//     written before its public half, which can be made from it again. So the
//     next run completes what a killed run left.
//   - A private key is in a file that only its owner can read. GitHub gets it by
//     the standard input of gh, never by an argument, which others can see. It is
//     never printed.
//   - A deploy key of GitHub opens one repository, so each repository that is
//     reached by ssh gets its own.
//
// There is one workflow, mirror.yml. What differs between mirrors is in variables
// and secrets of their repositories, but for the minute of the schedule, the
// pinned releases, and rights, which a workflow has to hold as text. The answers
// are kept beside the keys and are the defaults of the next run.
//
// Keys are Ed25519: OpenPGP in version 4 of its format, which every gpg since
// 2.1 reads (RFC 9580, section 5.5.2), and OpenSSH's own form for ssh
// (PROTOCOL.key in its sources).
package setup
