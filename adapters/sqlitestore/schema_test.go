package sqlitestore_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sqlitestore"
	"paymentd/core/payment"
	"paymentd/internal/schema"
	"paymentd/ports"
	"paymentd/sql/sqlite/migrations"
)

// raw returns a pool to a file.
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

// Many connections migrate one new file at the same time.
func TestSchema_ConcurrentUp(t *testing.T) {
	t.Parallel()
	const replicas = 8
	databaseURL := "sqlite:" + filepath.Join(t.TempDir(), "payments.db")
	errs := make(chan error, replicas)
	var all sync.WaitGroup
	for range replicas {
		all.Go(func() {
			steps, err := sqlitestore.Schema(databaseURL)
			if err == nil {
				err = steps.Up(t.Context())
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

// down takes one step back, and returns the losses.
func down(t testing.TB, databaseURL string, how schema.Down) ([]schema.Loss, error) {
	t.Helper()
	s, err := sqlitestore.Schema(databaseURL)
	require.NoError(t, err)
	return s.Down(t.Context(), how)
}

// statusOf reads the schema's status on a connection of its own.
func statusOf(t testing.TB, databaseURL string) schema.Status {
	t.Helper()
	s, err := sqlitestore.Open(databaseURL, sqlitestore.Options{})
	require.NoError(t, err)
	status, err := s.SchemaStatus(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	return status
}

func TestSchema_DownAndUp(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	steps, err := sqlitestore.Schema(databaseURL)
	require.NoError(t, err)
	status := statusOf(t, databaseURL)
	require.True(t, status.Current())
	require.NoError(t, steps.Up(t.Context()), "up to date is no error")

	for version := status.Latest; version > 0; {
		_, err := down(t, databaseURL, schemaDown)
		require.NoError(t, err)
		require.Less(t, statusOf(t, databaseURL).Version, version, "one step")
		version = statusOf(t, databaseURL).Version
	}
	_, err = down(t, databaseURL, schemaDown)
	require.ErrorContains(t, err, "there is no step to take back")
	require.ErrorContains(t, open(t, databaseURL, sqlitestore.Options{}).Ready(t.Context()), "the database has no tables yet")

	require.NoError(t, steps.Up(t.Context()))
	require.NoError(t, open(t, databaseURL, sqlitestore.Options{}).Ready(t.Context()))
}

// schemaDown permits no loss.
var schemaDown = schema.Down{}

// Rows that cannot be recreated are dropped only with permission, and after that, tables are created
// only with permission.
func TestSchema_DownKeepsRows(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	s := open(t, databaseURL, sqlitestore.Options{})
	_, _, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	_, err = down(t, databaseURL, schemaDown)
	require.ErrorContains(t, err, "another process has the database file")
	require.NoError(t, s.Close())

	for err = nil; err == nil; _, err = down(t, databaseURL, schemaDown) {
	}
	refused, ok := errors.AsType[*schema.RefusedError](err)
	require.True(t, ok, err)
	require.ErrorContains(t, refused, "columns capture, captured_minor, hold_claimed_by, hold_expires_at, operation_count of payments")
	require.ErrorContains(t, refused, "nothing was changed")
	require.EqualValues(t, 17, statusOf(t, databaseURL).Version)
	for statusOf(t, databaseURL).Version > 1 {
		_, err := down(t, databaseURL, schema.Down{DropPayments: true})
		require.NoError(t, err)
	}
	_, err = down(t, databaseURL, schemaDown)
	require.ErrorContains(t, err, "payments (1 row)")

	lost, err := down(t, databaseURL, schema.Down{DropPayments: true, DryRun: true})
	require.NoError(t, err)
	require.Equal(t, []schema.Loss{{Table: "payments", Rows: 1}}, lost)
	require.EqualValues(t, 1, statusOf(t, databaseURL).Version)

	lost, err = down(t, databaseURL, schema.Down{DropPayments: true})
	require.NoError(t, err)
	require.Equal(t, []schema.Loss{{Table: "payments", Rows: 1}}, lost)
	up, err := sqlitestore.Schema(databaseURL)
	require.NoError(t, err)
	for range 2 {
		dropped, ok := errors.AsType[*schema.DroppedError](up.Up(t.Context()))
		require.True(t, ok)
		require.ErrorContains(t, dropped, "orders that were paid would be charged again")
	}
	require.Zero(t, statusOf(t, databaseURL).Version)
	require.NoError(t, up.StartEmpty(t.Context()))
	require.NoError(t, up.Up(t.Context()))
	require.True(t, statusOf(t, databaseURL).Current())
}

// A refund whose row is lost could be made again, and its events are evidence.
func TestSchema_DownKeepsOperations(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	s := open(t, databaseURL, sqlitestore.Options{})
	charged(t, s, "order-1")
	refund := refundRequest(t, "order-1", "r-1", 100)
	_, _, err := s.Claim(t.Context(), refund)
	require.NoError(t, err)
	refund.Money, err = payment.MoneyFromMinor(101, refund.Money.Currency())
	require.NoError(t, err)
	_, verdict, err := s.Claim(t.Context(), refund)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictMismatch, verdict)
	require.NoError(t, s.Close())

	for _, want := range []struct {
		version uint
		lost    string
	}{{17, "operation_count of payments (1 row)"}, {15, "operation_events (1 row)"}, {13, "operations (1 row)"}} {
		for err = nil; err == nil; _, err = down(t, databaseURL, schemaDown) {
		}
		refused, ok := errors.AsType[*schema.RefusedError](err)
		require.True(t, ok, err)
		require.ErrorContains(t, refused, want.lost)
		require.Equal(t, want.version, statusOf(t, databaseURL).Version)
		_, err = down(t, databaseURL, schema.Down{DropPayments: true})
		require.NoError(t, err)
	}
	up, err := sqlitestore.Schema(databaseURL)
	require.NoError(t, err)
	dropped, ok := errors.AsType[*schema.DroppedError](up.Up(t.Context()))
	require.True(t, ok)
	require.ErrorContains(t, dropped, "operation_events (1 row), operations (1 row)")
}

// Nothing is changed in another program's database, not even its journal mode.
func TestSchema_ForeignDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		statements []string
		says       string
	}{
		"another program":     {[]string{"CREATE TABLE notes (text)"}, "is a SQLite database of another program"},
		"a view":              {[]string{"CREATE VIEW one AS SELECT 1"}, "is a SQLite database of another program"},
		"with payments":       {[]string{"CREATE TABLE payments (id, amount)"}, "is a SQLite database of another program"},
		"with migrations":     {[]string{"CREATE TABLE schema_migrations (version, dirty)", "CREATE TABLE users (name)"}, "another program"},
		"that is no database": {nil, "is not a SQLite database"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "other.db")
			if c.statements == nil {
				require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("no database ", 100)), 0o600))
			} else {
				db := raw(t, "sqlite:"+path)
				for _, statement := range c.statements {
					execute(t, db, statement)
				}
				require.NoError(t, db.Close())
			}
			before, err := os.ReadFile(path)
			require.NoError(t, err)

			_, err = sqlitestore.Open("sqlite:"+path, sqlitestore.Options{})
			foreign, ok := errors.AsType[*schema.ForeignError](err)
			require.True(t, ok, err)
			require.ErrorContains(t, foreign, c.says)
			s, err := sqlitestore.Schema("sqlite:" + path)
			require.NoError(t, err)
			require.ErrorContains(t, s.Up(t.Context()), c.says)
			_, err = s.Down(t.Context(), schema.Down{DropPayments: true})
			require.ErrorContains(t, err, c.says)

			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, before, after)
			files, err := os.ReadDir(filepath.Dir(path))
			require.NoError(t, err)
			require.Len(t, files, 1)
		})
	}
}

func TestReady_BeforeTheFirstMigration(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "payments.db")
	s := open(t, "sqlite:"+path, sqlitestore.Options{})
	require.ErrorContains(t, s.Ready(t.Context()), "run `paymentd migrate up`")
	_, err := s.Find(t.Context(), "order-1")
	require.ErrorContains(t, err, path+" does not exist")
	require.NoFileExists(t, path, "a read does not create the file")

	execute(t, raw(t, "sqlite:"+path), "CREATE TABLE other (x INTEGER)")
	_, err = s.Find(t.Context(), "order-1")
	require.ErrorContains(t, err, "no such table")
	require.ErrorIs(t, err, ports.ErrUnavailable)
}

func TestSchema_FailedMigrationChangesNothing(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	db := raw(t, databaseURL)
	execute(t, db, "UPDATE schema_migrations SET version = 3") // so that the table attempts exists already
	steps, err := sqlitestore.Schema(databaseURL)
	require.NoError(t, err)
	require.ErrorContains(t, steps.Up(t.Context()), "table attempts already exists")
	require.ErrorContains(t, open(t, databaseURL, sqlitestore.Options{}).Ready(t.Context()), "the schema is at version 3")
	for _, table := range []string{
		"attempts", "events", "replicas", "api_keys", "gateway_keys",
		"operations", "operation_attempts", "operation_events", "operation_keys",
		"endpoints", "outbox", "console_sessions", "admin_history", "delivery_attempts",
		"gateway_addresses",
	} {
		execute(t, db, "DROP TABLE "+table)
	}
	for _, column := range []string{
		"gateway", "key_sent_at", "key_sent_clock", "key_lifetime_micros", "retries", "doubt_named", "doubt_unanswered_clock",
		"doubt_latest_at", "doubt_latest_clock", "payment_method", "return_url", "refund_reserved_minor",
		"capture", "captured_minor", "hold_claimed_by", "hold_expires_at", "operation_count",
	} {
		execute(t, db, "ALTER TABLE payments DROP COLUMN "+column)
	}
	require.NoError(t, steps.Up(t.Context()))
}

func TestSchema_OfANewerProgramIsUsable(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	db := raw(t, databaseURL)
	execute(t, db, "UPDATE schema_migrations SET version = 1000")
	require.NoError(t, db.Close())
	steps, err := sqlitestore.Schema(databaseURL)
	require.NoError(t, err)
	newer := fmt.Sprintf("the schema is at version 1000, newer than the %d that this program knows", latest(t))
	require.NoError(t, steps.Up(t.Context()))
	_, err = down(t, databaseURL, schemaDown)
	require.ErrorContains(t, err, newer)
	require.NoError(t, open(t, databaseURL, sqlitestore.Options{}).Ready(t.Context()))
}

// SQLite would ignore the commits in that log.
func TestSchema_LogBesideALinkIsRefused(t *testing.T) {
	t.Parallel()
	databaseURL := migrated(t)
	path := strings.TrimPrefix(databaseURL, "sqlite:")
	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(path, link))
	require.NoError(t, open(t, "sqlite:"+link, sqlitestore.Options{}).Ready(t.Context()), "a link without a log beside it")

	require.NoError(t, os.WriteFile(link+"-wal", []byte("committed payments"), 0o600))
	_, err := sqlitestore.Open("sqlite:"+link, sqlitestore.Options{})
	require.ErrorContains(t, err, "link.db-wal may hold payments")
}

// latest returns the version of the latest migration.
func latest(t testing.TB) uint {
	t.Helper()
	version, err := schema.Latest(migrations.Files)
	require.NoError(t, err)
	return version
}
