package mysqlstore_test

import (
	"cmp"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/ports"
	"paymentd/ports/portstest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			portstest.Payments(t, func(t testing.TB) ports.Payments {
				t.Helper()
				return m.open(t, migrated(t))
			})
		})
	}
}

func TestContract_StoredRows(t *testing.T) {
	t.Parallel()
	portstest.StoredRows(t, func(t testing.TB) portstest.Stored {
		t.Helper()
		databaseURL := migrated(t)
		s := open(t, databaseURL, mysqlstore.Options{Log: slog.New(slog.DiscardHandler)})
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
		return open(t, migrated(t), mysqlstore.Options{})
	})
}

func TestContract_Waiting(t *testing.T) {
	t.Parallel()
	portstest.Waiting(t, func(t testing.TB) portstest.WaitingPayments {
		t.Helper()
		return open(t, migrated(t), mysqlstore.Options{})
	})
}

func TestContract_Operators(t *testing.T) {
	t.Parallel()
	portstest.Operators(t, func(t testing.TB) portstest.OperatedPayments {
		t.Helper()
		return open(t, migrated(t), mysqlstore.Options{})
	})
}

func TestContract_Sessions(t *testing.T) {
	t.Parallel()
	portstest.Sessions(t, func(t testing.TB) ports.Sessions {
		t.Helper()
		return open(t, migrated(t), mysqlstore.Options{}).Sessions()
	})
}

func TestContract_Outstanding(t *testing.T) {
	t.Parallel()
	portstest.Outstanding(t, func(t testing.TB) portstest.OutstandingPayments {
		t.Helper()
		return open(t, migrated(t), mysqlstore.Options{})
	})
}

func TestContract_GatewayAddresses(t *testing.T) {
	t.Parallel()
	portstest.GatewayAddresses(t, func(t testing.TB) portstest.AddressedPayments {
		t.Helper()
		return open(t, migrated(t), mysqlstore.Options{})
	})
}

func TestContract_AdminHistory(t *testing.T) {
	t.Parallel()
	portstest.AdminHistory(t, func(t testing.TB) portstest.Administered {
		t.Helper()
		s := open(t, migrated(t), mysqlstore.Options{})
		return portstest.Administered{Keys: s.Keys(), Endpoints: s.Endpoints(), Acts: s.AdminHistory()}
	})
}

func TestContract_Keys(t *testing.T) {
	t.Parallel()
	portstest.Keys(t, func(t testing.TB) ports.Keys {
		t.Helper()
		return open(t, migrated(t), mysqlstore.Options{}).Keys()
	})
}

// ownServer is why a test does not run on some engines: make test runs it.
const ownServer = "starts a MySQL server of its own, and would test nothing of the engine"

// mode is how a repository commits.
type mode struct {
	name string
	with func(databaseURL string, options mysqlstore.Options) (*mysqlstore.Payments, error)
	mysqlstore.Options
	// settles is the beginning of the statement that settles a payment.
	settles string
}

var (
	shared   = mode{name: "shared commits", with: mysqlstore.Open, settles: "UPDATE payments"}
	manyRows = mode{name: "statements of many rows only", with: mysqlstore.OpenBatchingAlways, settles: "UPDATE payments FORCE INDEX"}
	single   = mode{
		name: "commits alone", with: mysqlstore.Open, Options: mysqlstore.Options{CommitsAlone: true},
		settles: "UPDATE payments",
	}
	modes = []mode{shared, manyRows, single}
)

// engineTimeout is the timeout of statements on engines that take seconds for one on a busy machine.
const engineTimeout = time.Minute

func (m mode) open(t testing.TB, url string) *mysqlstore.Payments {
	t.Helper()
	options := m.Options
	if mysqltest.TestedEngine() != mysqltest.MySQL {
		options.Timeout = cmp.Or(options.Timeout, engineTimeout)
	}
	payments, err := m.with(url, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, payments.Close()) })
	return payments
}

// migrated returns the URL of a database with the schema and no rows. The test must not change the schema.
func migrated(t testing.TB) string {
	t.Helper()
	return mysqltest.Prepared(t, up)
}

// newlyMigrated is migrated for a test that changes the schema.
func newlyMigrated(t testing.TB) string {
	t.Helper()
	url := mysqltest.Database(t)
	require.NoError(t, up(t.Context(), url))
	return url
}

func up(ctx context.Context, url string) error {
	schema, err := mysqlstore.Schema(url)
	if err != nil {
		return err
	}
	return schema.Up(ctx)
}

// open returns the repository in a database.
func open(t testing.TB, url string, options mysqlstore.Options) *mysqlstore.Payments {
	t.Helper()
	return mode{with: mysqlstore.Open, Options: options}.open(t, url)
}

func TestContract_Outbox(t *testing.T) {
	t.Parallel()
	portstest.Outbox(t, func(t testing.TB) portstest.Events {
		t.Helper()
		s := open(t, migrated(t), mysqlstore.Options{})
		return portstest.Events{Payments: s, Endpoints: s.Endpoints(), Outbox: s.Outbox()}
	})
}
