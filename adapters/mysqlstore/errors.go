package mysqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Numbers of the server's errors, with the names that MySQL's manual ("Server Error Message
// Reference") gives them.
const (
	errServerShutdown      = 1053 // ER_SERVER_SHUTDOWN
	errUnknownCommand      = 1047 // ER_UNKNOWN_COM_ERROR: a Galera node that is not in its cluster
	errDuplicateKey        = 1062 // ER_DUP_ENTRY
	errTableFull           = 1114 // ER_RECORD_FILE_FULL
	errNoSuchTable         = 1146 // ER_NO_SUCH_TABLE
	errDuringCommit        = 1180 // ER_ERROR_DURING_COMMIT
	errLockWaitTimeout     = 1205 // ER_LOCK_WAIT_TIMEOUT
	errDeadlock            = 1213 // ER_LOCK_DEADLOCK; also a conflict between Galera nodes
	errOptionPrevents      = 1290 // ER_OPTION_PREVENTS_STATEMENT: --read-only
	errInterrupted         = 1317 // ER_QUERY_INTERRUPTED
	errReadOnlyTransaction = 1792 // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
	errReadOnlyMode        = 1836 // ER_READ_ONLY_MODE
	errOfflineMode         = 3032 // ER_SERVER_OFFLINE_MODE
	errCommitHook          = 3100 // ER_RUN_HOOK_ERROR: Group Replication failed at it
	errCommitConflict      = 3101 // ER_TRANSACTION_ROLLBACK_DURING_COMMIT: a conflict in the group, or see below
	errLockNoWait          = 3572 // ER_LOCK_NOWAIT
)

// rolledBack are errors after which the server has kept nothing of a transaction, also
// when they come at its COMMIT, and which may not come again.
var rolledBack = []uint16{
	errUnknownCommand, errTableFull, errLockWaitTimeout, errDeadlock, errOptionPrevents,
	errReadOnlyTransaction, errReadOnlyMode, errOfflineMode, errLockNoWait,
}

// interrupted are errors that end a statement from outside. At a COMMIT they say nothing
// about whether it was carried out. A member that leaves its group gives 3101, as for a
// conflict, to the transactions that it has sent to the others and not heard of again; those
// may have taken them.
var interrupted = []uint16{
	errServerShutdown, errInterrupted, errDuringCommit, errCommitHook, errCommitConflict,
}

// unanswered marks an error that came when the server may have committed already.
type unansweredError struct{ error }

func (e *unansweredError) Unwrap() error { return e.error }

// atCommit marks the error of a COMMIT, or of a statement that is its own transaction,
// unless it says that nothing was written.
func atCommit(err error) error {
	if err == nil || errors.Is(err, driver.ErrBadConn) { // the driver's word for: never sent
		return err
	}
	if refusal, ok := errors.AsType[*mysql.MySQLError](err); ok && writtenNothing(refusal) {
		return err
	}
	return &unansweredError{err}
}

func writtenNothing(refusal *mysql.MySQLError) bool {
	_, notTaken := denials[refusal.Number]
	switch {
	case slices.Contains(rolledBack, refusal.Number), notTaken:
		return true
	case refusal.Number == errDuringCommit:
		// Around one of InnoDB's own errors: 149 is its deadlock, which has rolled back.
		return strings.Contains(refusal.Message, "error 149")
	case slices.Contains(interrupted, refusal.Number):
		return false
	}
	// Classes of SQLSTATE for a statement that was not carried out: wrong data, a
	// constraint, a rollback, wrong SQL or no right to it.
	return slices.Contains([]string{"22", "23", "40", "42"}, string(refusal.SQLState[:2]))
}

// passing reports whether err may not come again: a conflict with others, or a server that
// is away or busy.
func passing(err error) bool {
	if refusal, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return slices.Contains(rolledBack, refusal.Number) || slices.Contains(interrupted, refusal.Number)
	}
	for _, lost := range []error{
		driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone,
		mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrPktSync,
		io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	_, lost := errors.AsType[net.Error](err)
	return lost
}

func hasNumber(err error, number uint16) bool {
	refusal, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && refusal.Number == number
}

func noRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }
