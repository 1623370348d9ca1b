package sqlitestore

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sqlite3 "modernc.org/sqlite/lib"

	"paymentd/core/payment"
	"paymentd/ports"
)

func migrated(t *testing.T) (databaseURL string, s *Payments) {
	t.Helper()
	databaseURL = "sqlite:" + filepath.Join(t.TempDir(), "payments.db")
	schema, err := Schema(databaseURL)
	require.NoError(t, err)
	require.NoError(t, schema.Up(t.Context()))
	s, err = Open(databaseURL, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return databaseURL, s
}

func request(t testing.TB, id string) payment.ClaimRequest {
	t.Helper()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := payment.MoneyFromMinor(10_000, usd)
	require.NoError(t, err)
	return payment.ClaimRequest{OrderID: payment.OrderID(id), Money: money, NewKey: "key", Replica: "replica-a", Lease: time.Hour}
}

// Nothing is written, the caller gets an error, and reads still work.
func TestPayments_DiskFull(t *testing.T) {
	t.Parallel()
	_, s := migrated(t)
	_, _, err := s.Claim(t.Context(), request(t, "order-before"))
	require.NoError(t, err)
	_, err = s.writer.ExecContext(t.Context(), "PRAGMA max_page_count = 1") // its present size
	require.NoError(t, err)
	claimed := 0
	for ; err == nil; claimed++ {
		_, _, err = s.Claim(t.Context(), request(t, fmt.Sprintf("order-%03d-%s", claimed, strings.Repeat("x", 100))))
	}
	require.ErrorIs(t, err, ports.ErrUnavailable)
	require.NotErrorIs(t, err, ports.ErrInDoubt)
	require.Equal(t, sqlite3.SQLITE_FULL, result(err))
	page, err := s.List(t.Context(), ports.ListQuery{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, page.Payments, claimed, "order-before, and those whose claim returned no error")

	_, err = s.writer.ExecContext(t.Context(), "PRAGMA max_page_count = 1000000")
	require.NoError(t, err)
	_, verdict, err := s.Claim(t.Context(), request(t, "order-after"))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
}

// The wait for the write lock ends with the caller's ctx.
func TestWrite_NoFreeWriter(t *testing.T) {
	t.Parallel()
	databaseURL, s := migrated(t)
	tx, err := s.writer.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _, err = s.Claim(ctx, request(t, "order-1"))
	require.ErrorIs(t, err, ports.ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded, "the cause is kept")
	_, err = s.Find(t.Context(), "order-1")
	require.ErrorIs(t, err, ports.ErrNotFound, "reads do not wait")

	other, err := Open(databaseURL, Options{Timeout: 20 * time.Millisecond})
	require.NoError(t, err)
	_, _, err = other.Claim(t.Context(), request(t, "order-1"))
	require.ErrorIs(t, err, ports.ErrUnavailable, "the lock is taken before the first read")
	require.NoError(t, other.Close())
	require.NoError(t, tx.Rollback())
}

// The settings make a commit survive a loss of power.
func TestOpen_DurableSettings(t *testing.T) {
	t.Parallel()
	_, s := migrated(t)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2"} {
		var got string
		require.NoError(t, s.writer.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
		require.Equal(t, want, got, pragma)
	}
	_, err := s.readers.ExecContext(t.Context(), "DELETE FROM payments")
	require.Error(t, err, "a reader cannot write")
}
