package app_test

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

const (
	// manyRows is the number of payments that the audit compares unless AUDIT_ROWS is set.
	manyRows = 20_000
	// manyTime bounds the audit, for a million payments as well.
	manyTime = time.Minute
	// manyMegabytes bounds the memory of the audit.
	manyMegabytes = 200
)

// TestAudit_ManyRows_TimeAndMemory compares many payments, with differences among them, and prints the time and the
// memory. `make bench/audit` sets AUDIT_ROWS to a million.
func TestAudit_ManyRows_TimeAndMemory(t *testing.T) { //nolint:paralleltest // it measures
	rows := manyRows
	if given := os.Getenv("AUDIT_ROWS"); given != "" {
		var err error
		rows, err = strconv.Atoi(given)
		require.NoError(t, err, "AUDIT_ROWS")
	}
	for name, database := range map[string]func() string{
		"sqlite": func() string { return "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db") },
		"mysql":  func() string { return mysqltest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			m := plantMany(t, database(), rows)
			before := time.Now()
			out, processor, megabytes := m.audit(t)
			took := time.Since(before)
			var r auditReport
			require.NoError(t, json.Unmarshal(out, &r))
			require.Equal(t, m.want, r.kinds())
			t.Logf("%s: %d charges and %d payments compared in %.1f s (%.1f s of its own processor time) with %d MB; %d differences, %d lookups",
				name, r.Audits[0].Charges, r.Audits[0].Payments, took.Seconds(), processor.Seconds(), megabytes, len(r.kinds()), r.Audits[0].Lookups)
			require.Less(t, took, manyTime)
			require.Less(t, megabytes, manyMegabytes)
		})
	}
}

// many is a database and a gateway server with many payments.
type many struct {
	auditShop

	want []string
}

// refundedEvery is how many copies there are for each that was refunded.
const refundedEvery = 10

// plantMany makes one payment and its refund through the service, copies both in the tables and in the ledger of the
// gateway, and plants differences.
func plantMany(t *testing.T, database string, rows int) many {
	t.Helper()
	folder := t.TempDir()
	ledger := filepath.Join(folder, "gateway.ledger")
	variables := env{"PAYMENTD_SANDBOX_LEDGER": ledger}
	gateway := apptest.Start(t, apptest.Build(t), variables, "sandbox")
	gateway.WaitReady(t)
	m := many{auditShop: auditShop{t: t, folder: folder, variables: env{
		"PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_DATABASE": database, "PAYMENTD_LATE": "1ms",
	}}}
	p := serve(t, m.variables)
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-0", "10.00").Code)
	refund := apptest.Ask(t.Context(), http.MethodPost, p.URL+"/payments/order-0/refunds", `{"refund_id":"r-0","amount":1.00}`,
		"Content-Type", "application/json")
	require.Equal(t, http.StatusOK, refund.Code, refund)
	require.Zero(t, p.Stop(t))
	require.Zero(t, gateway.Stop(t))

	names := m.plant(t, openDatabase(t, database), rows)
	require.NoError(t, appendLedger(ledger, names, rows))
	gateway.Restart(t).WaitReady(t)
	return m
}

// plant copies the payment, and makes the planted differences that need no other gateway. It returns the names of
// the copies that are not called after their number.
func (m *many) plant(t *testing.T, db *sql.DB, rows int) map[int]string {
	t.Helper()
	execute := func(statement string) {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	execute(copyStatement(t, db, "payments", rows, map[string]string{
		"order_id": "CONCAT('order-', n.i)", "gateway_key": "CONCAT('key-', n.i)", "transaction_id": "CONCAT('txn-', n.i + 1)",
		"refund_reserved_minor": fmt.Sprintf("CASE WHEN n.i %% %d = 0 THEN refund_reserved_minor ELSE 0 END", refundedEvery),
	}) + fmt.Sprintf(" AND n.i BETWEEN 1 AND %d", rows))
	execute(copyStatement(t, db, "operations", rows, map[string]string{
		"order_id": "CONCAT('order-', n.i)", "charge_key": "CONCAT('key-', n.i)", "gateway_key": "CONCAT('refund-key-', n.i)",
	}) + fmt.Sprintf(" AND n.i BETWEEN 1 AND %d AND n.i %% %d = 0", rows, refundedEvery))
	names := make(map[int]string)
	rename := func(name string) {
		n := rows / 2 // in the middle of the period
		for ; names[n] != ""; n++ {
			continue
		}
		names[n] = name
		for _, table := range []string{"payments", "operations"} {
			execute(fmt.Sprintf("UPDATE %s SET order_id = '%s' WHERE order_id = 'order-%d'", table, name, n))
		}
	}
	order := regexp.MustCompile(`WHERE order_id = '([^']+)'$`)
	for _, planted := range plantedDifferences {
		name, _, _ := strings.Cut(planted.want, ":")
		if slices.Contains([]string{"no", "pending", "voided"}, name) {
			continue // the copies were all charged
		}
		if match := order.FindStringSubmatch(planted.change); match != nil {
			name = match[1]
		}
		for _, name := range []string{name, "shared-1"} {
			if known := slices.Contains(valuesOf(names), name); !known && (name != "shared-1" || strings.Contains(planted.change, name)) {
				rename(name)
			}
		}
		change := strings.ReplaceAll(planted.change, "4000000000000000", farDue(db))
		if strings.HasPrefix(planted.want, "shared-1") && isMySQL(db) { // it refuses a subquery of the table that is updated
			change = strings.Replace(change, "FROM payments", "FROM (SELECT order_id, transaction_id FROM payments) AS p", 1)
		}
		if change != "" {
			execute(change)
		}
		m.want = append(m.want, planted.want)
	}
	slices.Sort(m.want)
	return names
}

func valuesOf(names map[int]string) (all []string) {
	for _, name := range names {
		all = append(all, name)
	}
	return all
}

func isMySQL(db *sql.DB) bool {
	_, is := db.Driver().(*mysql.MySQLDriver)
	return is
}

// farDue is a due time in the far future, as it is stored.
func farDue(db *sql.DB) string {
	if isMySQL(db) {
		return "'2096-10-02 07:06:40'"
	}
	return "4000000000000000"
}

// copyStatement returns the statement that copies the row of order-0, with these values for each number n.i, and each a
// millisecond older than the next. A condition on n.i may follow.
func copyStatement(t *testing.T, db *sql.DB, table string, rows int, values map[string]string) string {
	t.Helper()
	found, err := db.QueryContext(t.Context(), "SELECT * FROM "+table+" LIMIT 0") //nolint:unqueryvet // for the names
	require.NoError(t, err)
	defer func() { require.NoError(t, found.Close()) }()
	columns, err := found.Columns()
	require.NoError(t, errors.Join(err, found.Err()))
	created := fmt.Sprintf("created_at - (%d - n.i) * 1000", rows)
	if isMySQL(db) {
		created = fmt.Sprintf("created_at - INTERVAL (%d - n.i) * 1000 MICROSECOND", rows)
	}
	values["created_at"] = created
	selected := make([]string, 0, len(columns))
	for _, c := range columns {
		if value, changed := values[c]; changed {
			selected = append(selected, value)
		} else {
			selected = append(selected, c)
		}
	}
	const digits = "SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL " +
		"SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9"
	from, number, power := []string{table}, []string{}, 1
	for i := 0; power <= rows; i++ {
		from = append(from, fmt.Sprintf("(%s) AS d%d", digits, i))
		number = append(number, fmt.Sprintf("%d * d%d.d", power, i))
		power *= 10
	}
	numbers := fmt.Sprintf("(SELECT %s AS i FROM %s) AS n", strings.Join(number, " + "), strings.Join(from[1:], ", "))
	return fmt.Sprintf("INSERT INTO %[1]s (%[2]s) SELECT %[3]s FROM %[1]s, %[4]s WHERE order_id = 'order-0'",
		table, strings.Join(columns, ", "), strings.Join(selected, ", "), numbers)
}

// appendLedger appends the charges and the refunds of the copies, and a second charge of the order twice.
func appendLedger(path string, names map[int]string, rows int) (err error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	began := time.Now().Add(-time.Duration(rows) * time.Millisecond).UTC()
	line := func(key, order string, n int) {
		_, _ = fmt.Fprintf(w, `{"key":%q,"order_id":%q,"amount":"10.00","currency":"USD","status":"succeeded","transaction_id":"txn-%d","at":%q}`+"\n",
			key, order, n+1, began.Add(time.Duration(n)*time.Millisecond).Format(time.RFC3339Nano))
	}
	for n := 1; n <= rows; n++ {
		name, renamed := names[n]
		if !renamed {
			name = fmt.Sprintf("order-%d", n)
		}
		line(fmt.Sprintf("key-%d", n), name, n)
		if n%refundedEvery == 0 {
			_, _ = fmt.Fprintf(w, `{"key":"refund-key-%d","charge_key":"key-%d","order_id":%q,"amount":"1.00","currency":"USD","status":"succeeded",`+
				`"transaction_id":"refund-%d","at":%q}`+"\n", n, n, name, n+1, began.Add(time.Duration(n)*time.Millisecond).Format(time.RFC3339Nano))
		}
	}
	line("key-twice", "twice", rows+1)
	return errors.Join(w.Flush(), file.Close())
}

// openDatabase opens a database of a test with a plain driver.
func openDatabase(t *testing.T, address string) *sql.DB {
	t.Helper()
	driver, name := "sqlite", strings.TrimPrefix(address, "sqlite:")
	if strings.HasPrefix(address, "mysql:") {
		u, err := url.Parse(address)
		require.NoError(t, err)
		c := mysql.NewConfig()
		c.Net, c.Addr, c.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
		c.User = u.User.Username()
		c.Passwd, _ = u.User.Password()
		driver, name = "mysql", c.FormatDSN()
	}
	db, err := sql.Open(driver, name)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

var peakMemory = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// audit runs the audit, which finds differences, and returns its output, its processor time and its peak memory. The
// memory is 0 on a system without /proc (proc_pid_status(5), VmHWM).
func (m *many) audit(t *testing.T) (out []byte, processor time.Duration, megabytes int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), apptest.Build(t), "audit", "--from=2020-01-01", "--json", "--lookups-per-second=1000")
	command.Dir, command.Env, command.Stdout, command.Stderr = m.folder, []string{}, &stdout, &stderr
	for name, value := range m.variables {
		command.Env = append(command.Env, name+"="+value)
	}
	require.NoError(t, command.Start())
	done := make(chan error, 1)
	go func() { done <- command.Wait() }()
	// Not the rusage of the process, which includes the memory of the one that started it.
	status := fmt.Sprintf("/proc/%d/status", command.Process.Pid)
	for {
		select {
		case err := <-done:
			require.Error(t, err)
			require.Equal(t, 1, command.ProcessState.ExitCode(), "%s %s", stdout.String(), stderr.String())
			return stdout.Bytes(), command.ProcessState.UserTime() + command.ProcessState.SystemTime(), megabytes
		case <-time.After(5 * time.Millisecond):
		}
		text, err := os.ReadFile(status)
		if err != nil {
			continue // it has ended, or there is no /proc
		}
		if match := peakMemory.FindSubmatch(text); match != nil {
			kilobytes, _ := strconv.Atoi(string(match[1]))
			megabytes = max(megabytes, kilobytes>>10)
		}
	}
}
