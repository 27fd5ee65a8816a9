// Package sshauth authenticates ssh at a git host: it reads deploy keys and known hosts as
// people paste them, serves the key by an agent in this process ([Login]), and holds
// one connection per host and key that all steps of git share ([Connections]).
//
// Known hosts are those that were given, or GitHub's, which are embedded.
package sshauth
