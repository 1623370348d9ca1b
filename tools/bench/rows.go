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

const rowsClients = 64

// rows is a table that holds many payments beside an empty one, on the same server.
type rows struct {
	Rows      int     `json:"rows"`
	Clients   int     `json:"clients"`
	Full      spread  `json:"full_payments_per_second"`
	Empty     spread  `json:"empty_payments_per_second"`
	Ratio     spread  `json:"ratio"` // of full to empty, round by round
	DataBytes float64 `json:"data_bytes"`
	// IndexBytes is of the indexes besides the primary key.
	IndexBytes float64 `json:"index_bytes"`
	BufferPool string  `json:"buffer_pool"`
}

func (r *rig) rows(ctx context.Context, found *report) (err error) {
	full, err := r.newSystem(ctx, "full", 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, full.stop()) }()
	empty, err := r.newSystem(ctx, "empty", 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, empty.stop()) }()
	if err := r.fill(ctx, full); err != nil {
		return fmt.Errorf("fill the table: %w", err)
	}
	out := &rows{Rows: r.options.Rows, Clients: rowsClients, BufferPool: r.options.BufferPool}
	if err := r.rowsRounds(ctx, full, empty, out, found); err != nil {
		return err
	}
	found.Special.Rows = out
	// What it says of a table's size is as old as its statistics.
	if _, err := r.db.ExecContext(ctx, "ANALYZE TABLE full.payments"); err != nil {
		return err
	}
	return r.db.QueryRowContext(ctx, "SELECT DATA_LENGTH, INDEX_LENGTH FROM information_schema.TABLES "+
		"WHERE TABLE_SCHEMA = 'full' AND TABLE_NAME = 'payments'").Scan(&out.DataBytes, &out.IndexBytes)
}

// rowsRounds lets both take turns.
func (r *rig) rowsRounds(ctx context.Context, full, empty *system, out *rows, found *report) error {
	systems := []*system{full, empty}
	perSecond, answers, errs := [2][]float64{}, [2]int{1 + r.options.Rows, 0}, [2]int{}
	for round := range r.options.Rounds {
		r.say("%d rows: round %d of %d", r.options.Rows, round+1, r.options.Rounds)
		for i, s := range systems {
			t, err := r.serviceTurn(ctx, s, rowsClients)
			if err != nil {
				return err
			}
			perSecond[i] = append(perSecond[i], t.perSecond())
			answers[i] += t.answered
			errs[i] += t.errors
		}
	}
	out.Full, out.Empty = spreadOf(perSecond[0]), spreadOf(perSecond[1])
	out.Ratio = ratios(perSecond[0], perSecond[1])
	for i, what := range []string{"full table", "empty table"} {
		a, err := auditOf(ctx, what, systems[i], answers[i], errs[i])
		if err != nil {
			return err
		}
		if i == 0 { // what the table was filled with has been charged by nobody
			a.Charges, a.Charged = a.Charges+r.options.Rows, a.Charged+r.options.Rows
		}
		found.Audits = append(found.Audits, a)
	}
	return nil
}

// chunk is how many rows a statement of fill adds; a power of two.
const chunk = 1 << 17

// fill multiplies one real payment. The copies have ids of the same form as those to come, and
// lie among them; they are added in the order of the primary key, and without a flush at each
// commit, as that is faster and makes the same table.
func (r *rig) fill(ctx context.Context, s *system) (err error) {
	first := burst(ctx, newHTTPPayer(s.replica.url, 1), 1, func() string { return r.orders.next(ours) })
	if first.err != nil {
		return first.err
	}
	db, err := openDatabase(s.database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	names, err := columns(ctx, db)
	if err != nil {
		return fmt.Errorf("read the columns: %w", err)
	}
	if err := prepareCopies(ctx, db, names); err != nil {
		return fmt.Errorf("prepare the copies: %w", err)
	}
	statement := copyStatement(names)
	if _, err := db.ExecContext(ctx, "SET GLOBAL innodb_flush_log_at_trx_commit = 2"); err != nil {
		return err
	}
	step := math.MaxUint64 / uint64(r.options.Rows) //nolint:gosec // it is above zero
	for from := 0; from < r.options.Rows; from += chunk {
		count := min(chunk, r.options.Rows-from)
		r.say("%d of %d rows are there", from, r.options.Rows)
		if _, err := db.ExecContext(ctx, statement, from, step, count); err != nil {
			return err
		}
	}
	if _, err := db.ExecContext(ctx, "SET GLOBAL innodb_flush_log_at_trx_commit = 1"); err != nil {
		return err
	}
	return r.comeToRest(ctx)
}

// comeToRest waits until the server has written what fill has changed, which would take its time
// and the disk's from what is measured next. It lets it write as fast as it can, meanwhile.
func (r *rig) comeToRest(ctx context.Context) (err error) {
	const few = 500 // pages of 16 KiB
	var percent, capacity, most float64
	if err := r.db.QueryRowContext(ctx, "SELECT @@innodb_max_dirty_pages_pct, @@innodb_io_capacity, @@innodb_io_capacity_max").
		Scan(&percent, &capacity, &most); err != nil {
		return err
	}
	set := func(percent, capacity, most float64) error {
		_, err := r.db.ExecContext(ctx, fmt.Sprintf("SET GLOBAL innodb_io_capacity_max = %.0f, "+
			"GLOBAL innodb_io_capacity = %.0f, GLOBAL innodb_max_dirty_pages_pct = %f", most, capacity, percent))
		return err
	}
	if err := set(0, 20_000, 20_000); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set(percent, capacity, most)) }()
	for {
		var name string
		var dirty int
		if err := r.db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'").Scan(&name, &dirty); err != nil {
			return err
		}
		if dirty < few {
			return nil
		}
		r.say("the server has %d pages to write", dirty)
		if err := sleep(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}

// columns are those of the payments, in their order.
func columns(ctx context.Context, db *sql.DB) (names []string, err error) {
	found, err := db.QueryContext(ctx, "SELECT COLUMN_NAME FROM information_schema.COLUMNS "+
		"WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'payments' ORDER BY ORDINAL_POSITION")
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }()
	for found.Next() {
		var name string
		if err := found.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, found.Err()
}

// prepareCopies makes a table of the numbers below chunk, and one of the payment that is there.
func prepareCopies(ctx context.Context, db *sql.DB, names []string) error {
	list := strings.Join(names, ", ")
	statements := []string{
		"CREATE TABLE template LIKE payments",
		"INSERT INTO template (" + list + ") SELECT " + list + " FROM payments",
		"CREATE TABLE numbers (n BIGINT UNSIGNED NOT NULL PRIMARY KEY)",
		"INSERT INTO numbers VALUES (0)",
	}
	for n := 1; n < chunk; n *= 2 {
		statements = append(statements, fmt.Sprintf("INSERT INTO numbers SELECT n + %d FROM numbers", n))
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// copyStatement copies the template for a range of numbers. Its values are the first of them,
// the distance of ids, and how many.
func copyStatement(names []string) string {
	differ := map[string]string{
		"order_id":            "CONCAT('" + ours + "-', LOWER(LPAD(HEX(i.n * i.step), 16, '0')))",
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

func (r *rows) text(p *page) {
	p.line("\n%d payments in the table (%.0f MB, and %.0f MB of indexes; buffer pool %s), %d clients, gateway 0 ms:",
		r.Rows, r.DataBytes/1e6, r.IndexBytes/1e6, r.BufferPool, r.Clients)
	p.line("  %.0f payments/s, %.0f with an empty table: %s times", r.Full.Median, r.Empty.Median, r.Ratio.text())
}
