// Package workflows holds the workflows that run a mirror, for the program to
// write: the same files, whether they are copied by hand or written by init.
package workflows

import _ "embed"

// Mirror is the text of mirror.yml.
//
//go:embed mirror.yml
var Mirror string

// Pace is the text of pace.yml.
//
//go:embed pace.yml
var Pace string

// Mend is the text of mend.yml.
//
//go:embed mend.yml
var Mend string
