// Package canary has habits in comments and in strings, on the marked lines only.
package canary

import (
	"errors"
	"log/slog"
)

// errAway is returned if the database is unavailable.
var errAway = errors.New("the database is away: somebody has stopped it") // HABIT in the string

// Claim lets nobody else in. HABIT
func Claim(log *slog.Logger) error {
	// Whoever comes late waits. HABIT
	log.Warn("stopped without a word to the database") // HABIT in the string
	log.Warn(`first line
of two, and the others are in line behind it`) // HABIT in the string

	/* It is told HABIT
	   everything. */
	told := errAway // an identifier is fine
	return told
}

// Row is a row.
type Row struct {
	// DueAt is zero where it has none. HABIT
	DueAt int64 `help:"when the payment that was put off is due"` // HABIT in the string
}

// # Where the server comes from
//
// The key is read. Where a key is unknown, HABIT the caller gets 401. The log says where it is.
func read() {}
