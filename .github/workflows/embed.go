// Package workflows holds the workflow that runs a mirror, for the program to
// write: one file, whether it is copied by hand or written by init.
package workflows

import _ "embed"

// Mirror is the text of mirror.yml.
//
//go:embed mirror.yml
var Mirror string
