package sqlitestore

import (
	"io/fs"
	"os"
)

// isOpen reports whether this process has the file open, as far as that can be told: a file that
// was put at the path after SQLite had opened it is not.
func isOpen(info fs.FileInfo) bool {
	const descriptors = "/proc/self/fd"
	entries, err := os.ReadDir(descriptors)
	if err != nil {
		return true // no /proc here
	}
	for _, entry := range entries {
		// This follows the link to what is open, and opens nothing.
		if open, err := os.Stat(descriptors + "/" + entry.Name()); err == nil && os.SameFile(open, info) {
			return true
		}
	}
	return false
}
