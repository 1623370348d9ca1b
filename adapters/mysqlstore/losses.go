package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/golang-migrate/migrate/v4/database"

	"paymentd/internal/schema"
)

const (
	insertLoss = "INSERT INTO " + schema.LossTable + " (table_name, row_count, dropped_at) VALUES (?, ?, NOW(6))"
	listLosses = "SELECT table_name, row_count FROM " + schema.LossTable + " ORDER BY id"
)

// migrator is golang-migrate's driver, with the checks that a step back needs.
type migrator struct {
	database.Driver

	db     *sql.DB
	engine engine
	// changed: a migration has run.
	changed bool
}

// Close implements database.Driver.
func (m *migrator) Close() error { return errors.Join(m.Driver.Close(), m.db.Close()) }

// CountRows implements schema.Database.
func (m *migrator) CountRows(ctx context.Context, table string) (rows int64, err error) {
	err = m.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM `"+table+"`").Scan(&rows)
	if hasNumber(err, errNoSuchTable) {
		return 0, nil
	}
	return rows, err
}

// AliveReplicas implements schema.Database. It ignores heartbeats further ahead than the longest
// timeout that the settings permit, because a wrong clock has left them.
func (m *migrator) AliveReplicas(ctx context.Context, timeout time.Duration) (names []string, err error) {
	rows, err := m.db.QueryContext(ctx, "SELECT name FROM replicas WHERE beat_at > NOW(6) - INTERVAL ? MICROSECOND "+
		"AND beat_at < NOW(6) + INTERVAL 1 HOUR ORDER BY name", timeout.Microseconds())
	if hasNumber(err, errNoSuchTable) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// RecordLoss implements schema.Database.
func (m *migrator) RecordLoss(ctx context.Context, lost []schema.Loss) error {
	_, err := m.db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+schema.LossTable+
		" (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, table_name VARCHAR(64) NOT NULL, row_count BIGINT NOT NULL,"+
		" dropped_at DATETIME(6) NOT NULL) ENGINE = InnoDB")
	if err != nil {
		return err
	}
	for _, l := range lost {
		_, err := m.db.ExecContext(ctx, insertLoss,
			l.Table, l.Rows)
		if err != nil {
			return fmt.Errorf("record a loss: %w", err)
		}
	}
	return nil
}

// RecordedLosses implements schema.Database.
func (m *migrator) RecordedLosses(ctx context.Context) (lost []schema.Loss, err error) {
	lost, err = schema.ReadLosses(ctx, m.db, listLosses)
	if hasNumber(err, errNoSuchTable) {
		return nil, nil
	}
	return lost, err
}

// ForgetLosses implements schema.Database.
func (m *migrator) ForgetLosses(ctx context.Context) error {
	_, err := m.db.ExecContext(ctx, "DROP TABLE "+schema.LossTable)
	return err
}
