package bench

import (
	"database/sql"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	rowsClients = 64
	chunk       = 1 << 17 // rows per statement of fill; a power of two
	// maxDirtyPages of 16 KiB may be left to write when the rows are measured.
	maxDirtyPages = 500
)

// measureRows compares a table that holds many payments with an empty one, on the same server.
func (h *harness) measureRows(t *testing.T) {
	t.Helper()
	full, empty := h.start(t, setup{name: "full", full: h.full}), h.start(t, setup{name: "empty", full: h.full})
	contenders := []*contender{full.service("full"), empty.service("empty")}
	contenders[0].fill(t, h.rows)
	r := h.rounds(t, rowsClients, full, contenders...)
	full.audit(t, h.rows, contenders...)
	// The statistics have the sizes of the tables, as of the last ANALYZE.
	execute(t, h.db, "ANALYZE TABLE full.payments")
	var data, index float64
	require.NoError(t, h.db.QueryRowContext(t.Context(), "SELECT DATA_LENGTH, INDEX_LENGTH FROM information_schema.TABLES "+
		"WHERE TABLE_SCHEMA = 'full' AND TABLE_NAME = 'payments'").Scan(&data, &index))
	title := fmt.Sprintf("%d payments in the table, beside an empty one; buffer pool %s", h.rows, h.bufferPool)
	writeRows(os.Stdout, title, r)
	writeFigures(os.Stdout, "Its size", figure{"table", data / 1e6, "MB"}, figure{"its secondary indexes", index / 1e6, "MB"})
}

// fill copies one real payment. The ids of the copies have the form of those to come, and lie among
// them. The copies are inserted in the order of the primary key and without a flush at each commit,
// which is faster and makes the same table.
func (c *contender) fill(t *testing.T, count int) {
	t.Helper()
	c.burst(t.Context(), 1)
	h := c.system.harness
	db := openDatabase(t, c.system.database, true)
	names := columns(t, db)
	list := strings.Join(names, ", ")
	execute(t, db, "CREATE TABLE template LIKE payments")
	execute(t, db, "INSERT INTO template ("+list+") SELECT "+list+" FROM payments")
	execute(t, db, "CREATE TABLE numbers (n BIGINT UNSIGNED NOT NULL PRIMARY KEY)")
	execute(t, db, "INSERT INTO numbers VALUES (0)")
	for n := 1; n < chunk; n *= 2 {
		execute(t, db, "INSERT INTO numbers SELECT n + ? FROM numbers", n)
	}
	h.tune(t, "innodb_flush_log_at_trx_commit = 2", "innodb_io_capacity_max = 20000", "innodb_io_capacity = 20000", "innodb_max_dirty_pages_pct = 0")
	insert := copyStatement(c.name, names)
	step := math.MaxUint64 / uint64(count)
	for from := 0; from < count; from += chunk {
		t.Logf("%d of %d rows are inserted", from, count)
		execute(t, db, insert, from, step, min(chunk, count-from))
	}
	// The pages would otherwise be written while the next figures are measured.
	for r := (reading{dirtyPages: math.Inf(1)}); r[dirtyPages] > maxDirtyPages; h.readCounters(t, r) {
		require.NoError(t, sleep(t.Context(), 2*time.Second))
	}
	h.tune(t, "innodb_flush_log_at_trx_commit = 1", "innodb_io_capacity = DEFAULT", "innodb_io_capacity_max = DEFAULT", "innodb_max_dirty_pages_pct = DEFAULT")
}

// tune sets global variables of the server.
func (h *harness) tune(t *testing.T, settings ...string) {
	t.Helper()
	for _, setting := range settings {
		execute(t, h.db, "SET GLOBAL "+setting)
	}
}

// columns returns the columns of the payments in their order.
func columns(t *testing.T, db *sql.DB) []string {
	t.Helper()
	var list string
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT GROUP_CONCAT(COLUMN_NAME ORDER BY ORDINAL_POSITION) "+
		"FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'payments'").Scan(&list))
	return strings.Split(list, ",")
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
