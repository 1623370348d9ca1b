package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

const (
	rowsClients = 64
	chunk       = 1 << 17 // rows per statement of fill; a power of two
)

// rows compares a table that holds many payments with an empty one, on the same server.
func (h *harness) rows(ctx context.Context, found *report) error {
	return h.with(ctx, setup{name: "full", full: h.options.Full}, func(full *system) error {
		return h.with(ctx, setup{name: "empty", full: h.options.Full}, func(empty *system) error {
			contenders := []*contender{full.service("full"), empty.service("empty")}
			if err := contenders[0].fill(ctx, h.options.Rows); err != nil {
				return fmt.Errorf("fill the table: %w", err)
			}
			r, err := h.rounds(ctx, rowsClients, full, contenders...)
			if err != nil {
				return err
			}
			if err := found.audit(ctx, contenders...); err != nil {
				return err
			}
			a := &found.Audits[len(found.Audits)-2] // of the full table, whose copies have no charge
			a.Paid, a.Charges, a.Charged = a.Paid+h.options.Rows, a.Charges+h.options.Rows, a.Charged+h.options.Rows
			// The statistics have the sizes of the tables, as of the last ANALYZE.
			if _, err := h.db.ExecContext(ctx, "ANALYZE TABLE full.payments"); err != nil {
				return err
			}
			var data, index float64
			if err := h.db.QueryRowContext(ctx, "SELECT DATA_LENGTH, INDEX_LENGTH FROM information_schema.TABLES "+
				"WHERE TABLE_SCHEMA = 'full' AND TABLE_NAME = 'payments'").Scan(&data, &index); err != nil {
				return err
			}
			found.Sections = append(found.Sections, section{
				Title: fmt.Sprintf("%d payments in the table, beside an empty one; buffer pool %s", h.options.Rows, h.options.BufferPool),
				Rows:  []row{r}, Figures: []figure{{"table", data / 1e6, "MB"}, {"its secondary indexes", index / 1e6, "MB"}},
			})
			return nil
		})
	})
}

// fill copies one real payment. The ids of the copies have the form of those to come, and lie among
// them. The copies are inserted in the order of the primary key and without a flush at each commit,
// which is faster and makes the same table.
func (c *contender) fill(ctx context.Context, count int) (err error) {
	if _, err := c.burst(ctx, 1); err != nil {
		return err
	}
	h := c.system.harness
	db, err := openDatabase(c.database, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	names, err := columns(ctx, db)
	if err != nil {
		return fmt.Errorf("read the columns: %w", err)
	}
	list := strings.Join(names, ", ")
	statements := []string{
		"CREATE TABLE template LIKE payments",
		"INSERT INTO template (" + list + ") SELECT " + list + " FROM payments",
		"CREATE TABLE numbers (n BIGINT UNSIGNED NOT NULL PRIMARY KEY)",
		"INSERT INTO numbers VALUES (0)",
		"SET GLOBAL innodb_flush_log_at_trx_commit = 2",
	}
	for n := 1; n < chunk; n *= 2 {
		statements = append(statements, fmt.Sprintf("INSERT INTO numbers SELECT n + %d FROM numbers", n))
	}
	if err := execute(ctx, c.database, statements...); err != nil {
		return fmt.Errorf("prepare the copies: %w", err)
	}
	insert := copyStatement(c.name, names)
	step := math.MaxUint64 / uint64(count) //nolint:gosec // it is above zero
	for from := 0; from < count; from += chunk {
		h.say("%d of %d rows are inserted", from, count)
		if _, err := db.ExecContext(ctx, insert, from, step, min(chunk, count-from)); err != nil {
			return err
		}
	}
	if err := execute(ctx, c.database, "SET GLOBAL innodb_flush_log_at_trx_commit = 1"); err != nil {
		return err
	}
	return h.waitIdle(ctx)
}

// waitIdle waits until the server has written the pages that fill has changed, which would otherwise
// use processors and the disk while the next figures are measured. It raises the server's limits on
// writing meanwhile.
func (h *harness) waitIdle(ctx context.Context) (err error) {
	const few = 500 // pages of 16 KiB
	var percent, capacity, most float64
	if err := h.db.QueryRowContext(ctx, "SELECT @@innodb_max_dirty_pages_pct, @@innodb_io_capacity, @@innodb_io_capacity_max").
		Scan(&percent, &capacity, &most); err != nil {
		return err
	}
	set := func(percent, capacity, most float64) error {
		_, err := h.db.ExecContext(ctx, fmt.Sprintf("SET GLOBAL innodb_io_capacity_max = %.0f, "+
			"GLOBAL innodb_io_capacity = %.0f, GLOBAL innodb_max_dirty_pages_pct = %f", most, capacity, percent))
		return err
	}
	if err := set(0, 20_000, 20_000); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set(percent, capacity, most)) }()
	for {
		status := make(map[string]float64)
		if err := scanPairs(ctx, h.db, "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'", status); err != nil {
			return err
		}
		for _, dirty := range status {
			if dirty < few {
				return nil
			}
			h.say("the server has %.0f pages to write", dirty)
		}
		if err := sleep(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}

// columns returns the columns of the payments in their order.
func columns(ctx context.Context, db *sql.DB) (names []string, err error) {
	var list string
	err = db.QueryRowContext(ctx, "SELECT GROUP_CONCAT(COLUMN_NAME ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS "+
		"WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'payments'").Scan(&list)
	return strings.Split(list, ","), err
}

// copyStatement inserts copies of the template for a range of numbers. Its parameters are the first
// number, the distance of ids, and the count.
func copyStatement(prefix string, names []string) string {
	differ := map[string]string{
		"order_id":            "CONCAT('" + prefix + "-', LOWER(LPAD(HEX(i.n * i.step), 16, '0')))",
		"gateway_key":         "CONCAT('key-', i.n)",
		"attempt_gateway_key": "CONCAT('key-', i.n)",
		"transaction_id":      "CONCAT('txn-', i.n)",
		"created_at":          "t.created_at - INTERVAL 400 DAY + INTERVAL i.n SECOND",
		"updated_at":          "t.updated_at - INTERVAL 400 DAY + INTERVAL i.n SECOND",
	}
	values := make([]string, len(names))
	for i, name := range names {
		values[i] = "t." + name
		if other, ok := differ[name]; ok {
			values[i] = other
		}
	}
	return "INSERT INTO payments (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(values, ", ") +
		" FROM (SELECT n + ? AS n, ? AS step FROM numbers WHERE n < ? ORDER BY n) i STRAIGHT_JOIN template t"
}
