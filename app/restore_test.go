package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

const (
	// seesawOrder is declined before the backup, and charged after it.
	seesawOrder = "order-seesaw"
	payers      = 8
	// enough is the number of payments before the backup, and after it.
	enough = 100
)

// shop is a service under load, and its gateway, which records its charges.
type shop struct {
	gateway   *apptest.Gateway
	variables env
	process   *apptest.Process
	load      *load
	close     func()
}

func openShop(t *testing.T, database string) *shop {
	t.Helper()
	s := &shop{gateway: apptest.StartGateway(t)}
	s.variables = env{
		"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": s.gateway.URL,
		"PAYMENTD_RETRY_DELAY": "20ms", "PAYMENTD_HEARTBEAT_TIMEOUT": "1s", "PAYMENTD_LATE": "1s",
	}
	s.gateway.Do(func(c apptest.Call) apptest.Reply {
		if c.OrderID == seesawOrder {
			return apptest.Reply{Status: http.StatusPaymentRequired}
		}
		return apptest.Reply{}
	})
	s.process = serve(t, s.variables)
	s.load = newLoad(s.process.URL)
	ctx, stop := context.WithCancel(t.Context())
	for client := range payers {
		s.load.clients.Go(func() { s.load.run(ctx, client) })
	}
	s.close = func() { stop(); s.load.clients.Wait() }
	t.Cleanup(s.close)
	s.load.waitPaid(t, enough)
	declined := apptest.Pay(t.Context(), s.process.URL, seesawOrder, "5.00")
	require.Equal(t, http.StatusPaymentRequired, declined.Code, declined)
	return s
}

// payAfterBackup makes the payments that the backup lacks.
func (s *shop) payAfterBackup(t *testing.T) {
	t.Helper()
	s.gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{} })
	require.True(t, s.load.ask(t.Context(), seesawOrder))
	s.load.waitPaid(t, enough)
}

// charged returns the charged orders, sorted.
func (s *shop) charged() (orders []string) {
	for _, c := range s.gateway.Charges() {
		if c.TransactionID != "" && !slices.Contains(orders, c.OrderID) {
			orders = append(orders, c.OrderID)
		}
	}
	slices.Sort(orders)
	return orders
}

// askAgain requests every order again from a service on the restored database.
func (s *shop) askAgain(t *testing.T, database string) (answers map[string]string) {
	t.Helper()
	s.variables["PAYMENTD_DATABASE"] = database
	p := serve(t, s.variables)
	answers = make(map[string]string)
	for _, order := range s.charged() {
		apptest.Eventually(t, time.Minute, func() error {
			a := apptest.Pay(t.Context(), p.URL, order, "5.00")
			answers[order] = a.Body.TransactionID
			if a.Code != http.StatusOK {
				return fmt.Errorf("%s: %s", order, a)
			}
			return nil
		})
	}
	require.Zero(t, p.Stop(t))
	return answers
}

// requireConsistent checks that no order was charged twice, and that earlier answers are still correct.
func (s *shop) requireConsistent(t *testing.T, answers map[string]string) {
	t.Helper()
	for _, order := range s.charged() {
		taken := s.gateway.Taken(order)
		require.Len(t, taken, 1, order)
		// An order that was only claimed when the server was lost may have been charged by the queue.
		if answer, asked := answers[order]; asked {
			require.Equal(t, taken[0], answer, order)
		}
	}
	for order, transaction := range s.load.paid {
		require.Equal(t, transaction, answers[order], order)
	}
}

// exportCharges writes the gateway's charges to a file, as an operator exports them.
func (s *shop) exportCharges(t *testing.T) string {
	t.Helper()
	var lines bytes.Buffer
	for _, c := range s.gateway.Charges() {
		status := "succeeded"
		if c.TransactionID == "" {
			status = "declined"
		}
		require.NoError(t, json.NewEncoder(&lines).Encode(map[string]string{
			"key": c.Key, "order_id": c.OrderID, "amount": c.Amount, "currency": c.Currency,
			"status": status, "transaction_id": c.TransactionID, "at": "2026-03-04T05:06:07Z",
		}))
	}
	file := filepath.Join(t.TempDir(), "charges.jsonl")
	require.NoError(t, os.WriteFile(file, lines.Bytes(), 0o600))
	return file
}

// missing returns the orders that an import would add, sorted.
func (s *shop) missing(t *testing.T, database string) (orders []string) {
	t.Helper()
	s.variables["PAYMENTD_DATABASE"] = database
	out := apptest.Run(t, apptest.Build(t), s.variables, "import", "--dry-run", "--verbose", s.exportCharges(t))
	require.Zero(t, out.Code, out)
	for _, found := range regexp.MustCompile(`(?m)^missing\t(\S+)\t`).FindAllStringSubmatch(out.Stdout, -1) {
		orders = append(orders, found[1])
	}
	slices.Sort(orders)
	return orders
}

// requireImported imports the gateway's charges twice. The second import adds nothing.
func (s *shop) requireImported(t *testing.T, database string, missing int) {
	t.Helper()
	s.variables["PAYMENTD_DATABASE"] = database
	for _, added := range []int{missing, 0} {
		out := apptest.Run(t, apptest.Build(t), s.variables, "import", "--by=ada", s.exportCharges(t))
		require.Zero(t, out.Code, out)
		require.Contains(t, out.Stdout, fmt.Sprintf("%d added, %d known, 0 refused, 1 lines", added, len(s.charged())-added))
	}
}

// TestRestore loses a server under load, and restores it in each way that docs/backup.md describes, with the
// tools of the server.
func TestRestore(t *testing.T) {
	t.Parallel()
	lost, err := mysqltest.Start(t.Context(), recommended)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lost.Stop()) })
	database, err := lost.CreateDatabase(t.Context(), "payments")
	require.NoError(t, err)
	s := openShop(t, database)
	dump := dumpOf(t, lost)
	s.payAfterBackup(t)
	require.NoError(t, lost.Kill()) // during payments
	s.close()
	s.process.Kill()
	logs, err := filepath.Glob(filepath.Join(lost.Folder(), "data", "binlog.0*")) // as if on a separate disk
	require.NoError(t, err)

	spare, err := mysqltest.Start(t.Context(), recommended)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, spare.Stop()) })

	database = restore(t, spare, dump)
	replay(t, spare, dump, logs)
	s.requireConsistent(t, s.askAgain(t, database))
	t.Logf("with the binary log, all %d orders are restored", len(s.charged()))

	database = restore(t, spare, dump)
	missing := s.missing(t, database)
	require.Contains(t, missing, seesawOrder)
	s.requireImported(t, database, len(missing))
	s.requireConsistent(t, s.askAgain(t, database))
	t.Logf("with the backup alone, the import found %d orders", len(missing))

	// Without the import, orders are charged twice.
	database = restore(t, spare, dump)
	s.askAgain(t, database)
	var twice []string
	for _, order := range s.charged() {
		if len(s.gateway.Taken(order)) > 1 {
			twice = append(twice, order)
		}
	}
	require.Contains(t, twice, seesawOrder)
	require.GreaterOrEqual(t, len(twice), enough)
	require.Subset(t, missing, twice, "the import must find every order that would be charged twice")
	t.Logf("without the import, %d orders are charged twice", len(twice))
}

// dumpOf backs up the database during payments, and returns the file.
func dumpOf(t *testing.T, server *mysqltest.Server) string {
	t.Helper()
	file := filepath.Join(server.Folder(), "dump.sql")
	args := []string{"--single-transaction", "--result-file=" + file}
	if server.MariaDB() {
		args = append(args, "--master-data=2") // the position in the binary log, as a comment
	} else {
		// The server on which the dump is restored has GTIDs of its own.
		args = append(args, "--source-data=2", "--set-gtid-purged=OFF")
	}
	require.NoError(t, server.Use(t.Context(), nil, mysqltest.Dump, append(args, "payments")...))
	kept := filepath.Join(t.TempDir(), "dump.sql")
	copyFile(t, file, kept)
	return kept
}

// restore replaces the database by the dump.
func restore(t *testing.T, server *mysqltest.Server, dump string) (database string) {
	t.Helper()
	err := server.Use(t.Context(), nil, mysqltest.Client, "--execute=DROP DATABASE IF EXISTS payments")
	require.NoError(t, err)
	database, err = server.CreateDatabase(t.Context(), "payments")
	require.NoError(t, err)
	source(t, server, dump)
	return database
}

// position matches the comment in a dump with its position in the binary log.
var position = regexp.MustCompile(`_LOG_FILE='(binlog\.\d+)', (?:MASTER|SOURCE)_LOG_POS=(\d+)`)

// replay applies the binary logs from the position of the dump.
func replay(t *testing.T, server *mysqltest.Server, dump string, logs []string) {
	t.Helper()
	text, err := os.ReadFile(dump)
	require.NoError(t, err)
	from := position.FindStringSubmatch(string(text))
	require.NotNil(t, from, "the dump has no position in the binary log")
	statements := filepath.Join(server.Folder(), "replay.sql")
	args := []string{"--disable-log-bin", "--start-position=" + from[2], "--result-file=" + statements}
	if !server.MariaDB() {
		args = append(args, "--skip-gtids")
	}
	for _, log := range logs {
		if filepath.Base(log) < from[1] {
			continue
		}
		here := filepath.Join(server.Folder(), filepath.Base(log))
		copyFile(t, log, here)
		args = append(args, here)
	}
	require.NoError(t, server.Use(t.Context(), nil, mysqltest.BinLog, args...))
	source(t, server, statements)
}

// source runs a file with the server's client.
func source(t *testing.T, server *mysqltest.Server, file string) {
	t.Helper()
	statements, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, statements.Close()) }()
	require.NoError(t, server.Use(t.Context(), statements, mysqltest.Client, "--database=payments"))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, content, 0o600))
}

// TestRestoreSQLite copies the file during payments, and continues with the copy.
func TestRestoreSQLite(t *testing.T) {
	t.Parallel()
	file, copied := filepath.Join(t.TempDir(), "paymentd.db"), filepath.Join(t.TempDir(), "copy.db")
	s := openShop(t, "sqlite:"+file)
	s.load.mu.Lock()
	before := len(s.load.paid)
	s.load.mu.Unlock()
	db, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "VACUUM INTO '"+strings.ReplaceAll(copied, "'", "''")+"'")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	s.payAfterBackup(t)
	s.close()
	s.process.Kill()

	kept := filepath.Join(t.TempDir(), "kept.db")
	copyFile(t, copied, kept)
	missing := s.missing(t, "sqlite:"+copied)
	require.Contains(t, missing, seesawOrder)
	require.LessOrEqual(t, len(missing), len(s.charged())-before, "the copy has the payments made before it")
	s.requireImported(t, "sqlite:"+copied, len(missing))
	s.requireConsistent(t, s.askAgain(t, "sqlite:"+copied))

	s.askAgain(t, "sqlite:"+kept)
	require.Len(t, s.gateway.Taken(seesawOrder), 2, "without the import")
}

// TestImport_ConflictingCharges_AreRefused imports charges that conflict with stored payments.
func TestImport_ConflictingCharges_AreRefused(t *testing.T) {
	t.Parallel()
	gateway := apptest.StartGateway(t)
	variables := env{"PAYMENTD_DATABASE": mysqltest.Database(t), "PAYMENTD_GATEWAY": gateway.URL}
	p := serve(t, variables)
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "order-1", "5.00").Code)
	run := func(lines string, args ...string) apptest.Output {
		file := filepath.Join(t.TempDir(), "charges.jsonl")
		require.NoError(t, os.WriteFile(file, []byte(lines), 0o600))
		return apptest.Run(t, apptest.Build(t), variables, append([]string{"import", file}, args...)...)
	}
	line := func(order, amount, transaction string) string {
		return fmt.Sprintf(`{"key":%q,"order_id":%q,"amount":%q,"currency":"USD","status":"succeeded","transaction_id":%q}`+"\n",
			"key-of-"+order, order, amount, transaction)
	}
	out := run(line("order-1", "5.00", "txn-9") + line("order-1", "6.00", "txn-1") + line("order-2", "7.00", "txn-2"))
	require.Equal(t, 1, out.Code)
	require.Contains(t, out.Stdout, "refused\torder-1\ttxn-9\tthe order was approved with transaction txn-1")
	require.Contains(t, out.Stdout, "refused\torder-1\ttxn-1\tthe gateway charged 6.00 USD, but the order is for 5.00 USD")
	require.Contains(t, out.Stdout, "added\torder-2\ttxn-2\t7.00 USD", "charges without a conflict are written")
	require.Contains(t, out.Stdout, "1 added, 0 known, 2 refused")
	stored, err := apptest.Find(t.Context(), p.URL, "order-2")
	require.NoError(t, err)
	require.Contains(t, stored.Raw, `"kind":"imported"`)

	out = run(line("order-5", "5.00", "txn-5")+line("order-5", "5.00", "txn-6")+line("order-5", "5.00", "txn-5"), "--dry-run")
	require.Equal(t, 1, out.Code, "a dry run must find the same conflicts")
	require.Contains(t, out.Stdout, "refused\torder-5\ttxn-6\tthe order was approved with transaction txn-5")
	require.Contains(t, out.Stdout, "1 missing, 1 known, 1 refused")

	for wrong, want := range map[string]string{
		"order-3,5.00\n":                         "line 2: must be a JSON object of one charge",
		line("order-3", "5.001", "txn-3"):        "line 2: amount",
		line("order 3", "5.00", "txn-3"):         "line 2: order_id",
		line("order-3", "5.00", ""):              "line 2: the transaction id must have",
		`{"order_id":"order-3"}`:                 "line 2: has no status",
		`{"status":"captured"}`:                  `line 2: the status "captured" is not known`,
		strings.Repeat(" ", 65<<10) + "too long": "line 2: ",
	} {
		out := run(line("order-4", "5.00", "txn-4") + wrong)
		require.NotZero(t, out.Code)
		require.Contains(t, out.Stderr, want)
		require.Equal(t, 1, strings.Count(out.Stderr, "\n"), out.Stderr)
	}
	stored, err = apptest.Find(t.Context(), p.URL, "order-4")
	require.NoError(t, err)
	require.Empty(t, stored.State, "a list that cannot be read completely changes nothing")
}
