package mysqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/internal/doctor"
	"paymentd/internal/schema"
	"paymentd/ports"
	"paymentd/sql/mysql/migrations"
)

// raw returns a pool to a database.
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

// Several replicas start at the same time on an empty database.
func TestSchema_ConcurrentUp(t *testing.T) {
	t.Parallel()
	const replicas = 8
	databaseURL := mysqltest.Database(t)
	errs := make(chan error, replicas)
	var all sync.WaitGroup
	for range replicas {
		all.Go(func() {
			steps, err := mysqlstore.Schema(databaseURL)
			if err == nil {
				err = steps.Up(t.Context())
				// DDL may take longer there than GET_LOCK waits. The service repeats a migration as well.
				for mysqltest.TestedEngine() != mysqltest.MySQL && errors.Is(err, ports.ErrUnavailable) {
					err = steps.Up(t.Context())
				}
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

// down takes one step back, and returns the losses. A replica counts as alive for a minute.
func down(t testing.TB, databaseURL string, permit bool) ([]schema.Loss, error) {
	t.Helper()
	s, err := mysqlstore.Schema(databaseURL)
	require.NoError(t, err)
	return s.Down(t.Context(), schema.Down{Alive: time.Minute, DropPayments: permit})
}

func TestSchema_DownAndUp(t *testing.T) {
	t.Parallel()
	databaseURL := newlyMigrated(t)
	steps, err := mysqlstore.Schema(databaseURL)
	require.NoError(t, err)
	s := open(t, databaseURL, mysqlstore.Options{})

	status, err := s.SchemaStatus(t.Context())
	require.NoError(t, err)
	require.True(t, status.Current())
	require.NoError(t, steps.Up(t.Context()), "up to date is no error")

	for version := status.Latest; version > 0; version = status.Version {
		_, err := down(t, databaseURL, false)
		require.NoError(t, err)
		status, err = s.SchemaStatus(t.Context())
		require.NoError(t, err)
		require.Less(t, status.Version, version, "one step")
	}
	_, err = down(t, databaseURL, false)
	require.ErrorContains(t, err, "there is no step to take back")
	require.ErrorContains(t, s.Ready(t.Context()), "the database has no tables yet")

	require.NoError(t, steps.Up(t.Context()))
	require.NoError(t, s.Ready(t.Context()))
}

// Rows that cannot be recreated are dropped only with permission, and after that, tables are created
// only with permission.
func TestSchema_DownKeepsRows(t *testing.T) {
	t.Parallel()
	databaseURL := newlyMigrated(t)
	s := open(t, databaseURL, mysqlstore.Options{})
	_, _, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	status := func() schema.Status {
		status, err := s.SchemaStatus(t.Context())
		require.NoError(t, err)
		return status
	}

	require.NoError(t, s.Heartbeat(t.Context(), "replica-of-the-test"))
	_, err = down(t, databaseURL, true)
	require.ErrorContains(t, err, "replicas use this database (replica-of-the-test): stop them first")
	require.True(t, status().Current())
	db := raw(t, databaseURL)
	execute(t, db, "UPDATE replicas SET beat_at = NOW(6) - INTERVAL 61 SECOND")

	for err = nil; err == nil; _, err = down(t, databaseURL, false) {
	}
	refused, ok := errors.AsType[*schema.RefusedError](err)
	require.True(t, ok, err)
	require.ErrorContains(t, refused, "columns capture, captured_minor, hold_claimed_by, hold_expires_at, operation_count of payments (1 row)")
	require.EqualValues(t, 17, status().Version)
	require.False(t, status().Dirty)
	for status().Version > 1 {
		_, err := down(t, databaseURL, true)
		require.NoError(t, err)
	}
	_, err = down(t, databaseURL, false)
	require.ErrorContains(t, err, "payments (1 row)")

	lost, err := down(t, databaseURL, true)
	require.NoError(t, err)
	require.Equal(t, []schema.Loss{{Table: "payments", Rows: 1}}, lost)
	up, err := mysqlstore.Schema(databaseURL)
	require.NoError(t, err)
	for range 2 {
		dropped, ok := errors.AsType[*schema.DroppedError](up.Up(t.Context()))
		require.True(t, ok)
		require.ErrorContains(t, dropped, "orders that were paid would be charged again")
	}
	require.Zero(t, status().Version)
	require.NoError(t, up.StartEmpty(t.Context()))
	require.NoError(t, up.Up(t.Context()))
	require.True(t, status().Current())
}

// A refund that has left no record in the newer tables is not dropped without permission, nor is what its
// payment has reserved.
func TestSchema_DownKeepsOperations(t *testing.T) {
	t.Parallel()
	databaseURL := newlyMigrated(t)
	s := open(t, databaseURL, mysqlstore.Options{})
	charged(t, s)
	require.NoError(t, claimRefund(t.Context(), t, s, 1))
	var err error
	for err == nil { // the latest steps lose nothing
		_, err = down(t, databaseURL, false)
	}
	require.ErrorContains(t, err, "the step back from version 17 would drop rows that cannot be recreated, of columns capture")
	for _, err = down(t, databaseURL, true); err == nil; _, err = down(t, databaseURL, false) {
	}
	_, ok := errors.AsType[*schema.RefusedError](err)
	require.True(t, ok, err)
	require.ErrorContains(t, err, "the step back from version 13 would drop rows that cannot be recreated, of operations (1 row)")
	lost, err := down(t, databaseURL, true)
	require.NoError(t, err)
	require.Equal(t, []schema.Loss{{Table: "operations", Rows: 1}}, lost)
	up, err := mysqlstore.Schema(databaseURL)
	require.NoError(t, err)
	_, ok = errors.AsType[*schema.DroppedError](up.Up(t.Context()))
	require.True(t, ok, "no empty table is created, in which no order has refunds")
}

// Another program has tables with paymentd's names.
func TestSchema_ForeignDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, "its VSchema, which is ours, refuses rows of another program's tables", mysqltest.Vitess)
	for name, statements := range map[string][]string{
		"payments":           {"CREATE TABLE payments (id INT PRIMARY KEY, amount INT)"},
		"golang-migrate":     {"CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, dirty BOOLEAN)", "INSERT INTO schema_migrations VALUES (12, FALSE)"},
		"others' migrations": {"CREATE TABLE schema_migrations (version VARCHAR(64) PRIMARY KEY)", "INSERT INTO schema_migrations VALUES ('2026')"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := mysqltest.Database(t)
			db := raw(t, databaseURL)
			for _, statement := range statements {
				execute(t, db, statement)
			}
			s, err := mysqlstore.Schema(databaseURL)
			require.NoError(t, err)
			_, ok := errors.AsType[*schema.ForeignError](s.Up(t.Context()))
			require.True(t, ok)
			_, err = open(t, databaseURL, mysqlstore.Options{}).SchemaStatus(t.Context())
			_, ok = errors.AsType[*schema.ForeignError](err)
			require.True(t, ok, err)
			var tables int
			require.NoError(t, db.QueryRowContext(t.Context(),
				"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()").Scan(&tables))
			require.Equal(t, 1, tables, "no table was created")
		})
	}
}

func TestReady_BeforeTheFirstMigration(t *testing.T) {
	t.Parallel()
	s := open(t, mysqltest.Database(t), mysqlstore.Options{})
	require.ErrorContains(t, s.Ready(t.Context()), "run `paymentd migrate up`")
	_, err := s.Find(t.Context(), "order-1")
	require.ErrorIs(t, err, ports.ErrUnavailable)
	require.ErrorContains(t, err, "a table is missing")
}

// A failed migration leaves a dirty schema, and the errors say so, then and at each later start.
func TestSchema_FailedMigrationIsDirty(t *testing.T) {
	t.Parallel()
	databaseURL := mysqltest.Database(t)
	db := raw(t, databaseURL)
	execute(t, db, "CREATE TABLE attempts (in_the_way INT PRIMARY KEY)")
	steps, err := mysqlstore.Schema(databaseURL)
	require.NoError(t, err)

	err = steps.Up(t.Context())
	require.ErrorContains(t, err, "already exists")
	const dirty = "the schema is dirty: the migration to version 2 began and did not finish"
	require.ErrorContains(t, err, dirty)
	require.ErrorContains(t, steps.Up(t.Context()), dirty)
	_, err = down(t, databaseURL, false)
	require.ErrorContains(t, err, dirty)
	require.Equal(t, 1, strings.Count(err.Error(), "dirty: "))
	require.ErrorContains(t, open(t, databaseURL, mysqlstore.Options{}).Ready(t.Context()), dirty)

	// As the error advises.
	execute(t, db, "DROP TABLE attempts")
	execute(t, db, "CREATE TABLE attempts LIKE payments")
	execute(t, db, "UPDATE schema_migrations SET dirty = FALSE")
	require.NoError(t, steps.Up(t.Context()))
}

// The schema can be used, also while the newer program's migration is in flight.
func TestSchema_OfANewerProgramIsUsable(t *testing.T) {
	t.Parallel()
	databaseURL := newlyMigrated(t)
	db := raw(t, databaseURL)
	steps, err := mysqlstore.Schema(databaseURL)
	require.NoError(t, err)
	for dirty, level := range map[string]doctor.Level{"FALSE": doctor.OK, "TRUE": doctor.Warn} {
		execute(t, db, "DELETE FROM schema_migrations") // on Vitess, an UPDATE of a vindex is refused
		execute(t, db, "INSERT INTO schema_migrations (version, dirty) VALUES (1000, "+dirty+")")
		newer := fmt.Sprintf("the schema is at version 1000, newer than the %d that this program knows", latest(t))
		require.NoError(t, steps.Up(t.Context()))
		_, err := down(t, databaseURL, false)
		require.ErrorContains(t, err, newer)
		require.NoError(t, open(t, databaseURL, mysqlstore.Options{}).Ready(t.Context()))
		status, err := open(t, databaseURL, mysqlstore.Options{}).SchemaStatus(t.Context())
		require.NoError(t, err)
		require.Equal(t, level, status.Finding().Level, dirty)
	}
}

func TestSchema_WithoutAServer(t *testing.T) {
	t.Parallel()
	steps, err := mysqlstore.Schema("mysql://pay:s3cret@127.0.0.1:1/payments")
	require.NoError(t, err)
	err = steps.Up(t.Context())
	require.ErrorContains(t, err, "connect to the database")
	require.NotContains(t, err.Error(), "s3cret")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, steps.Up(ctx))
}

// latest returns the version of the latest migration.
func latest(t testing.TB) uint {
	t.Helper()
	version, err := schema.Latest(migrations.Files)
	require.NoError(t, err)
	return version
}
