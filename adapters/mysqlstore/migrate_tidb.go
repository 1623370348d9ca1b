package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// TiDB differs from MySQL in three things that migrations need.

// prepareTiDB makes a connection accept the SERIALIZABLE transactions in which golang-migrate stores the
// schema's version. TiDB refuses that level (8048) unless this variable is set, and then uses REPEATABLE
// READ ("TiDB Transaction Isolation Levels"). The version is written under the lock of the migrations.
func prepareTiDB(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "SET tidb_skip_isolation_level_check = 1"); err != nil {
		return fmt.Errorf("permit the isolation level of the migrations: %w", err)
	}
	return nil
}

// Run implements database.Driver.
func (m *migrator) Run(migration io.Reader) error {
	m.changed = true
	if m.engine != engineTiDB {
		return m.Driver.Run(migration)
	}
	statement, err := io.ReadAll(migration)
	if err != nil {
		return fmt.Errorf("read the migration: %w", err)
	}
	for _, part := range splitKeyChange(string(statement)) {
		if err := m.Driver.Run(strings.NewReader(part)); err != nil {
			return err
		}
	}
	return nil
}

// Lock implements database.Driver.
func (m *migrator) Lock() error { return m.retryLock(m.Driver.Lock) }

// retryLock calls a function that takes the lock of the migrations. TiDB's GET_LOCK fails under contention
// instead of waiting ("pessimistic lock retry limit reached"), so that it is tried again there, for about
// as long as it waits elsewhere.
func (m *migrator) retryLock(lock func() error) error {
	const most = 80
	for tries := 1; ; tries++ {
		err := lock()
		if err == nil || m.engine != engineTiDB || tries == most || !pause(context.Background(), min(tries, maxTries)) {
			return err
		}
	}
}

// keyChange is an ALTER TABLE that replaces a key by one of the same name.
var keyChange = regexp.MustCompile(`(?s)^(.*ALTER TABLE \w+)\s+DROP KEY (\w+),\s+ADD KEY (\w+) (\([^)]+\));?\s*$`)

// splitKeyChange returns a statement, or three that have the same result if the statement replaces a key
// in one step, which TiDB refuses (1061). The old key is dropped after the new one is complete.
func splitKeyChange(statement string) []string {
	part := keyChange.FindStringSubmatch(statement)
	if len(part) == 0 || part[2] != part[3] {
		return []string{statement}
	}
	table, key, columns := part[1], part[2], part[4]
	return []string{
		table + " ADD KEY " + key + "_new " + columns,
		table + " DROP KEY " + key,
		table + " RENAME KEY " + key + "_new TO " + key,
	}
}
