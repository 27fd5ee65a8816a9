// Package acttest holds no code, only tests of what a runner of GitHub Actions
// does with this repository: action.yml, its scripts, the workflows, and how a
// release is made.
//
// The scripts are run by themselves, against a download server on the loopback
// interface and against programs that stand in for gh and aws. The workflow that
// users copy is run whole by act, as the tools module pins it, with a Hackage on
// loopback, a real S3 server and repositories behind a real sshd.
//
// A test that lacks a program is skipped and says so; under CI=true it fails.
package acttest
