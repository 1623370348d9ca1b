package mysqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/internal/doctor"
)

// ready are the options of a server that passes every check.
func ready(t *testing.T) []string {
	t.Helper()
	return []string{"--log-bin=binlog", "--server-id=1", "--sync-binlog=1", "--binlog-format=ROW", "--max-connections=100"}
}

// examined starts a server, and returns the URL of a migrated database on it.
func examined(t *testing.T, config mysqltest.Config) string {
	t.Helper()
	mysqltest.NotOn(t, ownServer, mysqltest.TiDB, mysqltest.Vitess)
	server, err := mysqltest.Start(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	at, err := server.CreateDatabase(t.Context(), "payments")
	require.NoError(t, err)
	schema, err := mysqlstore.Schema(at)
	require.NoError(t, err)
	require.NoError(t, schema.Up(t.Context()))
	return at
}

// findings returns the findings of a new repository, by the name of the check.
func findings(t *testing.T, databaseURL string, replicas int) map[string]doctor.Finding {
	t.Helper()
	payments, err := mysqlstore.Open(databaseURL, mysqlstore.Options{})
	require.NoError(t, err)
	docs, err := os.ReadFile("../../docs/install.md")
	require.NoError(t, err)
	found := make(map[string]doctor.Finding)
	for _, f := range payments.Doctor(t.Context(), replicas) {
		require.NotContains(t, found, f.Check, "two findings with one name")
		require.NotEmpty(t, f.Found, f.Check)
		require.Contains(t, string(docs), "`"+f.Check+"`", "a check that is missing in docs/install.md")
		require.Equal(t, f.Level == doctor.OK, f.Advice == "", "%+v", f)
		found[f.Check] = f
	}
	require.NoError(t, payments.Close())
	return found
}

func requireAllOK(t *testing.T, found map[string]doctor.Finding) {
	t.Helper()
	for _, f := range found {
		require.Equal(t, doctor.OK, f.Level, "%+v", f)
	}
}

// On a correct server, one setting after the other is changed to a bad value, and back.
func TestDoctor_ChangedSettings(t *testing.T) {
	t.Parallel()
	at := examined(t, mysqltest.Config{Args: ready(t)})
	requireAllOK(t, findings(t, at, 1))
	config := driverConfig(t, at)
	db, err := sql.Open("mysql", config.FormatDSN())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	isolation := "transaction_isolation"
	if _, err := db.ExecContext(t.Context(), "DO @@GLOBAL.transaction_isolation"); err != nil {
		isolation = "tx_isolation" // MariaDB before 11.1
	}

	for _, c := range []struct {
		check       string
		level       doctor.Level
		wrong, mend string
	}{
		{
			"innodb_flush_log_at_trx_commit", doctor.Fail,
			"SET GLOBAL innodb_flush_log_at_trx_commit = 2", "SET GLOBAL innodb_flush_log_at_trx_commit = 1",
		},
		{
			"innodb_flush_log_at_trx_commit", doctor.Fail,
			"SET GLOBAL innodb_flush_log_at_trx_commit = 0", "SET GLOBAL innodb_flush_log_at_trx_commit = 1",
		},
		{"sync_binlog", doctor.Fail, "SET GLOBAL sync_binlog = 0", "SET GLOBAL sync_binlog = 1"},
		{"sync_binlog", doctor.Fail, "SET GLOBAL sync_binlog = 100", "SET GLOBAL sync_binlog = 1"},
		{"binlog_format", doctor.Fail, "SET GLOBAL binlog_format = 'STATEMENT'", "SET GLOBAL binlog_format = 'ROW'"},
		{
			"transaction_isolation", doctor.Fail,
			"SET GLOBAL " + isolation + " = 'READ-UNCOMMITTED'", "SET GLOBAL " + isolation + " = 'READ-COMMITTED'",
		},
		{
			"transaction_isolation", doctor.Warn,
			"SET GLOBAL " + isolation + " = 'SERIALIZABLE'", "SET GLOBAL " + isolation + " = 'REPEATABLE-READ'",
		},
		{"read_only", doctor.Fail, "SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"},
		{"max_connections", doctor.Warn, "SET GLOBAL max_connections = 60", "SET GLOBAL max_connections = 100"},
		{"max_connections", doctor.Fail, "SET GLOBAL max_connections = 35", "SET GLOBAL max_connections = 100"},
		{"engine", doctor.Fail, "ALTER TABLE events ENGINE = MyISAM", "ALTER TABLE events ENGINE = InnoDB"},
		{
			"schema", doctor.Fail,
			"UPDATE schema_migrations SET dirty = TRUE", "UPDATE schema_migrations SET dirty = FALSE",
		},
		{
			"schema", doctor.Warn,
			"RENAME TABLE schema_migrations TO elsewhere", "RENAME TABLE elsewhere TO schema_migrations",
		},
	} {
		_, err := db.ExecContext(t.Context(), c.wrong)
		require.NoError(t, err)
		found := findings(t, at, 1)
		require.Equal(t, c.level, found[c.check].Level, "%s: %+v", c.wrong, found[c.check])
		_, err = db.ExecContext(t.Context(), c.mend)
		require.NoError(t, err)
		if c.check == "binlog_format" {
			require.Equal(t, doctor.Fail, found["write"].Level, "the server refuses it")
			delete(found, "write")
		}
		delete(found, c.check)
		requireAllOK(t, found)
	}
	requireAllOK(t, findings(t, at, 1))
	require.Equal(t, doctor.Warn, findings(t, at, 2)["max_connections"].Level, "64 connections, and twice that")
	require.Equal(t, doctor.Fail, findings(t, at, 3)["max_connections"].Level, "96 connections, and people")
}

// The server flushes nothing, has no binary log, and a clock of its own.
func TestDoctor_StartOptions(t *testing.T) {
	t.Parallel()
	at := examined(t, mysqltest.Config{Relaxed: true, Args: []string{
		"--innodb-flush-method=nosync", "--sysdate-is-now",
		// It applies to users without administrative rights, such as the one below.
		"--init-connect=SET timestamp = 1000000000",
	}})
	config := driverConfig(t, at)
	db, err := sql.Open("mysql", config.FormatDSN())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	for _, statement := range []string{
		"CREATE USER service@'127.0.0.1' IDENTIFIED BY 'Sesame-1'", "GRANT SELECT ON payments.* TO service@'127.0.0.1'",
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	service, err := url.Parse(at)
	require.NoError(t, err)
	service.User = url.UserPassword("service", "Sesame-1")

	found := findings(t, service.String(), 1)
	require.Equal(t, doctor.Fail, found["innodb_flush_log_at_trx_commit"].Level)
	require.Equal(t, doctor.Fail, found["innodb_flush_method"].Level)
	require.Equal(t, doctor.Warn, found["innodb_doublewrite"].Level)
	require.Equal(t, doctor.Warn, found["log_bin"].Level)
	require.Equal(t, doctor.Warn, found["clock"].Level, found["clock"])
	require.Contains(t, found["clock"].Found, "behind this machine's")
}

// The findings do not contain the password, and report a connection without TLS.
func TestDoctor_UnreachableServer(t *testing.T) {
	t.Parallel()
	found := findings(t, "mysql://user:sesame@127.0.0.1:1/payments", 1)
	require.Equal(t, doctor.Fail, found["database"].Level)
	require.Contains(t, found["database"].Found, "refused")
	require.NotContains(t, fmt.Sprint(found), "sesame")
	require.Equal(t, doctor.OK, found["tls"].Level)

	for option, level := range map[string]doctor.Level{
		"": doctor.Warn, "?tls=skip-verify": doctor.Warn, "?tls=preferred": doctor.Warn, "?tls=true": doctor.OK,
	} {
		payments, err := mysqlstore.Open("mysql://user:sesame@db.invalid/payments"+option, mysqlstore.Options{})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // no server is needed
		require.Equal(t, level, payments.Doctor(ctx, 1)[0].Level, option)
		require.NoError(t, payments.Close())
	}
}

// driverConfig returns the driver's configuration for a URL.
func driverConfig(t *testing.T, databaseURL string) *mysql.Config {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	config := mysql.NewConfig()
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Net, config.Addr, config.DBName = "tcp", u.Host, u.Path[1:]
	return config
}
