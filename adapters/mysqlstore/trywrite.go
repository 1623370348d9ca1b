package mysqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/ports"
)

// probes are one statement of each kind that a payment or another operation needs, on each table. They match no row; the
// server checks the user's rights, and whether it is read-only, all the same. Most name no column, so
// that they fit every version of the schema.
var probes = []string{
	"INSERT INTO payments SELECT * FROM payments WHERE order_id = ''",
	"UPDATE payments SET reason = '' WHERE order_id = ''",
	"INSERT INTO attempts SELECT * FROM attempts WHERE order_id = ''",
	"INSERT INTO events SELECT * FROM events WHERE order_id = ''",
	"INSERT INTO gateway_keys SELECT * FROM gateway_keys WHERE order_id = ''",
	"UPDATE gateway_keys SET due_at = NULL WHERE order_id = ''",
	"INSERT INTO operations SELECT * FROM operations WHERE order_id = ''",
	"UPDATE operations SET reason = '' WHERE order_id = ''",
	"INSERT INTO operation_attempts SELECT * FROM operation_attempts WHERE order_id = ''",
	"INSERT INTO operation_events SELECT * FROM operation_events WHERE order_id = ''",
	"INSERT INTO operation_keys SELECT * FROM operation_keys WHERE order_id = ''",
	"UPDATE operation_keys SET due_at = NULL WHERE order_id = ''",
	"INSERT INTO outbox SELECT * FROM outbox WHERE order_id = ''",
	"UPDATE outbox SET due_at = NULL WHERE order_id = ''",
	"UPDATE endpoints SET failing_since = NULL WHERE id = ''",
	"UPDATE replicas SET beat_at = NOW(6) WHERE name = ''",
	"DELETE FROM replicas WHERE name = ''",
}

// TryWrite implements ports.Payments. It inserts a replica whose name no other call uses, so that it
// waits for no lock.
func (s *Payments) TryWrite(ctx context.Context) error {
	err := s.retry(ctx, ctx, func(waiting, using context.Context) error {
		return s.onConn(waiting, using, tryWrite)
	})
	if err == nil {
		return nil
	}
	err = s.withReadOnlyReason(ctx, err)
	if !errors.Is(err, ports.ErrUnavailable) && !errors.Is(err, ports.ErrInDoubt) {
		err = fmt.Errorf("%w: %w", ports.ErrNotWritable, err) // no write works with this schema or setting
	}
	return fmt.Errorf("try a write: %w", err)
}

// withReadOnlyReason names the settings that make the server read-only, if that caused err. The driver
// replaces the server's own error by driver.ErrBadConn, to reconnect elsewhere (RejectReadOnly).
func (s *Payments) withReadOnlyReason(ctx context.Context, err error) error {
	if !errors.Is(err, driver.ErrBadConn) || errors.Is(err, ports.ErrInDoubt) {
		return err
	}
	if held := s.readOnlySettings(ctx); held != "" {
		return fmt.Errorf("%w: the server is read-only: %s", ports.ErrNotWritable, held)
	}
	return err
}

func tryWrite(ctx context.Context, conn *sql.Conn) error {
	if err := reloadRights(ctx, conn); err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, probe := range probes {
		if _, err := tx.ExecContext(ctx, probe); err != nil {
			return err
		}
	}
	return queries.New(tx).Heartbeat(ctx, fmt.Sprintf("paymentd-try-write-%x", newToken()))
}

// reloadRights selects the database again, because a connection keeps the rights on a database from when
// it was selected ("When Privilege Changes Take Effect", MySQL manual). Without it, the probes of a
// connection that was opened before a REVOKE succeed until the connection is closed.
func reloadRights(ctx context.Context, conn *sql.Conn) error {
	var database string
	if err := conn.QueryRowContext(ctx, "SELECT DATABASE()").Scan(&database); err != nil {
		return fmt.Errorf("read the name of the database: %w", err)
	}
	if _, err := conn.ExecContext(ctx, "USE `"+strings.ReplaceAll(database, "`", "``")+"`"); err != nil {
		return fmt.Errorf("select the database: %w", err)
	}
	return nil
}

// readOnlySettings returns the names of the settings that make the server read-only.
func (s *Payments) readOnlySettings(ctx context.Context) string {
	var seen server
	err := s.onConn(ctx, ctx, func(ctx context.Context, conn *sql.Conn) error {
		seen = server{variables: make(map[string]string)}
		return seen.readVariables(ctx, conn)
	})
	if err != nil {
		return ""
	}
	return strings.Join(readOnlySwitches(seen), ", ")
}

// denials are errors of a server that answers, but does not let this user write, or has no disk
// space. Nothing was written, and nothing can be until an operator changes that.
var denials = map[uint16]string{
	1021: "its disk is full",                              // ER_DISK_FULL
	1036: "the table is read-only",                        // ER_OPEN_AS_READONLY: MariaDB with innodb_read_only
	1044: "this user has no right to the database",        // ER_DBACCESS_DENIED_ERROR
	1114: "a table, or the disk, is full",                 // ER_RECORD_FILE_FULL
	1049: "the database is missing",                       // ER_BAD_DB_ERROR
	1054: "a column is missing",                           // ER_BAD_FIELD_ERROR
	1142: "this user has no right to write there",         // ER_TABLEACCESS_DENIED_ERROR
	1143: "this user has no right to write there",         // ER_COLUMNACCESS_DENIED_ERROR
	1146: "a table is missing",                            // ER_NO_SUCH_TABLE
	1227: "this user has no right to that",                // ER_SPECIFIC_ACCESS_DENIED_ERROR
	1290: "the server is read-only",                       // ER_OPTION_PREVENTS_STATEMENT
	1665: "binlog_format is STATEMENT",                    // ER_BINLOG_STMT_MODE_AND_ROW_ENGINE
	1792: "the transaction is read-only",                  // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
	1836: "the server is read-only",                       // ER_READ_ONLY_MODE
	1874: "InnoDB is read-only",                           // ER_INNODB_READ_ONLY
	1881: "InnoDB is under repair: innodb_force_recovery", // ER_INNODB_FORCED_RECOVERY
	8121: "this user has no right to write there",         // ErrPrivilegeCheckFail (TiDB)
	3098: "the server refuses writes to the table",        // ER_BEFORE_DML_VALIDATION_ERROR
}

// reconnect closes the idle connections. A connection keeps the database rights that its user had
// when it was opened, so that after a GRANT or a REVOKE some connections may write and others may not
// ("When Privilege Changes Take Effect").
func (s *Payments) reconnect() {
	s.db.SetMaxIdleConns(0)
	s.db.SetMaxIdleConns(s.db.Stats().MaxOpenConnections)
}

// asNotWritable wraps the error of a server that answers and refuses writes. It returns nil for other
// errors.
func asNotWritable(err error) error {
	refusal, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return nil
	}
	why, known := denials[refusal.Number]
	noSpace := (refusal.Number == 1030 || refusal.Number == 1026 || refusal.Number == 3) &&
		(strings.Contains(refusal.Message, "28") || strings.Contains(refusal.Message, "No space"))
	switch {
	case noSpace: // ER_GET_ERRNO, ER_ERROR_ON_WRITE, EE_WRITE with ENOSPC
		why = "its disk is full"
	case !known:
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ports.ErrNotWritable, why, err)
}
