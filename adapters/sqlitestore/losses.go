package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"paymentd/internal/schema"
)

const (
	insertLoss = "INSERT INTO " + schema.LossTable + " (table_name, row_count, dropped_at) VALUES (?, ?, ?)"
	listLosses = "SELECT table_name, row_count FROM " + schema.LossTable + " ORDER BY rowid"
)

// CountRows implements schema.Database.
func (m *migrator) CountRows(ctx context.Context, table string) (rows int64, err error) {
	var tables int
	err = m.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = ?", table).Scan(&tables)
	if err != nil || tables == 0 {
		return 0, err
	}
	err = m.conn.QueryRowContext(ctx, fmt.Sprintf("SELECT COUNT(*) FROM %q", table)).Scan(&rows)
	return rows, err
}

// AliveReplicas implements schema.Database. There are none, because the connection excludes other
// processes from the file.
func (m *migrator) AliveReplicas(context.Context, time.Duration) ([]string, error) { return nil, nil }

// RecordLoss implements schema.Database.
func (m *migrator) RecordLoss(ctx context.Context, lost []schema.Loss) error {
	if err := m.keep(m.execute("CREATE TABLE IF NOT EXISTS " + schema.LossTable +
		" (table_name TEXT NOT NULL, row_count INTEGER NOT NULL, dropped_at TEXT NOT NULL) STRICT")); err != nil {
		return err
	}
	for _, l := range lost {
		_, err := m.conn.ExecContext(ctx, insertLoss,
			l.Table, l.Rows, time.Now().UTC().Format(time.RFC3339))
		if err != nil {
			return m.keep(err)
		}
	}
	return nil
}

// RecordedLosses implements schema.Database.
func (m *migrator) RecordedLosses(ctx context.Context) (lost []schema.Loss, err error) {
	if n, err := m.CountRows(ctx, schema.LossTable); err != nil || n == 0 {
		return nil, err
	}
	return schema.ReadLosses(ctx, m.conn, listLosses)
}

// ForgetLosses implements schema.Database.
func (m *migrator) ForgetLosses(context.Context) error {
	return m.keep(m.execute("DROP TABLE " + schema.LossTable))
}
