//go:build engines

package chaos_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
)

// TestEngine_MoveFromMySQL moves the payments of one MySQL server to the engine, with a dump, while no
// replica runs. Then the service runs on the engine: every order is answered as before, and is not charged
// again.
func TestEngine_MoveFromMySQL(t *testing.T) { //nolint:paralleltest // its servers need the whole machine
	const orders = 60
	from, err := mysqltest.Start(t.Context(), mysqltest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, from.Stop()) })
	before, err := from.CreateDatabase(t.Context(), "payments")
	require.NoError(t, err)
	to, after, err := mysqltest.StartTested(t.Context(), "payments", mysqltest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, to.Stop()) })

	binary := apptest.Build(t)
	gateway := apptest.Start(t, binary, nil, "sandbox")
	gateway.WaitReady(t)
	serve := func(databaseURL string) *apptest.Process {
		replica := apptest.Start(t, binary, map[string]string{
			"PAYMENTD_DATABASE": databaseURL, "PAYMENTD_GATEWAY": gateway.URL, "PAYMENTD_RETRY_DELAY": "10ms",
		}, "serve")
		replica.WaitReady(t)
		return replica
	}
	old := serve(before)
	answers := make(map[string]apptest.Answer)
	amountOf := func(n int) string { return []string{"10.00", "9402.00", "9503.00"}[n%3] } // the last are declined, and fail once
	for n := range orders {
		order := fmt.Sprintf("moved-%d", n)
		answers[order] = apptest.Pay(t.Context(), old.URL, order, amountOf(n))
	}
	require.Zero(t, old.Stop(t))

	out := apptest.Run(t, binary, map[string]string{"PAYMENTD_DATABASE": after}, "migrate", "up")
	require.Zero(t, out.Code, out.Stderr)
	load(t, after, dump(t, from))
	charged := ledger(t, &world{gateways: []*apptest.Process{gateway}})

	replica := serve(after)
	for n := range orders {
		order := fmt.Sprintf("moved-%d", n)
		if answers[order].Code != http.StatusOK {
			p, err := apptest.Find(t.Context(), replica.URL, order)
			require.NoError(t, err)
			require.Equal(t, "declined", p.State, order)
			continue
		}
		again := apptest.Pay(t.Context(), replica.URL, order, amountOf(n))
		require.Equal(t, answers[order].Body.TransactionID, again.Body.TransactionID, "%s: %v", order, again)
		require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	}
	require.Equal(t, charged, ledger(t, &world{gateways: []*apptest.Process{gateway}}), "nothing was charged again")
	fresh := apptest.Pay(t.Context(), replica.URL, "fresh", "10.00")
	require.Equal(t, http.StatusOK, fresh.Code, fresh)
	t.Logf("%d orders were moved", orders)
}

// dump returns the INSERT statements of the tables, without the schema's version and the heartbeats.
func dump(t *testing.T, from *mysqltest.Server) (statements []string) {
	t.Helper()
	file := filepath.Join(from.Folder(), "dump.sql")
	require.NoError(t, from.Use(t.Context(), nil, mysqltest.Dump, "--no-create-info", "--complete-insert", "--compact",
		"--hex-blob", "--no-tablespaces", "--single-transaction", "--result-file="+file,
		"--ignore-table=payments.schema_migrations", "--ignore-table=payments.replicas", "payments"))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "INSERT INTO ") {
			statements = append(statements, strings.TrimRight(line, ";\n"))
		}
	}
	require.NotEmpty(t, statements)
	return statements
}

func load(t *testing.T, databaseURL string, statements []string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	config := mysql.NewConfig()
	config.Net, config.Addr, config.DBName, config.User = "tcp", u.Host, strings.TrimPrefix(u.Path, "/"), u.User.Username()
	config.Passwd, _ = u.User.Password()
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	defer func() { require.NoError(t, db.Close()) }()
	for _, statement := range statements {
		_, err := db.ExecContext(context.Background(), statement)
		require.NoError(t, err, statement[:min(200, len(statement))])
	}
}
