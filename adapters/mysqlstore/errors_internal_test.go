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

// TestWhatAnErrorSays: an error may be unanswered (at a commit: nobody knows what was
// written) or passing (it may not come again).
func TestWhatAnErrorSays(t *testing.T) {
	t.Parallel()
	refusal := func(number uint16, state, message string) error {
		e := &mysql.MySQLError{Number: number, Message: message}
		copy(e.SQLState[:], state)
		return fmt.Errorf("some statement: %w", e)
	}
	for name, c := range map[string]struct {
		err                 error
		unanswered, passing bool
	}{
		"deadlock":                    {err: refusal(1213, "40001", "Deadlock found"), passing: true},
		"lock wait timeout":           {err: refusal(1205, "HY000", "Lock wait timeout"), passing: true},
		"lock not to be had":          {err: refusal(3572, "HY000", "Statement aborted"), passing: true},
		"conflict in the group":       {err: refusal(3101, "40000", "Plugin instructed the server to rollback"), passing: true, unanswered: true},
		"the group failed":            {err: refusal(3100, "HY000", "Error on observer"), passing: true, unanswered: true},
		"conflict at the commit":      {err: refusal(1180, "HY000", `Got error 149 - "Lock deadlock" during COMMIT`), passing: true},
		"another error at the commit": {err: refusal(1180, "HY000", `Got error 5 - "I/O" during COMMIT`), passing: true, unanswered: true},
		"read only":                   {err: refusal(1290, "HY000", "--read-only"), passing: true},
		"read-only transaction":       {err: refusal(1792, "25006", "READ ONLY transaction"), passing: true},
		"not in the cluster":          {err: refusal(1047, "08S01", "WSREP has not yet prepared node"), passing: true},
		"shutting down":               {err: refusal(1053, "08S01", "Server shutdown in progress"), passing: true, unanswered: true},
		"interrupted":                 {err: refusal(1317, "70100", "Query execution was interrupted"), passing: true, unanswered: true},
		"duplicate":                   {err: refusal(1062, "23000", "Duplicate entry")},
		"too long":                    {err: refusal(1406, "22001", "Data too long")},
		"no such table":               {err: refusal(1146, "42S02", "Table doesn't exist")},
		"an unknown error":            {err: refusal(1105, "HY000", "Unknown error"), unanswered: true},
		"never sent":                  {err: driver.ErrBadConn, passing: true},
		"connection lost":             {err: mysql.ErrInvalidConn, passing: true, unanswered: true},
		"half an answer":              {err: io.ErrUnexpectedEOF, passing: true, unanswered: true},
		"network":                     {err: &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, passing: true, unanswered: true},
		"deadline":                    {err: context.DeadlineExceeded, passing: true, unanswered: true},
		"cancelled":                   {err: context.Canceled, passing: true, unanswered: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, unanswered := errors.AsType[*unansweredError](atCommit(c.err))
			require.Equal(t, c.unanswered, unanswered)
			require.ErrorIs(t, atCommit(c.err), c.err, "the cause is kept")
			require.Equal(t, c.passing, passing(c.err))
		})
	}
	require.NoError(t, atCommit(nil))
	for _, ours := range []error{payment.ErrFenced, ports.ErrNotFound, errors.New("a damaged row")} {
		require.False(t, passing(ours))
	}
}
