package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/core/payment"
)

// spy records the last statement that it forwards.
type spy struct {
	*sql.DB

	statement string
	args      []any
}

func (s *spy) ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	s.statement, s.args = statement, args
	return s.DB.ExecContext(ctx, statement, args...)
}

func (s *spy) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	s.statement, s.args = statement, args
	return s.DB.QueryContext(ctx, statement, args...)
}

func (s *spy) QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row {
	s.statement, s.args = statement, args
	return s.DB.QueryRowContext(ctx, statement, args...)
}

// otherPlans is why a test of plans does not run on some engines.
const otherPlans = "its EXPLAIN has other columns"

// fillTables inserts thousands of payments, gateway keys and API keys, of which few are due or active.
func fillTables(t *testing.T, s *Payments) {
	t.Helper()
	const opened, settled = 40 * maxBatchRows, 38 * maxBatchRows
	for batch := range opened / maxBatchRows {
		orders := make([]payment.OrderID, 0, maxBatchRows)
		for i := range maxBatchRows {
			orders = append(orders, payment.OrderID(fmt.Sprintf("order-%05d", batch*maxBatchRows+i)))
		}
		claims := newClaims(t, orders...)
		for _, err := range s.insertBatch(claims) {
			require.NoError(t, err)
		}
	}
	_, err := s.db.ExecContext(t.Context(), "UPDATE payments SET state = 'succeeded', due_at = NULL WHERE order_id < ?",
		fmt.Sprintf("order-%05d", settled))
	require.NoError(t, err)
	for _, statement := range []string{
		// As many revoked keys as payments, and twenty active ones.
		"INSERT INTO api_keys (id, name, scopes, hash, created_at, revoked_at) " +
			"SELECT LEFT(SHA2(order_id, 256), 12), order_id, 'pay', UNHEX(SHA2(order_id, 256)), NOW(6), NOW(6) FROM payments",
		"UPDATE api_keys SET active_name = name, revoked_at = NULL WHERE name < 'order-00020'",
		// A key for each payment; the lookup of twenty is due at some time.
		"INSERT INTO gateway_keys (order_id, gateway_key, gateway, lifetime_micros, doubt_answered, doubt_named, " +
			"refused_class, refused_code, refused_message, attempts, lookups, closed, transaction_id, due_at) " +
			"SELECT order_id, gateway_key, gateway, 0, TRUE, FALSE, '', '', '', 1, 0, 'absent', '', " +
			"IF(order_id < 'order-00020', NOW(6), NULL) FROM payments",
		"ANALYZE TABLE payments, api_keys, gateway_keys",
	} {
		_, err = s.db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
}

var someOrders = []payment.OrderID{"order-00001", "order-01000", "order-02000", "order-unknown"}

// plans are the queries, and how the server accesses their table.
var plans = map[string]struct {
	run    func(context.Context, *queries.Queries) error
	access string
}{
	"FindPayment": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.FindPayment(ctx, someOrders[0])
		return err
	}, "const PRIMARY"},
	"LockPayment": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.LockPayment(ctx, someOrders[0])
		return err
	}, "const PRIMARY"},
	"ListOpened": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListOpened(ctx, someOrders)
		return err
	}, "range PRIMARY"},
	"ListSettled": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListSettled(ctx, someOrders)
		return err
	}, "range PRIMARY"},
	"NextDue": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.NextDue(ctx, queries.NextDueParams{
			State: payment.StateProcessing, Gateways: gateways(rules.Configured()),
			OperationState: payment.StateProcessing, OperationGateways: gateways(rules.Configured()),
		})
		return err
	}, "range payments_due"},
	"ListDuePayments": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListDuePayments(ctx, queries.ListDuePaymentsParams{
			WithinMicros: 1e9, State: payment.StateProcessing, Gateways: gateways(rules.Configured()), Limit: 16,
		})
		return err
	}, "range payments_due"},
	"LockDuePayments": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.LockDuePayments(ctx, queries.LockDuePaymentsParams{
			OrderIds: someOrders, State: payment.StateProcessing, WithinMicros: 1e9,
		})
		return err
	}, "range PRIMARY"},
	"ListGatewayKeys": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListGatewayKeys(ctx, someOrders[1])
		return err
	}, "ref PRIMARY"},
	"ListDueGatewayKeys": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListDueGatewayKeys(ctx, queries.ListDueGatewayKeysParams{
			WithinMicros: 1e9, Gateways: gateways(rules.Configured()), Limit: 16,
		})
		return err
	}, "range gateway_keys_due"},
	"AnyDueGatewayKeyAhead": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.AnyDueGatewayKeyAhead(ctx, queries.AnyDueGatewayKeyAheadParams{WithinMicros: 1e9, Gateways: gateways(rules.Configured())})
		return err
	}, "range gateway_keys_due"},
	"AnyDueAhead": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.AnyDueAhead(ctx, queries.AnyDueAheadParams{
			WithinMicros: 1e9, State: payment.StateScheduled, Gateways: gateways(rules.Configured()),
		})
		return err
	}, "range payments_due"},
	"NextDueGatewayKey": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.NextDueGatewayKey(ctx, queries.NextDueGatewayKeyParams{
			Gateways: gateways(rules.Configured()), OperationGateways: gateways(rules.Configured()),
		})
		return err
	}, "range gateway_keys_due"},
	"ListActiveKeys": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListActiveKeys(ctx)
		return err
	}, "range api_keys_active_name"},
}

// In a large table, each query of a payment, and each periodic query of a replica, uses an index; see
// docs/performance.md.
func TestPlans(t *testing.T) { //nolint:tparallel // its parts share one connection
	t.Parallel()
	mysqltest.NotOn(t, otherPlans, mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	fillTables(t, s)
	active, err := queries.New(s.db).ListActiveKeys(t.Context())
	require.NoError(t, err)
	require.Len(t, active, 20)
	for name, plan := range plans {
		t.Run(name, func(t *testing.T) {
			heard := &spy{DB: s.db}
			require.NoError(t, plan.run(t.Context(), queries.New(heard)))
			rows, err := s.db.QueryContext(t.Context(), "EXPLAIN FORMAT=TRADITIONAL "+heard.statement, heard.args...)
			require.NoError(t, err)
			defer func() { require.NoError(t, rows.Close()) }()
			table := "payments"
			switch name {
			case "ListActiveKeys":
				table = "api_keys"
			case "ListGatewayKeys", "ListDueGatewayKeys", "NextDueGatewayKey", "AnyDueGatewayKeyAhead":
				table = "gateway_keys"
			}
			require.Equal(t, plan.access, accessOf(t, rows, table))
		})
	}
}
