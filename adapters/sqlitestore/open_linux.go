package sqlitestore

import (
	"io/fs"
	"os"
)

// isOpen reports whether this process has the file open. A file that was put at the path after SQLite
// opened another one is not open. Without /proc it returns true.
func isOpen(info fs.FileInfo) bool {
	const descriptors = "/proc/self/fd"
	entries, err := os.ReadDir(descriptors)
	if err != nil {
		return true
	}
	for _, entry := range entries {
		// Stat follows the link to the open file, and opens nothing.
		if open, err := os.Stat(descriptors + "/" + entry.Name()); err == nil && os.SameFile(open, info) {
			return true
		}
	}
	return false
}
