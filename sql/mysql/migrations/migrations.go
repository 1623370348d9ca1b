// Package migrations holds the schema's migrations on MySQL: one statement a file, so that
// what failed is known to the statement.
package migrations

import "embed"

// Files are named as golang-migrate has it: version, title, and up or down.
//
//go:embed *.sql
var Files embed.FS
