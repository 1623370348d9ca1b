package sqlitestore

import (
	"fmt"
	"syscall"
)

// mountOf returns the file system that the folder is on.
func mountOf(folder string) (mount, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(folder, &stat); err != nil {
		return mount{}, fmt.Errorf("read the file system of %s: %w", folder, err)
	}
	return mount{magic: int64(stat.Type), free: stat.Bavail * uint64(stat.Bsize)}, nil //nolint:gosec,unconvert // the field types differ between platforms
}
