package sqlitestore_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sqlitestore"
	"paymentd/ports"
	"paymentd/ports/portstest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	portstest.Payments(t, func(t testing.TB) ports.Payments {
		t.Helper()
		return open(t, migrated(t), sqlitestore.Options{})
	})
}

// Two handles on one file are two processes.
func TestContract_Shared(t *testing.T) {
	t.Parallel()
	portstest.SharedPayments(t, func(t testing.TB) (a, b ports.Payments) {
		t.Helper()
		databaseURL := migrated(t)
		options := sqlitestore.Options{Timeout: time.Minute}
		return open(t, databaseURL, options), open(t, databaseURL, options)
	})
}

func TestContract_StoredRows(t *testing.T) {
	t.Parallel()
	portstest.StoredRows(t, func(t testing.TB) portstest.Stored {
		t.Helper()
		databaseURL := migrated(t)
		s := open(t, databaseURL, sqlitestore.Options{Log: slog.New(slog.DiscardHandler)})
		return portstest.Stored{Payments: s, Keys: s.Keys(), Execute: func(t testing.TB, statement string) {
			t.Helper()
			execute(t, raw(t, databaseURL), statement)
		}}
	})
}

func TestContract_Summaries(t *testing.T) {
	t.Parallel()
	portstest.Summaries(t, func(t testing.TB) portstest.SummarizedPayments {
		t.Helper()
		return open(t, migrated(t), sqlitestore.Options{})
	})
}

func TestContract_Waiting(t *testing.T) {
	t.Parallel()
	portstest.Waiting(t, func(t testing.TB) portstest.WaitingPayments {
		t.Helper()
		return open(t, migrated(t), sqlitestore.Options{})
	})
}

func TestContract_Operators(t *testing.T) {
	t.Parallel()
	portstest.Operators(t, func(t testing.TB) portstest.OperatedPayments {
		t.Helper()
		return open(t, migrated(t), sqlitestore.Options{})
	})
}

func TestContract_Sessions(t *testing.T) {
	t.Parallel()
	portstest.Sessions(t, func(t testing.TB) ports.Sessions {
		t.Helper()
		return open(t, migrated(t), sqlitestore.Options{}).Sessions()
	})
}

func TestContract_Outstanding(t *testing.T) {
	t.Parallel()
	portstest.Outstanding(t, func(t testing.TB) portstest.OutstandingPayments {
		t.Helper()
		return open(t, migrated(t), sqlitestore.Options{})
	})
}

func TestContract_GatewayAddresses(t *testing.T) {
	t.Parallel()
	portstest.GatewayAddresses(t, func(t testing.TB) portstest.AddressedPayments {
		t.Helper()
		return open(t, migrated(t), sqlitestore.Options{})
	})
}

func TestContract_AdminHistory(t *testing.T) {
	t.Parallel()
	portstest.AdminHistory(t, func(t testing.TB) portstest.Administered {
		t.Helper()
		s := open(t, migrated(t), sqlitestore.Options{})
		return portstest.Administered{Keys: s.Keys(), Endpoints: s.Endpoints(), Acts: s.AdminHistory()}
	})
}

func TestContract_Keys(t *testing.T) {
	t.Parallel()
	portstest.Keys(t, func(t testing.TB) ports.Keys {
		t.Helper()
		return open(t, migrated(t), sqlitestore.Options{}).Keys()
	})
}

// migrated returns the URL of a new file with the schema.
func migrated(t testing.TB) string {
	t.Helper()
	url := "sqlite:" + filepath.Join(t.TempDir(), "payments.db")
	schema, err := sqlitestore.Schema(url)
	require.NoError(t, err)
	require.NoError(t, schema.Up(t.Context()))
	return url
}

// open returns the repository in a file.
func open(t testing.TB, url string, options sqlitestore.Options) *sqlitestore.Payments {
	t.Helper()
	payments, err := sqlitestore.Open(url, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, payments.Close()) })
	return payments
}

func TestContract_Outbox(t *testing.T) {
	t.Parallel()
	portstest.Outbox(t, func(t testing.TB) portstest.Events {
		t.Helper()
		s := open(t, migrated(t), sqlitestore.Options{})
		return portstest.Events{Payments: s, Endpoints: s.Endpoints(), Outbox: s.Outbox()}
	})
}
