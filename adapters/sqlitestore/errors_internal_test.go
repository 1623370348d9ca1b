package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sqlite3 "modernc.org/sqlite/lib"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// codeError is an error with a SQLite result code.
type codeError int

func (e codeError) Error() string { return fmt.Sprintf("result %d", int(e)) }
func (e codeError) Code() int     { return int(e) }

// Every SQLite result code is classified, before and at the COMMIT.
func TestErrors_ResultCodesAreClassified(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		codes            []int
		before, atCommit error
	}{
		"locks and limits": {
			codes:  []int{sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY_SNAPSHOT, sqlite3.SQLITE_READONLY_DBMOVED},
			before: ports.ErrUnavailable, atCommit: ports.ErrUnavailable,
		},
		"away": {
			codes: []int{
				sqlite3.SQLITE_PERM, sqlite3.SQLITE_ABORT, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR,
				sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_SCHEMA, 99,
			},
			before: ports.ErrUnavailable, atCommit: ports.ErrInDoubt,
		},
		"permanent errors": {codes: []int{
			sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_CONSTRAINT_CHECK, sqlite3.SQLITE_MISMATCH,
			sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_MISUSE,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, code := range c.codes {
				err := codeError(code)
				require.Equal(t, code&0xff, result(err))
				require.Equal(t, c.before, kind(classify(err)), "before the COMMIT: %d", code)
				require.Equal(t, c.atCommit, kind(classifyCommit(err)), "at the COMMIT: %d", code)
				require.ErrorIs(t, classify(err), err)
				require.ErrorIs(t, classifyCommit(err), err)
			}
		})
	}
}

// kind returns the error of package ports that err is, or nil.
func kind(err error) error {
	for _, k := range []error{ports.ErrInDoubt, ports.ErrUnavailable} {
		if errors.Is(err, k) {
			return k
		}
	}
	return nil
}

// A change and a read are retried a limited number of times.
func TestPayments_TransientErrorIsRetried(t *testing.T) {
	t.Parallel()
	_, s := migrated(t)
	for _, code := range []int{
		sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_SCHEMA,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_LOCKED,
	} {
		calls, last := 0, 1
		try := func() error {
			if calls++; calls <= last {
				return codeError(code)
			}
			return nil
		}
		change := func(context.Context, *queries.Queries, time.Time) error { return try() }
		require.NoError(t, s.write(t.Context(), change))
		calls = 0
		require.NoError(t, s.read(t.Context(), change))
		calls, last = 0, 1000
		require.ErrorIs(t, s.write(t.Context(), change), ports.ErrUnavailable)
		require.Equal(t, maxTries, calls)
	}
	_, verdict, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
}
