package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// progress is a line on a terminal that says how far a command has come. On anything else, and for
// --quiet, it prints nothing.
type progress struct {
	out     io.Writer // nil to print nothing
	printed time.Time
}

const (
	progressEvery = 100 * time.Millisecond
	progressWidth = 20
	// clearLine returns to the beginning of the line and erases it (ECMA-48, CR and EL).
	clearLine = "\r\x1b[K"
)

func newProgress(stderr io.Writer, quiet bool) *progress {
	if quiet || !isTerminal(stderr) {
		return &progress{}
	}
	return &progress{out: stderr}
}

// isTerminal reports whether w is a character device other than the null device.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// show prints the line, unless it was printed a moment ago. share is from 0 to 1, or below zero if it is not known.
func (p *progress) show(what string, done int, share float64) {
	if p.out == nil || time.Since(p.printed) < progressEvery {
		return
	}
	p.printed = time.Now()
	if share < 0 {
		_, _ = fmt.Fprintf(p.out, "%s%s: %s", clearLine, what, thousands(done))
		return
	}
	filled := min(progressWidth, max(0, int(share*progressWidth)))
	_, _ = fmt.Fprintf(p.out, "%s[%s%s] %3.0f%%  %s: %s", clearLine,
		strings.Repeat("#", filled), strings.Repeat("-", progressWidth-filled), 100*share, what, thousands(done))
}

// end erases the line.
func (p *progress) end() {
	if p.out != nil {
		_, _ = fmt.Fprint(p.out, clearLine)
	}
}

// thousands formats a number with commas.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
