package app_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// rawDatabase opens the database of a service directly.
func rawDatabase(t *testing.T, databaseURL string) *sql.DB {
	t.Helper()
	driver, source := "sqlite", strings.TrimPrefix(databaseURL, "sqlite:")+"?_pragma=busy_timeout(5000)"
	if !strings.HasPrefix(databaseURL, "sqlite:") {
		u, err := url.Parse(databaseURL)
		require.NoError(t, err)
		config := mysql.NewConfig()
		config.User = u.User.Username()
		config.Passwd, _ = u.User.Password()
		config.Net, config.Addr, config.DBName = "tcp", u.Host, u.Path[1:]
		driver, source = "mysql", config.FormatDSN()
	}
	db, err := sql.Open(driver, source)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func execute(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

// TestDamagedRows_AffectOnlyTheirOrders checks that an order whose row cannot be read gets 500.
func TestDamagedRows_AffectOnlyTheirOrders(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]string{
		"mysql":  mysqltest.Database(t),
		"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			damagedRows(t, database)
		})
	}
}

func damagedRows(t *testing.T, database string) {
	t.Helper()
	gateway := apptest.StartGateway(t)
	gateway.Do(func(c apptest.Call) apptest.Reply {
		switch {
		case strings.HasPrefix(c.OrderID, "declined"):
			return apptest.Reply{Status: http.StatusPaymentRequired}
		case strings.HasPrefix(c.OrderID, "stuck"), c.LookUp:
			return apptest.Reply{Lost: true}
		}
		return apptest.Reply{}
	})
	variables := env{
		"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_MAX_RETRIES": "0", "PAYMENTD_RECONCILE": "15m",
	}
	p := serve(t, variables)
	orders := map[string]string{ // with the damaged column
		"paid-1": "", "paid-2": "currency", "paid-3": "state", "declined-1": "", "declined-2": "kind", "declined-3": "attempt_class",
	}
	for order := range orders {
		apptest.Pay(t.Context(), p.URL, order, "5.00")
		require.Equal(t, http.StatusUnprocessableEntity, apptest.Pay(t.Context(), p.URL, order, "6.00").Code)
	}
	require.Equal(t, http.StatusAccepted, apptest.Pay(t.Context(), p.URL, "stuck-1", "5.00").Code)
	require.Equal(t, http.StatusAccepted, apptest.Pay(t.Context(), p.URL, "stuck-2", "5.00").Code)
	db := rawDatabase(t, database)
	for _, set := range []string{
		"payments SET currency = 'ZZZ' WHERE order_id = 'paid-2'", "payments SET state = 'lost' WHERE order_id = 'paid-3'",
		"events SET kind = 'vanished' WHERE order_id = 'declined-2'", "payments SET attempt_class = 'x' WHERE order_id = 'declined-3'",
		"payments SET currency = 'YYY' WHERE order_id = 'stuck-2'",
	} {
		execute(t, db, "UPDATE "+set)
	}
	charged := len(gateway.Charges())

	for order, column := range orders {
		if column == "" {
			continue
		}
		got := apptest.Get(t.Context(), p.URL, "/payments/"+order)
		requireDamagedAnswer(t, got)
		if column != "kind" { // the payment itself can be read
			requireDamagedAnswer(t, apptest.Pay(t.Context(), p.URL, order, "5.00"))
		}
		requireErrorLine(t, p, order, column)
	}
	require.Len(t, gateway.Charges(), charged)
	require.Equal(t, http.StatusOK, apptest.Pay(t.Context(), p.URL, "paid-1", "5.00").Code)

	var list struct {
		Payments []struct {
			OrderID string `json:"order_id"`
		}
		Unreadable   int
		UnreadableID []string `json:"unreadable_order_ids"`
	}
	got := apptest.Get(t.Context(), p.URL, "/payments")
	require.Equal(t, http.StatusOK, got.Code, got)
	require.NoError(t, json.Unmarshal([]byte(got.Raw), &list))
	require.Len(t, list.Payments, 4, got)
	require.Equal(t, 4, list.Unreadable)
	require.ElementsMatch(t, []string{"paid-2", "paid-3", "declined-3", "stuck-2"}, list.UnreadableID)
	require.Contains(t, apptest.Get(t.Context(), p.URL, "/metrics").Raw, `paymentd_backlog_payments{operation="charge",state="unreadable"} 1`)

	damagedCommands(t, variables)
}

func damagedCommands(t *testing.T, variables env) {
	t.Helper()
	run := func(args ...string) apptest.Output { return apptest.Run(t, apptest.Build(t), variables, args...) }
	stuck := run("stuck")
	require.Zero(t, stuck.Code, stuck)
	require.Contains(t, stuck.Stdout, "stuck-1")
	require.Contains(t, stuck.Stdout, "1 left out, because what is stored cannot be read; repair it:\n", "a payment without a known state does not wait")
	require.Contains(t, stuck.Stdout, `read the row of order "stuck-2": payments.currency has the unknown code "YYY"`)

	archive := run("archive", "--older-than=0s", "--to="+filepath.Join(t.TempDir(), "archive.jsonl"))
	require.Zero(t, archive.Code, archive)
	require.Contains(t, archive.Stdout, "2 archived, 0 left")
	require.Contains(t, archive.Stdout, "4 left out")
	require.Contains(t, archive.Stdout, `"declined-2": events.kind`)

	resolve := run("resolve", "stuck-2", "--failed", "--reason=x")
	require.Equal(t, 1, resolve.Code, resolve)
	require.Contains(t, resolve.Stderr, "payments.currency")

	charges := filepath.Join(t.TempDir(), "charges.jsonl")
	var lines strings.Builder
	for _, order := range []string{"paid-2", "new-1"} {
		_, _ = fmt.Fprintf(&lines, `{"key":"k-%s","order_id":%q,"amount":"5.00","currency":"USD","status":"succeeded","transaction_id":"t-%s"}`+"\n",
			order, order, order)
	}
	require.NoError(t, os.WriteFile(charges, []byte(lines.String()), 0o600))
	for _, args := range [][]string{{"import", "--dry-run", charges}, {"import", charges}} {
		imported := run(args...)
		require.Equal(t, 1, imported.Code, imported)
		require.Contains(t, imported.Stdout, "unreadable\tpaid-2")
		require.Contains(t, imported.Stdout, "\tnew-1\t")
	}
}

func requireDamagedAnswer(t *testing.T, got apptest.Answer) {
	t.Helper()
	require.Equal(t, http.StatusInternalServerError, got.Code, got)
	require.JSONEq(t, `{"error":"the stored data of this order is damaged and cannot be used; an operator must repair it: `+
		`the log of the service names the column"}`, got.Raw)
}

// requireErrorLine waits for an ERROR line of the log that names the order and the column.
func requireErrorLine(t *testing.T, p *apptest.Process, order, column string) {
	t.Helper()
	apptest.Eventually(t, time.Minute, func() error {
		for line := range strings.Lines(p.Log()) {
			var l struct {
				Level, Column string
				OrderID       string `json:"order_id"`
			}
			if json.Unmarshal([]byte(line), &l) == nil && l.Level == "ERROR" && l.OrderID == order && l.Column == column {
				return nil
			}
		}
		return fmt.Errorf("no ERROR line names %s and %s", order, column)
	})
}

// TestHistoricCurrency_ReplaysButChargesNothing uses a currency that was removed from ISO 4217.
func TestHistoricCurrency_ReplaysButChargesNothing(t *testing.T) {
	t.Parallel()
	database := "sqlite:" + filepath.Join(t.TempDir(), "paymentd.db")
	gateway := apptest.StartGateway(t)
	gateway.Do(func(c apptest.Call) apptest.Reply {
		if c.OrderID == "declined" {
			return apptest.Reply{Status: http.StatusPaymentRequired}
		}
		return apptest.Reply{}
	})
	p := serve(t, env{"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": gateway.URL})
	first := apptest.Pay(t.Context(), p.URL, "paid", "5.00")
	require.Equal(t, http.StatusOK, first.Code)
	apptest.Pay(t.Context(), p.URL, "declined", "5.00")
	execute(t, rawDatabase(t, database), "UPDATE payments SET currency = 'HRK'")
	charged := len(gateway.Charges())
	inHRK := func(order, amount string) apptest.Answer {
		// Pay writes the amount verbatim into the JSON body.
		return apptest.Pay(t.Context(), p.URL, order, amount+`,"currency":"HRK"`)
	}
	again := inHRK("paid", "5.00")
	require.Equal(t, http.StatusOK, again.Code, again)
	require.Equal(t, first.Raw, again.Raw)
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	require.Equal(t, http.StatusUnprocessableEntity, inHRK("paid", "6.00").Code)
	require.Equal(t, http.StatusUnprocessableEntity, apptest.Pay(t.Context(), p.URL, "paid", "5.00").Code)
	found, err := apptest.Find(t.Context(), p.URL, "paid")
	require.NoError(t, err)
	require.Equal(t, "succeeded", found.State)
	for _, order := range []string{"new", "declined"} {
		refused := inHRK(order, "5.00")
		require.Equal(t, http.StatusBadRequest, refused.Code, refused)
		require.Contains(t, refused.Body.Error, "currency must be an active ISO 4217 code")
	}
	require.Len(t, gateway.Charges(), charged)
	require.Equal(t, http.StatusNotFound, apptest.Get(t.Context(), p.URL, "/payments/new").Code)
}

// TestDecline_MessageWithEmoji_SettlesAtOnce uses a server that forces another character set.
func TestDecline_MessageWithEmoji_SettlesAtOnce(t *testing.T) {
	t.Parallel()
	server, err := mysqltest.Start(t.Context(), mysqltest.Config{Relaxed: true, Args: []string{
		"--character-set-server=utf8mb3", "--skip-character-set-client-handshake",
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	database, err := server.CreateDatabase(t.Context(), "payments")
	require.NoError(t, err)
	gateway := apptest.StartGateway(t)
	gateway.Do(func(apptest.Call) apptest.Reply {
		return apptest.Reply{Status: http.StatusPaymentRequired, Message: "no 💸"}
	})
	p := serve(t, env{"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": gateway.URL})
	got := apptest.Pay(t.Context(), p.URL, "order-1", "5.00")
	require.Equal(t, http.StatusPaymentRequired, got.Code, got)
	require.Contains(t, apptest.Get(t.Context(), p.URL, "/payments/order-1").Raw, "no 💸")

	// The table rejects the message in spite of the character set of the connection.
	db := rawDatabase(t, database)
	execute(t, db, "DELETE FROM payments")
	execute(t, db, "ALTER TABLE payments MODIFY attempt_message VARCHAR(500) CHARACTER SET ascii NOT NULL, "+
		"MODIFY reason VARCHAR(2) NOT NULL")
	got = apptest.Pay(t.Context(), p.URL, "order-2", "5.00")
	require.Equal(t, http.StatusPaymentRequired, got.Code, got)
	require.Len(t, gateway.Charges(), 2)
}

// TestPay_KilledConnection_Retries kills the connection of a statement, as an administrator may do.
func TestPay_KilledConnection_Retries(t *testing.T) {
	t.Parallel()
	database := mysqltest.Database(t)
	gateway := apptest.StartGateway(t)
	gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{Status: http.StatusPaymentRequired} })
	p := serve(t, env{"PAYMENTD_DATABASE": database, "PAYMENTD_GATEWAY": gateway.URL})
	require.Equal(t, http.StatusPaymentRequired, apptest.Pay(t.Context(), p.URL, "order-1", "5.00").Code)
	gateway.Do(func(apptest.Call) apptest.Reply { return apptest.Reply{} })

	db := rawDatabase(t, database)
	holder, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = holder.ExecContext(t.Context(), "UPDATE payments SET reason = 'held' WHERE order_id = 'order-1'")
	require.NoError(t, err)
	answer := pay(t, p.URL, "order-1", "5.00")
	apptest.Eventually(t, time.Minute, func() error {
		var id int64
		if err := db.QueryRowContext(t.Context(), "SELECT id FROM information_schema.processlist "+
			"WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE '%INSERT INTO payments%'").Scan(&id); err != nil {
			return err
		}
		_, err := db.ExecContext(t.Context(), fmt.Sprintf("KILL %d", id))
		return err
	})
	require.NoError(t, holder.Rollback())
	got := <-answer
	require.Equal(t, http.StatusOK, got.Code, got)
	require.Len(t, gateway.Taken("order-1"), 1)
}
