package cli

import (
	"io"
	"os"
	"strconv"
)

const (
	// defaultWidth is the width of an output that is no terminal, in characters.
	defaultWidth = 80
	minWidth     = 40
	maxWidth     = 400
)

// widthOf returns the width of a terminal in characters: COLUMNS if it is set, as POSIX defines it, or what the
// terminal reports. It is 80 for anything else.
func widthOf(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok || !isTerminal(w) {
		return defaultWidth
	}
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 {
		return max(minWidth, min(maxWidth, columns))
	}
	if columns := terminalColumns(file.Fd()); columns > 0 {
		return max(minWidth, min(maxWidth, columns))
	}
	return defaultWidth
}
