// Package doctest holds no code, only tests of what the documents say: that every
// link leads somewhere, that what is marked as shell runs as it is printed, that
// the units and the web server's snippet work, and that the README is short.
//
// A block of a document that is marked sh is run, offline, with a Hackage nearby
// in the place of the real one. What needs the network or an account is not
// marked.
package doctest
