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

// Numbers of the server's errors, with the names that the manuals give them (MySQL's "Server Error
// Message Reference", MariaDB's "MariaDB Error Codes").
const (
	errDiskFull            = 1021 // ER_DISK_FULL
	errUnknownCommand      = 1047 // ER_UNKNOWN_COM_ERROR: a Galera node that is not in its cluster
	errDuplicateKey        = 1062 // ER_DUP_ENTRY
	errTableFull           = 1114 // ER_RECORD_FILE_FULL
	errNoSuchTable         = 1146 // ER_NO_SUCH_TABLE
	errDuringCommit        = 1180 // ER_ERROR_DURING_COMMIT
	errLockWaitTimeout     = 1205 // ER_LOCK_WAIT_TIMEOUT
	errDeadlock            = 1213 // ER_LOCK_DEADLOCK; also a conflict between Galera nodes
	errOptionPrevents      = 1290 // ER_OPTION_PREVENTS_STATEMENT: --read-only
	errReadOnlyTransaction = 1792 // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
	errReadOnlyMode        = 1836 // ER_READ_ONLY_MODE
	errOfflineMode         = 3032 // ER_SERVER_OFFLINE_MODE
	errCommitConflict      = 3101 // ER_TRANSACTION_ROLLBACK_DURING_COMMIT: a conflict in the group, or see below
	errLockNoWait          = 3572 // ER_LOCK_NOWAIT
)

// rolledBack are errors after which the server has kept nothing of a transaction, even if its COMMIT
// returned them. They are transient.
var rolledBack = []uint16{
	errUnknownCommand, errTableFull, errLockWaitTimeout, errDeadlock, errOptionPrevents,
	errReadOnlyTransaction, errReadOnlyMode, errOfflineMode, errLockNoWait,
}

// permanentClasses are the SQLSTATE classes (ISO/IEC 9075-2, table 38) of errors that the same
// statement always gets: the number of columns, a feature, the data, a constraint, a view's check,
// and syntax or schema.
var permanentClasses = []string{"0A", "21", "22", "23", "42", "44"}

// permanentNumbers are errors of the same kinds to which the server gives a general SQLSTATE
// (HY000, 01000). Those about text are in textErrors.
var permanentNumbers = []uint16{
	1193, // ER_UNKNOWN_SYSTEM_VARIABLE
	1210, // ER_WRONG_ARGUMENTS
	1356, // ER_VIEW_INVALID
	1364, // ER_NO_DEFAULT_FOR_FIELD
	1411, // ER_WRONG_VALUE_FOR_TYPE
	1471, // ER_NON_INSERTABLE_TABLE
	1525, // ER_WRONG_VALUE
	1526, // ER_NO_PARTITION_FOR_GIVEN_VALUE
	3819, // ER_CHECK_CONSTRAINT_VIOLATED
}

// textErrors mean that a text cannot be stored in its column or converted to the column's character
// set; see [textMode]. Nothing of the statement was written.
var textErrors = []uint16{
	1253, // ER_COLLATION_CHARSET_MISMATCH
	1265, // WARN_DATA_TRUNCATED
	1267, // ER_CANT_AGGREGATE_2COLLATIONS
	1270, // ER_CANT_AGGREGATE_3COLLATIONS
	1271, // ER_CANT_AGGREGATE_NCOLLATIONS
	1300, // ER_INVALID_CHARACTER_STRING
	1366, // ER_TRUNCATED_WRONG_VALUE_FOR_FIELD
	1406, // ER_DATA_TOO_LONG
	1977, // ER_CANNOT_CONVERT_CHARACTER (MariaDB)
	3854, // ER_CANNOT_CONVERT_STRING
	3988, // ER_IMPOSSIBLE_STRING_CONVERSION
}

// limits are errors in a permanent class that are transient: the user or the server has reached its
// limit of connections, queries or statements.
var limits = []uint16{
	1203, // ER_TOO_MANY_USER_CONNECTIONS
	1226, // ER_USER_LIMIT_REACHED
	1461, // ER_MAX_PREPARED_STMT_COUNT_REACHED
}

// accessDenied mean that this user may not connect or do this until an administrator changes that.
// They are not the request's fault: the database is unavailable to the service. Further ones have the
// SQLSTATE class 28.
var accessDenied = []uint16{
	1044, // ER_DBACCESS_DENIED_ERROR
	1045, // ER_ACCESS_DENIED_ERROR
	1142, // ER_TABLEACCESS_DENIED_ERROR
	1143, // ER_COLUMNACCESS_DENIED_ERROR
	1227, // ER_SPECIFIC_ACCESS_DENIED_ERROR
	1370, // ER_PROCACCESS_DENIED_ERROR
	1698, // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
	1820, // ER_MUST_CHANGE_PASSWORD
	1862, // ER_MUST_CHANGE_PASSWORD_LOGIN
	3118, // ER_ACCOUNT_HAS_BEEN_LOCKED
	4151, // ER_ACCOUNT_HAS_BEEN_LOCKED (MariaDB)
	8121, // ErrPrivilegeCheckFail (TiDB)
}

// ambiguousCommitError is an error after which the server may have committed.
type ambiguousCommitError struct{ error }

func (e *ambiguousCommitError) Unwrap() error { return e.error }

// classifyCommit wraps the error of a COMMIT, or of a statement that is its own transaction, as an
// ambiguousCommitError, unless it says that nothing was written. Unknown errors are ambiguous.
func classifyCommit(err error) error {
	// The driver returns these before it has sent anything.
	if err == nil || errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrPktTooLarge) {
		return err
	}
	if refusal, ok := errors.AsType[*mysql.MySQLError](err); ok && isRolledBack(refusal) {
		return err
	}
	return &ambiguousCommitError{err}
}

// isRolledBack reports whether the error says that nothing of the transaction was kept. 3101 does
// not: a member that leaves its group returns it, as for a conflict, for transactions that it has sent
// to the other members, which may have accepted them.
func isRolledBack(refusal *mysql.MySQLError) bool {
	_, notTaken := denials[refusal.Number]
	switch {
	case refusal.Number == errDiskFull: // possibly the binary log's, after InnoDB has prepared the commit
		return false
	case notTaken, slices.Contains(rolledBack, refusal.Number),
		slices.Contains(limits, refusal.Number),
		isDenied(refusal), isPermanent(refusal):
		return true
	case refusal.Number == errDuringCommit:
		// It wraps an error of InnoDB: 149 is a deadlock, which is rolled back.
		return strings.Contains(refusal.Message, "error 149")
	case refusal.Number == errCommitConflict:
		return false
	}
	return class(refusal) == "40" // the transaction was rolled back
}

// isPermanent reports whether the same statement always gets this error.
func isPermanent(refusal *mysql.MySQLError) bool {
	if slices.Contains(limits, refusal.Number) || isDenied(refusal) {
		return false
	}
	return slices.Contains(permanentNumbers, refusal.Number) ||
		slices.Contains(textErrors, refusal.Number) ||
		slices.Contains(permanentClasses, class(refusal))
}

func isDenied(refusal *mysql.MySQLError) bool {
	return slices.Contains(accessDenied, refusal.Number) || class(refusal) == "28"
}

// class returns the first two characters of the SQLSTATE.
func class(refusal *mysql.MySQLError) string { return string(refusal.SQLState[:2]) }

// errRowChanged: another transaction has changed a row that this one had locked, which the locks of some
// clusters permit. Nothing was written.
var errRowChanged = errors.New("the row was changed since it was locked")

// isTransient reports whether the same statement may work later: after a conflict with another
// transaction, or when the server is unreachable or busy. Servers, clusters and proxies have many
// numbers for that, and new versions add some, so every server error that is not known to be permanent
// counts as transient.
func isTransient(err error) bool {
	if refusal, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return !isPermanent(refusal)
	}
	for _, lost := range []error{
		driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone,
		mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrPktSync, mysql.ErrPktSyncMul, mysql.ErrBusyBuffer,
		io.EOF, io.ErrUnexpectedEOF, errRowChanged, context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	_, lost := errors.AsType[net.Error](err)
	return lost
}

// isTransientInMigration is isTransient for a migration. Missing rights are permanent here, so that
// the service stops at its start, when its operator can grant them.
func isTransientInMigration(err error) bool {
	if refusal, ok := errors.AsType[*mysql.MySQLError](err); ok && isDenied(refusal) {
		return false
	}
	return isTransient(err)
}

// isConnLimit reports whether the server answered and had no room for the connection, so that one may
// be accepted a moment later.
func isConnLimit(err error) bool {
	refusal, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && !isDenied(refusal) && !isPermanent(refusal)
}

// isTextError reports whether the server refused a text of the statement.
func isTextError(err error) bool {
	refusal, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && slices.Contains(textErrors, refusal.Number)
}

func hasNumber(err error, number uint16) bool {
	refusal, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && refusal.Number == number
}

func isNotFound(err error) bool { return errors.Is(err, sql.ErrNoRows) }
