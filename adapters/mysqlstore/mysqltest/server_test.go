package mysqltest_test

import (
	"bufio"
	"context"
	"database/sql"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/mysqltest"
)

func TestServerKeepsItsDataWhenKilled(t *testing.T) {
	t.Parallel()

	server := start(t, mysqltest.Config{})
	at, err := server.CreateDatabase(t.Context(), "ledger")
	require.NoError(t, err)
	db := open(t, at)
	execute(t, db, "CREATE TABLE charges (id INT PRIMARY KEY)")

	for charge := range 3 {
		execute(t, db, "INSERT INTO charges VALUES (?)", charge)

		require.NoError(t, server.Kill())
		require.Error(t, db.PingContext(t.Context()), "the server is down, but answers")

		require.NoError(t, server.Restart(t.Context()))
		require.Equal(t, at, server.URL("ledger"), "the address must stay")
		require.Equal(t, charge+1, count(t, db, "charges"), "a committed row is gone")
	}
}

func TestRestartKillsAServerThatRuns(t *testing.T) {
	t.Parallel()

	server := start(t, mysqltest.Config{Relaxed: true})
	db := open(t, server.URL(""))
	execute(t, db, "SET GLOBAL long_query_time = 77") // until the server ends
	require.NoError(t, server.Restart(t.Context()))
	var seconds float64
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT @@GLOBAL.long_query_time").Scan(&seconds))
	require.NotEqual(t, 77.0, seconds, "this is the server that ran before")
}

func TestServersSideBySide(t *testing.T) {
	t.Parallel()

	var urls [3]string
	var wg sync.WaitGroup
	for i := range urls {
		wg.Go(func() {
			server := start(t, mysqltest.Config{Relaxed: true, Args: []string{"--innodb-lock-wait-timeout=7"}})
			at, err := server.CreateDatabase(t.Context(), "same")
			if err == nil {
				urls[i] = at
			}
		})
	}
	wg.Wait()

	for i, at := range urls {
		db := open(t, at)
		execute(t, db, "CREATE TABLE charges (id INT PRIMARY KEY)")
		execute(t, db, "INSERT INTO charges VALUES (?)", i)
		var timeout int
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT @@innodb_lock_wait_timeout").Scan(&timeout))
		require.Equal(t, 7, timeout, "the further options are not in force")
	}
	for i, at := range urls {
		var id int
		require.NoError(t, open(t, at).QueryRowContext(t.Context(), "SELECT id FROM charges").Scan(&id))
		require.Equal(t, i, id)
	}
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()

	server, err := mysqltest.Start(t.Context(), mysqltest.Config{Relaxed: true})
	require.NoError(t, err)
	db := open(t, server.URL(""))
	folder := folderOf(t, db)
	require.DirExists(t, folder)

	require.NoError(t, server.Stop())
	require.NoDirExists(t, folder)
	require.Error(t, db.PingContext(t.Context()))
}

func TestServerGoesWithTheProcessThatStartedIt(t *testing.T) {
	t.Parallel()

	victim := exec.CommandContext(t.Context(), os.Args[0])
	victim.Env = append(os.Environ(), victimVariable+"=1")
	out, err := victim.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, victim.Start())
	output := bufio.NewScanner(out)
	require.True(t, output.Scan(), "the victim started no server")
	db := open(t, output.Text())
	folder := folderOf(t, db)

	require.NoError(t, victim.Process.Kill()) // no code of the victim runs after this
	require.Error(t, victim.Wait())

	require.Eventually(t, func() bool {
		_, err := os.Stat(folder)
		return os.IsNotExist(err)
	}, 30*time.Second, 20*time.Millisecond, "the victim's folder %s is still there", folder)
	require.Error(t, db.PingContext(t.Context()), "the victim's server still answers")
}

func TestStartSaysWhatTheServerSaid(t *testing.T) {
	t.Parallel()

	_, err := mysqltest.Start(t.Context(), mysqltest.Config{Args: []string{"--no-such-option"}})
	require.ErrorContains(t, err, "no-such-option")
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := mysqltest.Start(ctx, mysqltest.Config{})
	require.ErrorIs(t, err, context.Canceled)
}

// start runs a server for the duration of the test.
func start(t *testing.T, config mysqltest.Config) *mysqltest.Server {
	t.Helper()
	server, err := mysqltest.Start(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })

	parsed, err := url.Parse(server.URL(""))
	require.NoError(t, err)
	require.True(t, net.ParseIP(parsed.Hostname()).IsLoopback(), "%s is not a loopback address", parsed.Host)
	return server
}

// open connects to a URL of mysqltest, without its own parser.
func open(t *testing.T, raw string) *sql.DB {
	t.Helper()
	parsed, err := url.Parse(raw)
	require.NoError(t, err)
	require.Equal(t, "mysql", parsed.Scheme)

	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", parsed.Host
	config.User = parsed.User.Username()
	config.Passwd, _ = parsed.User.Password()
	config.DBName = parsed.Path[1:]
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func execute(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
}

func count(t *testing.T, db *sql.DB, table string) int {
	t.Helper()
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n))
	return n
}

// folderOf returns the parent of the server's data folder.
func folderOf(t *testing.T, db *sql.DB) string {
	t.Helper()
	var data string
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT @@datadir").Scan(&data))
	return filepath.Dir(filepath.Clean(data))
}
