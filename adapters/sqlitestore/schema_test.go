package sqlitestore_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sqlitestore"
	"paymentd/ports"
)

// raw returns a pool of the test's own on a file.
func raw(t testing.TB, databaseURL string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(databaseURL, "sqlite:")+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func execute(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

// TestMigrateAtOnce migrates one new file from many connections at the same time.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	const replicas = 8
	databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "payments.db")
	errs := make(chan error, replicas)
	var all sync.WaitGroup
	for range replicas {
		all.Go(func() {
			schema, err := sqlitestore.Schema(databaseURL)
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
	require.NoError(t, open(t, databaseURL, sqlitestore.Options{}).Ready(t.Context()))
}

func TestMigrateDownAndUp(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	schema, err := sqlitestore.Schema(databaseURL)
	require.NoError(t, err)
	s := open(t, databaseURL, sqlitestore.Options{})

	status, err := schema.Status(t.Context())
	require.NoError(t, err)
	require.NoError(t, status.Err())
	require.Equal(t, status.Latest, status.Version)
	require.NoError(t, schema.Up(t.Context()), "up to date is no error")

	require.NoError(t, schema.Down(t.Context()))
	status, err = schema.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, status.Latest-1, status.Version)
	require.ErrorContains(t, s.Ready(t.Context()), "the schema is at version 6 and this program needs 7")

	require.NoError(t, schema.DownAll(t.Context()))
	require.NoError(t, schema.Down(t.Context()), "nothing left to undo is no error")
	require.ErrorContains(t, s.Ready(t.Context()), "the database has no tables yet")

	require.NoError(t, schema.Up(t.Context()))
	require.NoError(t, s.Ready(t.Context()))
}

func TestReadyBeforeTheFirstMigration(t *testing.T) {
	t.Parallel()
	s := open(t, "sqlite:"+filepath.Join(t.TempDir(), "payments.db"), sqlitestore.Options{})
	require.ErrorContains(t, s.Ready(t.Context()), "run `paymentd migrate up`")
	_, err := s.Find(t.Context(), "order-1")
	require.ErrorContains(t, err, "no such table")
	require.NotErrorIs(t, err, ports.ErrUnavailable, "waiting will not help")
}

// TestMigrationThatFails leaves the schema as it was.
func TestMigrationThatFails(t *testing.T) {
	t.Parallel()
	databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "payments.db")
	db := raw(t, databaseURL)
	execute(t, db, "CREATE TABLE attempts (in_the_way INTEGER)")
	schema, err := sqlitestore.Schema(databaseURL)
	require.NoError(t, err)
	require.ErrorContains(t, schema.Up(t.Context()), "table attempts already exists")
	require.ErrorContains(t, open(t, databaseURL, sqlitestore.Options{}).Ready(t.Context()), "no tables yet")
	execute(t, db, "DROP TABLE attempts")
	require.NoError(t, schema.Up(t.Context()))
}

func TestSchemaOfANewerProgram(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	execute(t, raw(t, databaseURL), "UPDATE schema_migrations SET version = 1000")
	schema, err := sqlitestore.Schema(databaseURL)
	require.NoError(t, err)
	const newer = "the schema is at version 1000, newer than the 7 that this program knows"
	require.NoError(t, schema.Up(t.Context()))
	require.ErrorContains(t, schema.Down(t.Context()), newer)
	require.NoError(t, open(t, databaseURL, sqlitestore.Options{}).Ready(t.Context()))
}
