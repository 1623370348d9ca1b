package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
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
		// A refund of each payment, with a key; the refunds and the lookups of twenty are due at some time.
		"INSERT INTO operations (order_id, operation_kind, operation_name, amount_minor, currency, state, gateway_key, gateway, " +
			"charge_key, charge_gateway, charge_transaction_id, note, fence, claim_token, replica, due_at, attempt_number, attempt_fence, " +
			"attempt_replica, attempt_gateway_key, attempt_class, attempt_code, attempt_message, key_lifetime_micros, " +
			"doubt_answered, doubt_named, retries, lookups, lost_workers, events, async, deferred_retries, " +
			"transaction_id, code, reason, created_at, updated_at) " +
			"SELECT order_id, 'refund', 'r-1', 1, 'USD', IF(order_id < 'order-00020', 'processing', 'succeeded'), gateway_key, gateway, " +
			"gateway_key, gateway, 'txn', '', 1, 1, '', IF(order_id < 'order-00020', NOW(6), NULL), 1, 1, '', gateway_key, '', '', '', 0, " +
			"0, 0, 0, 0, 0, 0, FALSE, 0, 'txn', '', '', NOW(6), NOW(6) FROM payments",
		"INSERT INTO operation_keys (order_id, operation_kind, operation_name, gateway_key, gateway, gateway_reference, redirect_url, " +
			"lifetime_micros, doubt_answered, doubt_named, refused_class, refused_code, refused_message, attempts, lookups, closed, " +
			"transaction_id, due_at) " +
			"SELECT order_id, operation_kind, operation_name, gateway_key, gateway, '', '', 0, TRUE, FALSE, '', '', '', 1, 0, 'absent', '', " +
			"due_at FROM operations",
		// Two events of each payment, for one of a hundred endpoints, and as many attempts for one, a minute apart.
		"INSERT INTO outbox (order_id, endpoint_id, seq, event_id, event_type, payload, outcome, fence, attempts, leased, holds, " +
			"created_at, answer_status, answer_body, problem) " +
			"SELECT order_id, CONCAT('ep_', RIGHT(order_id, 2) + 0), n.seq, CONCAT('evt_', order_id, n.seq), 'payment.succeeded', '{}', " +
			"'delivered', 1, 1, 0, 0, NOW(6), 200, '', '' FROM payments, (SELECT 1 AS seq UNION SELECT 2) AS n",
		"INSERT INTO delivery_attempts " +
			"SELECT order_id, 'ep_1', seq, 1, 1, event_type, NOW(6) - INTERVAL (RIGHT(order_id, 5) + 0) MINUTE, 1000, 200, '', '' FROM outbox",
		"ANALYZE TABLE payments, api_keys, gateway_keys, operations, operation_keys, outbox, delivery_attempts",
	} {
		_, err = s.db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
}

var someOrders = []payment.OrderID{"order-00001", "order-01000", "order-02000", "order-unknown"}

var someRefund = payment.Ref{OrderID: someOrders[1], Operation: payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}}

// plan is a query, and how the server accesses one of its tables.
type plan struct {
	run    func(context.Context, *queries.Queries) error
	table  string
	access string
}

// plans are plans for the other tables.
var plans = map[string]plan{
	"FindPayment": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.FindPayment(ctx, someOrders[0])
		return err
	}, "payments", "const PRIMARY"},
	"LockPayment": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.LockPayment(ctx, someOrders[0])
		return err
	}, "payments", "const PRIMARY"},
	"ListOpened": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListOpened(ctx, someOrders)
		return err
	}, "payments", "range PRIMARY"},
	"ListSettled": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListSettled(ctx, someOrders)
		return err
	}, "payments", "range PRIMARY"},
	"NextDue": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.NextDue(ctx, queries.NextDueParams{
			State: payment.StateProcessing, Gateways: gateways(rules.Configured()),
			OperationState: payment.StateProcessing, OperationGateways: gateways(rules.Configured()),
		})
		return err
	}, "payments", "range payments_due"},
	"ListDuePayments": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListDuePayments(ctx, queries.ListDuePaymentsParams{
			WithinMicros: 1e9, State: payment.StateProcessing, Gateways: gateways(rules.Configured()), Limit: 16,
		})
		return err
	}, "payments", "range payments_due"},
	"LockDuePayments": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.LockDuePayments(ctx, queries.LockDuePaymentsParams{
			OrderIds: someOrders, State: payment.StateProcessing, WithinMicros: 1e9,
		})
		return err
	}, "payments", "range PRIMARY"},
	"ListGatewayKeys": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListGatewayKeys(ctx, someOrders[1])
		return err
	}, "gateway_keys", "ref PRIMARY"},
	"ListDueGatewayKeys": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListDueGatewayKeys(ctx, queries.ListDueGatewayKeysParams{
			WithinMicros: 1e9, Gateways: gateways(rules.Configured()), Limit: 16,
		})
		return err
	}, "gateway_keys", "range gateway_keys_due"},
	"AnyDueGatewayKeyAhead": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.AnyDueGatewayKeyAhead(ctx, queries.AnyDueGatewayKeyAheadParams{WithinMicros: 1e9, Gateways: gateways(rules.Configured())})
		return err
	}, "gateway_keys", "range gateway_keys_due"},
	"AnyDueAhead": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.AnyDueAhead(ctx, queries.AnyDueAheadParams{
			WithinMicros: 1e9, State: payment.StateScheduled, Gateways: gateways(rules.Configured()),
		})
		return err
	}, "payments", "range payments_due"},
	"NextDueGatewayKey": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.NextDueGatewayKey(ctx, queries.NextDueGatewayKeyParams{
			Gateways: gateways(rules.Configured()), OperationGateways: gateways(rules.Configured()),
		})
		return err
	}, "gateway_keys", "range gateway_keys_due"},
	"SumOutstanding of payments": {sumOutstanding, "payments", "range payments_due"},
	"SumOutstanding of keys":     {sumOutstanding, "gateway_keys", "range gateway_keys_due"},
	"ListActiveKeys": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListActiveKeys(ctx, 1e9)
		return err
	}, "api_keys", "range api_keys_active_name"},
}

func sumOutstanding(ctx context.Context, q *queries.Queries) error {
	_, err := q.SumOutstanding(ctx, queries.SumOutstandingParams{Limit: 100, Limit_2: 100, Limit_3: 100, Limit_4: 100})
	return err
}

// operationPlans are plans for the tables of operations.
var operationPlans = map[string]plan{
	"LockOperation": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.LockOperation(ctx, queries.LockOperationParams(keyOf(someRefund)))
		return err
	}, "operations", "const PRIMARY"},
	"ListOperations": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListOperations(ctx, someRefund.OrderID)
		return err
	}, "operations", "ref PRIMARY"},
	"FindOperationOfKey": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.FindOperationOfKey(ctx, queries.FindOperationOfKeyParams{
			OrderID: someRefund.OrderID, OperationKind: payment.KindRefund, GatewayKey: "key-of-order-01000",
		})
		return err
	}, "o", "ref PRIMARY"},
	"ListDueOperations": {func(ctx context.Context, q *queries.Queries) error {
		_, err := dueOperations(ctx, q, payment.PickUpPolicy{Work: payment.WorkTakeovers, Rules: rules}, 16)
		return err
	}, "operations", "range operations_due"},
	"NextDue of operations": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.NextDue(ctx, queries.NextDueParams{
			State: payment.StateProcessing, Gateways: gateways(rules.Configured()),
			OperationState: payment.StateProcessing, OperationGateways: gateways(rules.Configured()),
		})
		return err
	}, "operations", "range operations_due"},
	"AnyDueOperationAhead": {func(ctx context.Context, q *queries.Queries) error {
		_, err := anyOperationDueAhead(ctx, q, payment.PickUpPolicy{Work: payment.WorkTakeovers, Rules: rules})
		return err
	}, "operations", "range operations_due"},
	"SumOutstanding of operations":     {sumOutstanding, "operations", "range operations_due"},
	"SumOutstanding of operation keys": {sumOutstanding, "operation_keys", "range operation_keys_due"},
	"ListOperationKeys": {func(ctx context.Context, q *queries.Queries) error {
		_, err := listOperationKeys(ctx, q, someRefund)
		return err
	}, "operation_keys", "ref PRIMARY"},
	"ListDueOperationKeys": {func(ctx context.Context, q *queries.Queries) error {
		_, err := dueOperationKeys(ctx, q, payment.PickUpPolicy{Work: payment.WorkLookups, Rules: rules}, 16)
		return err
	}, "operation_keys", "range operation_keys_due"},
}

// In a large table, each query of a payment, and each periodic query of a replica, uses an index; see
// docs/performance.md.
func TestPlans(t *testing.T) { //nolint:tparallel // its parts share one connection
	t.Parallel()
	mysqltest.NotOn(t, otherPlans, mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	fillTables(t, s)
	active, err := queries.New(s.db).ListActiveKeys(t.Context(), 1e9)
	require.NoError(t, err)
	require.Len(t, active, 20)
	all := maps.Clone(plans)
	maps.Copy(all, operationPlans)
	maps.Copy(all, operatorPlans)
	for name, plan := range all {
		t.Run(name, func(t *testing.T) {
			heard := &spy{DB: s.db}
			require.NoError(t, plan.run(t.Context(), queries.New(heard)))
			rows, err := s.db.QueryContext(t.Context(), "EXPLAIN FORMAT=TRADITIONAL "+heard.statement, heard.args...)
			require.NoError(t, err)
			defer func() { require.NoError(t, rows.Close()) }()
			require.Equal(t, plan.access, accessOf(t, rows, plan.table))
		})
	}
}
