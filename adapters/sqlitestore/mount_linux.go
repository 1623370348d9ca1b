package sqlitestore

import (
	"fmt"
	"syscall"
)

// mountOf asks what the folder is on.
func mountOf(folder string) (mount, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(folder, &stat); err != nil {
		return mount{}, fmt.Errorf("ask for the file system of %s: %w", folder, err)
	}
	return mount{magic: int64(stat.Type), free: stat.Bavail * uint64(stat.Bsize)}, nil //nolint:gosec,unconvert // a size; of other types elsewhere
}
