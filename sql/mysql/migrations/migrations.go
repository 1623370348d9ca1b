// Package migrations has the schema's migrations on MySQL, one statement per file, so that a failure
// names its statement.
package migrations

import "embed"

// Files are named as golang-migrate requires: version, title, and up or down.
//
//go:embed *.sql
var Files embed.FS
