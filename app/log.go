package app

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"time"

	"paymentd/internal/asynclog"
)

// flushLimit bounds how long the end of a process waits for a reader of its log.
const flushLimit = time.Second

// newLog returns a writer of log lines that never blocks.
func newLog(to io.Writer) *asynclog.Writer { return asynclog.New(to, droppedLine) }

// droppedLine is the line that follows lines that were dropped.
func droppedLine(dropped uint64) []byte {
	var line bytes.Buffer
	slog.New(slog.NewJSONHandler(&line, nil)).
		Warn(fmt.Sprintf("%d log lines were dropped", dropped), "dropped", dropped)
	return line.Bytes()
}

// logger returns a logger that writes JSON lines, and never blocks.
func (p process) logger(level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(p.log, &slog.HandlerOptions{Level: l}))
}

// serviceLogger is logger for a process that serves. What libraries write to the standard logger of
// package log goes there as well: it would block on a full pipe.
func (p process) serviceLogger(level string) *slog.Logger {
	log := p.logger(level)
	slog.SetDefault(log)
	return log
}

// LogDrops counts the lines of the log that were dropped since the start. Nil for a log that drops none.
type LogDrops func() uint64
