//go:build !linux

package sqlitestore

import "io/fs"

// isOpen returns true, because this system does not list open files.
func isOpen(fs.FileInfo) bool { return true }
