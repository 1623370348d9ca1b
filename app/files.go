package app

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"syscall"

	"paymentd/internal/doctor"
)

const (
	// otherFiles is what a process needs beside connections: its standard streams, listeners, files that
	// are read anew, connections to a collector of traces, probes.
	otherFiles = 64
	// sqliteFiles is what the connections to a SQLite file need, with its log and its index.
	sqliteFiles = 64
)

// filesNeeded returns how many files the settings may have open at once: each connection is one.
func (c *Config) filesNeeded() int {
	needed := otherFiles + maxConnections(*c) + sqliteFiles
	if !hasPrefix(c.Database, "sqlite:") {
		needed += c.DatabaseConnections - sqliteFiles
	}
	if !hasPrefix(c.Gateway, "sandbox:") {
		needed += maxAttempts(*c)
	}
	return needed
}

// fileLimit returns how many files this process may have open. Go has raised the soft limit to the hard
// one at the start of the process (package syscall, init of rlimit.go). An unknown limit is none.
func fileLimit() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint64
	}
	return limit.Cur
}

// openFiles judges the limit on open files.
func (c *Config) openFiles() doctor.Finding { return c.judgeFiles(fileLimit()) }

func (c *Config) judgeFiles(limit uint64) doctor.Finding {
	const check = "ulimit -n"
	needed := c.filesNeeded()
	found := strconv.FormatUint(limit, 10) + " open files at most"
	if limit > math.MaxInt64 {
		found = "no limit on open files"
	}
	return doctor.Of(check, found, limit >= uint64(needed), doctor.Warn, //nolint:gosec // a sum of bounded settings
		fmt.Sprintf("Raise the hard limit to %d or more (ulimit -Hn, LimitNOFILE= of a unit, ulimits of a container): so many "+
			"connections of clients, to the database and to the gateway do the settings allow. Or lower PAYMENTD_MAX_CONNECTIONS "+
			"and PAYMENTD_MAX_REQUESTS. Beyond the limit clients wait, and calls of the gateway fail.", needed))
}

// logFinding says what a check has found to change.
func logFinding(log *slog.Logger, f doctor.Finding) {
	attributes := []any{"check", f.Check, "found", f.Found, "advice", f.Advice}
	switch f.Level {
	case doctor.OK:
	case doctor.Warn:
		log.Warn("a check has found something to change", attributes...)
	case doctor.Fail:
		log.Error("a check has found what the promise leans on to be off", attributes...)
	}
}
