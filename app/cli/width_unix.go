//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package cli

import (
	"syscall"
	"unsafe"
)

// terminalColumns asks the terminal for its width (ioctl_tty(2), TIOCGWINSZ); zero if it does not know.
func terminalColumns(fd uintptr) int {
	var size struct{ rows, columns, x, y uint16 }
	_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, fd, uintptr(syscall.TIOCGWINSZ), uintptr(unsafe.Pointer(&size))) //nolint:gosec // a struct winsize
	if failed != 0 {
		return 0
	}
	return int(size.columns)
}
