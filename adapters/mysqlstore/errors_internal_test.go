package mysqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// refusal is an error of the server.
func refusal(number uint16, state, message string) error {
	e := &mysql.MySQLError{Number: number, Message: message}
	copy(e.SQLState[:], state)
	return fmt.Errorf("some statement: %w", e)
}

// serverError is an error number of a server, and its SQLSTATE.
type serverError struct {
	number uint16
	state  string
}

// serverErrors by what they mean.
var serverErrors = map[string]struct {
	numbers   []serverError
	permanent bool
	nothing   bool // was written, even if it is returned by the COMMIT
}{
	"a conflict: the transaction is rolled back": {nothing: true, numbers: []serverError{
		{1205, "HY000"}, {1213, "40001"}, {3572, "HY000"}, {1689, "40001"},
	}},
	"read only, offline, full": {nothing: true, numbers: []serverError{
		{1290, "HY000"}, {1792, "25006"}, {1836, "HY000"}, {3032, "HY000"}, {1114, "HY000"}, {1047, "08S01"},
	}},
	"a limit of the user or the server": {nothing: true, numbers: []serverError{
		{1203, "42000"}, {1226, "42000"}, {1461, "42000"},
	}},
	"access denied": {nothing: true, numbers: []serverError{
		{1044, "42000"},
		{1045, "28000"},
		{1142, "42000"},
		{1143, "42000"},
		{1227, "42000"},
		{1370, "42000"},
		{1698, "28000"},
		{1820, "HY000"},
		{3118, "HY000"},
		{3118, "28000"},
		{4151, "HY000"},
	}},
	"unreachable, interrupted, or full": {numbers: []serverError{
		{1021, "HY000"},
		{1030, "HY000"},
		{1037, "HY001"},
		{1038, "HY001"},
		{1040, "08004"},
		{1041, "HY000"},
		{1053, "08S01"},
		{1077, "HY000"},
		{1105, "HY000"},
		{1129, "HY000"},
		{1130, "HY000"},
		{1152, "08S01"},
		{1153, "08S01"},
		{1158, "08S01"},
		{1159, "08S01"},
		{1160, "08S01"},
		{1161, "08S01"},
		{1184, "08S01"},
		{1020, "HY000"},
		{1028, "HY000"},
		{1135, "HY000"},
		{1194, "HY000"},
		{1206, "HY000"},
		{1317, "70100"},
		{1412, "HY000"},
		{1615, "HY000"},
		{1927, "70100"},
		{1969, "70100"},
		{2006, "HY000"},
		{2013, "HY000"},
		{3024, "HY000"},
		{3169, "HY000"},
		{4031, "HY000"},
	}},
	"Group Replication and Galera": {numbers: []serverError{
		{3100, "HY000"},
		{3101, "40000"},
		{3092, "HY000"},
		{3093, "HY000"},
		{3796, "HY000"},
		{3797, "HY000"},
		{3950, "HY000"},
		{1180, "HY000"},
	}},
	"ProxySQL, MySQL Router, TiDB": {numbers: []serverError{
		{9001, "HY000"},
		{9006, "HY000"},
		{2003, "HY000"},
		{2055, "HY000"},
		{1815, "HY000"},
		{8002, "HY000"},
		{8005, "HY000"},
		{8022, "HY000"},
		{8024, "HY000"},
		{8027, "HY000"},
		{8028, "HY000"},
		{8229, "HY000"},
		{9002, "HY000"},
		{9003, "HY000"},
		{9004, "HY000"},
		{9005, "HY000"},
		{9007, "HY000"},
		{9008, "HY000"},
		{9010, "HY000"},
		{9012, "HY000"},
		{9013, "HY000"},
	}},
	"unknown":        {numbers: []serverError{{65000, "HY000"}, {4999, "99999"}, {1, ""}}},
	"syntax, schema": {permanent: true, nothing: true, numbers: []serverError{{1064, "42000"}, {1146, "42S02"}, {1054, "42S22"}, {1136, "21S01"}, {1049, "42000"}, {1176, "42000"}, {1193, "HY000"}, {1364, "HY000"}, {1356, "HY000"}, {1235, "42000"}}},
	"data":           {permanent: true, nothing: true, numbers: []serverError{{1062, "23000"}, {1048, "23000"}, {1264, "22003"}, {1292, "22007"}, {1366, "HY000"}, {1366, "22007"}, {1406, "22001"}, {1267, "HY000"}, {3988, "HY000"}, {3854, "HY000"}, {1265, "01000"}, {1526, "HY000"}, {1690, "22003"}, {3819, "HY000"}, {4025, "23000"}, {1369, "44000"}, {1452, "23000"}}},
}

// Each error is permanent or transient, and at a COMMIT it is ambiguous or says that nothing was
// written. The SQLSTATEs are from the manuals of MySQL 8.4 and MariaDB 11; those of proxies and TiDB
// were observed.
func TestErrors_OfServersAreClassified(t *testing.T) {
	t.Parallel()
	for name, c := range serverErrors {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, n := range c.numbers {
				err := refusal(n.number, n.state, "some words")
				require.Equal(t, !c.permanent, isTransient(err), "transient: %d", n.number)
				_, unanswered := errors.AsType[*ambiguousCommitError](classifyCommit(err))
				require.Equal(t, !c.nothing, unanswered, "in doubt at the COMMIT: %d", n.number)
			}
		})
	}
}

// An error may be ambiguous (at a commit: it is not known whether it was written) or transient (a retry
// may work).
func TestErrors_AmbiguousAndTransient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err                   error
		unanswered, transient bool
	}{
		"deadlock":                    {err: refusal(1213, "40001", "Deadlock found"), transient: true},
		"lock wait timeout":           {err: refusal(1205, "HY000", "Lock wait timeout"), transient: true},
		"lock with NOWAIT":            {err: refusal(3572, "HY000", "Statement aborted"), transient: true},
		"conflict in the group":       {err: refusal(3101, "40000", "Plugin instructed the server to rollback"), transient: true, unanswered: true},
		"the group failed":            {err: refusal(3100, "HY000", "Error on observer"), transient: true, unanswered: true},
		"conflict at the commit":      {err: refusal(1180, "HY000", `Got error 149 - "Lock deadlock" during COMMIT`), transient: true},
		"another error at the commit": {err: refusal(1180, "HY000", `Got error 5 - "I/O" during COMMIT`), transient: true, unanswered: true},
		"read only":                   {err: refusal(1290, "HY000", "--read-only"), transient: true},
		"read-only transaction":       {err: refusal(1792, "25006", "READ ONLY transaction"), transient: true},
		"not in the cluster":          {err: refusal(1047, "08S01", "WSREP has not yet prepared node"), transient: true},
		"shutting down":               {err: refusal(1053, "08S01", "Server shutdown in progress"), transient: true, unanswered: true},
		"interrupted":                 {err: refusal(1317, "70100", "Query execution was interrupted"), transient: true, unanswered: true},
		"duplicate":                   {err: refusal(1062, "23000", "Duplicate entry")},
		"too long":                    {err: refusal(1406, "22001", "Data too long")},
		"no such table":               {err: refusal(1146, "42S02", "Table doesn't exist")},
		"an unknown error":            {err: refusal(1105, "HY000", "Unknown error"), transient: true, unanswered: true},
		"too large to send":           {err: mysql.ErrPktTooLarge},
		"never sent":                  {err: driver.ErrBadConn, transient: true},
		"connection lost":             {err: mysql.ErrInvalidConn, transient: true, unanswered: true},
		"half an answer":              {err: io.ErrUnexpectedEOF, transient: true, unanswered: true},
		"network":                     {err: &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, transient: true, unanswered: true},
		"deadline":                    {err: context.DeadlineExceeded, transient: true, unanswered: true},
		"cancelled":                   {err: context.Canceled, transient: true, unanswered: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, unanswered := errors.AsType[*ambiguousCommitError](classifyCommit(c.err))
			require.Equal(t, c.unanswered, unanswered)
			require.ErrorIs(t, classifyCommit(c.err), c.err, "the cause is kept")
			require.Equal(t, c.transient, isTransient(c.err))
		})
	}
	require.NoError(t, classifyCommit(nil))
	for _, ours := range []error{payment.ErrFenced, ports.ErrNotFound, errors.New("a damaged row")} {
		require.False(t, isTransient(ours))
	}
}
