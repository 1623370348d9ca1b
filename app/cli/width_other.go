//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package cli

// terminalColumns does not know the width of a terminal here.
func terminalColumns(uintptr) int { return 0 }
