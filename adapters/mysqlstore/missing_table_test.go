package mysqlstore_test

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/ports"
	"paymentd/ports/portstest"
)

// notRead are the tables that a history does not need.
var notRead = []string{"replicas", "outbox", "endpoints"}

// A table that a payment needs is missing: no payment may be charged, and a read that needs it is unavailable.
func TestTryWrite_MissingTableIsNotWritable(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, "VTGate reports a missing table as an INSERT without columns (VT09004)", mysqltest.Vitess)
	for _, table := range []string{"payments", "attempts", "events", "gateway_keys", "replicas", "operations", "operation_attempts", "operation_events", "operation_keys", "outbox", "endpoints"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			databaseURL := newlyMigrated(t)
			s := open(t, databaseURL, mysqlstore.Options{})
			require.NoError(t, s.TryWrite(t.Context()))
			charged(t, s)
			_, _, err := s.Claim(t.Context(), refundRequest(t))
			require.NoError(t, err)

			db := raw(t, databaseURL)
			execute(t, db, "ALTER TABLE "+table+" RENAME TO renamed")
			err = s.TryWrite(t.Context())
			require.ErrorIs(t, err, ports.ErrNotWritable)
			require.ErrorContains(t, err, table)
			if _, err = s.History(t.Context(), "order-1"); !slices.Contains(notRead, table) {
				require.ErrorIs(t, err, ports.ErrUnavailable)
			}
			if table == "payments" {
				_, _, err = s.Claim(t.Context(), request(t, "order-2"))
				require.ErrorIs(t, err, ports.ErrNotWritable)
			}
			execute(t, db, "ALTER TABLE renamed RENAME TO "+table)
			require.NoError(t, s.TryWrite(t.Context()))
		})
	}
}

func TestWrites_MissingTableWritesNothing(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, "VTGate reports a missing table as an INSERT without columns (VT09004)", mysqltest.Vitess)
	portstest.MissingTables(t, func(t testing.TB) portstest.Stored {
		t.Helper()
		databaseURL := newlyMigrated(t)
		return portstest.Stored{
			Payments: open(t, databaseURL, mysqlstore.Options{Log: slog.New(slog.DiscardHandler)}),
			Execute: func(t testing.TB, statement string) {
				t.Helper()
				execute(t, raw(t, databaseURL), statement)
			},
		}
	})
}
