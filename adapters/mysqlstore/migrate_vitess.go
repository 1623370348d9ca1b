package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// planned limits the wait for the columns of a migration.
const planned = 30 * time.Second

// Unlock implements database.Driver. On Vitess, it first waits until the service's statements can be
// planned: VTGate learns of new tables and columns from the tablets some time after a migration ("Schema
// Tracking", Vitess manual), and refuses them until then (1054, 1146).
func (m *migrator) Unlock() error {
	var late error
	if m.engine == engineVitess && m.changed {
		ctx, cancel := context.WithTimeout(context.Background(), planned)
		defer cancel()
		if err := m.awaitColumns(ctx); err != nil {
			late = fmt.Errorf("wait until VTGate knows the new columns: %w", err)
		}
	}
	return errors.Join(late, m.releaseLock())
}

// releaseLock releases the lock of the migrations. With other statements of the connection, VTGate sends heartbeats to
// the shard that has the lock (--lock-heartbeat-time), and does not wait for their answers; the shard refuses
// RELEASE_LOCK during one (1317, "in use"). It is then sent again.
func (m *migrator) releaseLock() error {
	for tries := 1; ; tries++ {
		err := m.Driver.Unlock()
		if err == nil || m.engine != engineVitess || tries == maxTries || !pause(context.Background(), tries) {
			return err
		}
	}
}

// awaitColumns waits until VTGate knows every column that the shards have.
func (m *migrator) awaitColumns(ctx context.Context) error {
	tables, err := firstColumn(ctx, m.db, "SHOW TABLES")
	if err != nil {
		return err
	}
	for _, table := range tables {
		columns, err := firstColumn(ctx, m.db, "SHOW COLUMNS FROM `"+table+"`")
		if err != nil {
			return err
		}
		query := "SELECT `" + strings.Join(columns, "`, `") + "` FROM `" + table + "` WHERE 1 <> 1"
		for tries := 1; ; tries++ {
			if _, err = firstColumn(ctx, m.db, query); err == nil {
				break
			}
			if !pause(ctx, min(tries, maxTries)) {
				return err
			}
		}
	}
	return nil
}

// firstColumn returns the texts in the first column of a result, whose other columns are ignored.
func firstColumn(ctx context.Context, db *sql.DB, query string) (texts []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var text sql.NullString
	into := []any{&text}
	for range names[1:] {
		into = append(into, new(sql.RawBytes))
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		texts = append(texts, text.String)
	}
	return texts, rows.Err()
}
