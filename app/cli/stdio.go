package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"time"

	"paymentd/internal/asynclog"
)

// stdio is the output of a command.
type stdio struct {
	stdout  io.Writer
	stderr  io.Writer
	log     *asynclog.Writer // writes to stderr and never blocks
	version string
}

// flushTimeout bounds how long the process waits for the reader of its log before it exits.
const flushTimeout = time.Second

// newLog returns a writer of log lines that never blocks.
func newLog(to io.Writer) *asynclog.Writer { return asynclog.New(to, droppedLine) }

// droppedLine is the log line that follows dropped lines.
func droppedLine(dropped uint64) []byte {
	var line bytes.Buffer
	slog.New(slog.NewJSONHandler(&line, nil)).
		Warn(fmt.Sprintf("%d log lines were dropped", dropped), "dropped", dropped)
	return line.Bytes()
}

// logger returns a logger that writes JSON lines and never blocks.
func (s stdio) logger(level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: l}))
}

// serverLogger returns a logger for a server. Libraries that use the standard logger of package log write
// to it as well, because the standard logger would block on a full pipe.
func (s stdio) serverLogger(level string) *slog.Logger {
	log := s.logger(level)
	slog.SetDefault(log)
	stdlog.SetOutput(standardLog{log})
	return log
}

// standardLog writes the lines of the standard logger of package log.
type standardLog struct{ log *slog.Logger }

// unsolicited begins the line of net/http about a response that it did not ask for, such as a proxy sends
// before it closes an idle connection. The rest of the line quotes the response.
const unsolicited = "Unsolicited response received on idle HTTP channel"

// Write implements io.Writer.
func (l standardLog) Write(line []byte) (int, error) {
	if bytes.HasPrefix(line, []byte(unsolicited)) {
		l.log.Debug("an idle connection received a response that was not asked for, and is closed")
	} else {
		l.log.Info(string(bytes.TrimSpace(line)))
	}
	return len(line), nil
}

// printUnreadable prints the rows that a report omits, after the rows that it has.
func printUnreadable[E error](s stdio, unreadable []E) error {
	if len(unreadable) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(s.stdout, "%d left out, because what is stored cannot be read; repair it:\n", len(unreadable))
	for _, why := range unreadable {
		_, printErr := fmt.Fprintf(s.stdout, "  %v\n", why)
		err = errors.Join(err, printErr)
	}
	return err
}
