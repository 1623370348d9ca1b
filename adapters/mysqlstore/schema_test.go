package mysqlstore_test

import (
	"context"
	"database/sql"
	"net/url"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/ports"
	"paymentd/sql/diagnosis"
)

// raw returns a pool of the test's own on a database.
func raw(t testing.TB, databaseURL string) *sql.DB {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	config := mysql.NewConfig()
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Net, config.Addr, config.DBName = "tcp", u.Host, u.Path[1:]
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func execute(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

// TestMigrateAtOnce starts several replicas at the same time on an empty database.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	const replicas = 8
	databaseURL := mysqltest.Database(t)
	errs := make(chan error, replicas)
	var all sync.WaitGroup
	for range replicas {
		all.Go(func() {
			schema, err := mysqlstore.Schema(databaseURL)
			if err == nil {
				err = schema.Up(t.Context())
			}
			errs <- err
		})
	}
	all.Wait()
	for range replicas {
		require.NoError(t, <-errs)
	}
	require.NoError(t, open(t, databaseURL, mysqlstore.Options{}).Ready(t.Context()))
}

func TestMigrateDownAndUp(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	schema, err := mysqlstore.Schema(databaseURL)
	require.NoError(t, err)
	s := open(t, databaseURL, mysqlstore.Options{})

	status, err := schema.Status(t.Context())
	require.NoError(t, err)
	require.NoError(t, status.Err())
	require.Equal(t, status.Latest, status.Version)
	require.NoError(t, schema.Up(t.Context()), "up to date is no error")

	require.NoError(t, schema.Down(t.Context()))
	status, err = schema.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, status.Latest-1, status.Version)
	require.ErrorContains(t, s.Ready(t.Context()), "the schema is at version 5 and this program needs 6")

	require.NoError(t, schema.DownAll(t.Context()))
	require.NoError(t, schema.Down(t.Context()), "nothing left to undo is no error")
	require.NoError(t, schema.DownAll(t.Context()))
	require.ErrorContains(t, s.Ready(t.Context()), "the database has no tables yet")

	require.NoError(t, schema.Up(t.Context()))
	require.NoError(t, s.Ready(t.Context()))
}

func TestReadyBeforeTheFirstMigration(t *testing.T) {
	t.Parallel()
	s := open(t, mysqltest.Database(t), mysqlstore.Options{})
	require.ErrorContains(t, s.Ready(t.Context()), "run `paymentd migrate up`")
	_, err := s.Find(t.Context(), "order-1")
	require.Error(t, err)
	require.NotErrorIs(t, err, ports.ErrUnavailable, "waiting will not help")
}

// TestMigrationThatFails leaves a schema that is dirty, and the words say so, then and at
// each later start.
func TestMigrationThatFails(t *testing.T) {
	t.Parallel()
	databaseURL := mysqltest.Database(t)
	db := raw(t, databaseURL)
	execute(t, db, "CREATE TABLE attempts (in_the_way INT PRIMARY KEY)")
	schema, err := mysqlstore.Schema(databaseURL)
	require.NoError(t, err)

	err = schema.Up(t.Context())
	require.ErrorContains(t, err, "already exists")
	const dirty = "the schema is dirty: the migration to version 2 began and did not finish"
	require.ErrorContains(t, err, dirty)
	require.ErrorContains(t, schema.Up(t.Context()), dirty)
	require.ErrorContains(t, schema.Down(t.Context()), dirty)
	require.ErrorContains(t, open(t, databaseURL, mysqlstore.Options{}).Ready(t.Context()), dirty)

	// As the words say.
	execute(t, db, "DROP TABLE attempts")
	execute(t, db, "CREATE TABLE attempts LIKE payments")
	execute(t, db, "UPDATE schema_migrations SET dirty = FALSE")
	require.NoError(t, schema.Up(t.Context()))
}

// TestSchemaOfANewerProgram: one works on it, also while the newer program's migration is under way.
func TestSchemaOfANewerProgram(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	db := raw(t, databaseURL)
	schema, err := mysqlstore.Schema(databaseURL)
	require.NoError(t, err)
	for dirty, level := range map[string]diagnosis.Level{"FALSE": diagnosis.OK, "TRUE": diagnosis.Warn} {
		execute(t, db, "UPDATE schema_migrations SET version = 1000, dirty = "+dirty)
		const newer = "the schema is at version 1000, newer than the 6 that this program knows"
		require.NoError(t, schema.Up(t.Context()))
		require.ErrorContains(t, schema.Down(t.Context()), newer)
		require.NoError(t, open(t, databaseURL, mysqlstore.Options{}).Ready(t.Context()))
		status, err := schema.Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, level, status.Finding().Level, dirty)
	}
}

func TestMigrateWithoutAServer(t *testing.T) {
	t.Parallel()
	schema, err := mysqlstore.Schema("mysql://pay:s3cret@127.0.0.1:1/payments")
	require.NoError(t, err)
	err = schema.Up(t.Context())
	require.ErrorContains(t, err, "connect to the database")
	require.NotContains(t, err.Error(), "s3cret")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = schema.Status(ctx)
	require.Error(t, err)
}
