package sqlitestore

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/ports"
)

// spy records the last statement that it forwards.
type spy struct {
	*sql.DB

	statement string
	args      []any
}

func (s *spy) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	s.statement, s.args = statement, args
	return s.DB.QueryContext(ctx, statement, args...)
}

func (s *spy) QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row {
	s.statement, s.args = statement, args
	return s.DB.QueryRowContext(ctx, statement, args...)
}

// What the console lists and searches uses an index, and sorts at most the rows that are due at one moment.
func TestPlans_OfOperators(t *testing.T) {
	t.Parallel()
	s := openedStore(t)
	heard := &spy{DB: s.readers}
	q := queries.New(heard)
	for name, c := range map[string]struct {
		run  func(context.Context) error
		want string
	}{
		"ListWaiting": {func(ctx context.Context) error {
			_, err := q.ListWaiting(ctx, queries.ListWaitingParams{State: payment.StateUnresolved, AfterDueAt: sql.NullInt64{Valid: true}, PageLimit: 50})
			return err
		}, "SEARCH payments USING INDEX payments_due (state=? AND due_at>?)"},
		"ListPayments": {func(ctx context.Context) error {
			_, err := q.ListPayments(ctx, queries.ListPaymentsParams{CreatedBefore: 1, AfterCreatedAt: 1, PageLimit: 50})
			return err
		}, "SEARCH payments USING INDEX payments_created (created_at>? AND created_at<?)"},
		"SkipPayments": {func(ctx context.Context) error {
			_, err := q.SkipPayments(ctx, queries.SkipPaymentsParams{CreatedBefore: 1, AfterCreatedAt: 1, Skipped: 50})
			if isNotFound(err) {
				err = nil
			}
			return err
		}, "SEARCH payments USING COVERING INDEX payments_created (created_at>? AND created_at<?)"},
		"ListOutstanding": {func(ctx context.Context) error {
			_, err := q.ListOutstanding(ctx, 50)
			return err
		}, "SCAN payments USING INDEX payments_due"},
		"FindPayments": {func(ctx context.Context) error {
			_, err := q.FindPayments(ctx, []payment.OrderID{"order-1"})
			return err
		}, "SEARCH payments USING INDEX sqlite_autoindex_payments_1 (order_id=?)"},
		"ListDeliveryAttempts": {func(ctx context.Context) error {
			_, err := attemptsAfter(ctx, q, ports.AttemptQuery{Endpoint: "ep_1", After: ports.AttemptCursor{EndedAt: time.Now()}, Limit: 50})
			return err
		}, "SEARCH delivery_attempts USING INDEX delivery_attempts_listed (endpoint_id=? AND ended_at<?)"},
		"SearchOrders": {func(ctx context.Context) error {
			_, err := q.SearchOrders(ctx, queries.SearchOrdersParams{First: "a", Beyond: "b", PageLimit: 50})
			return err
		}, "SEARCH payments USING COVERING INDEX sqlite_autoindex_payments_1 (order_id>? AND order_id<?)"},
		"SearchOperations": {func(ctx context.Context) error {
			_, err := q.SearchOperations(ctx, queries.SearchOperationsParams{OperationName: "r-1", PageLimit: 50})
			return err
		}, "SEARCH operations USING INDEX operations_name (operation_name=?)"},
		"SearchKeyRecords": {func(ctx context.Context) error {
			_, err := q.SearchKeyRecords(ctx, queries.SearchKeyRecordsParams{GatewayKey: "key", PageLimit: 50})
			return err
		}, "SEARCH gateway_keys USING COVERING INDEX gateway_keys_key (gateway_key=?)"},
		"ListKeysOfCreated": {func(ctx context.Context) error {
			_, err := q.ListKeysOfCreated(ctx, queries.ListKeysOfCreatedParams{CreatedBefore: 1, PageLimit: 50})
			return err
		}, "SEARCH payments USING INDEX payments_created (created_at>? AND created_at<?)"},
	} {
		require.NoError(t, c.run(t.Context()), name)
		plan := planOf(t, s.readers, heard)
		require.Contains(t, plan, c.want, name)
		if name != "SearchOperations" { // which sorts the few refunds of one name
			require.NotContains(t, plan, "USE TEMP B-TREE FOR ORDER BY", "%s: %v", name, plan)
		}
	}
}

func planOf(t *testing.T, db *sql.DB, heard *spy) (plan []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+heard.statement, heard.args...)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan = append(plan, detail)
	}
	require.NoError(t, rows.Err())
	return plan
}
