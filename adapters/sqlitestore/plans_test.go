package sqlitestore_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
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

// The queries that sum up what is outstanding read the entries of an index of due work in its order, so that
// their limits bound what they read.
func TestPlans_SumOutstanding(t *testing.T) {
	t.Parallel()
	db := raw(t, migrated(t))
	for name, query := range map[string]struct {
		run  func(context.Context, *queries.Queries) error
		plan string
	}{
		"payments": {func(ctx context.Context, q *queries.Queries) error {
			_, err := q.SumOutstandingPayments(ctx, queries.SumOutstandingPaymentsParams{State: payment.StatePending, MaxRows: 10})
			return err
		}, "SEARCH payments USING INDEX payments_due (state=? AND due_at>?)"},
		"operations": {func(ctx context.Context, q *queries.Queries) error {
			_, err := q.SumOutstandingOperations(ctx, queries.SumOutstandingOperationsParams{State: payment.StatePending, MaxRows: 10})
			return err
		}, "SEARCH operations USING INDEX operations_due (state=? AND due_at>?)"},
		"keys": {func(ctx context.Context, q *queries.Queries) error {
			_, err := q.SumOutstandingKeys(ctx, 10)
			return err
		}, "SEARCH gateway_keys USING INDEX gateway_keys_due (due_at>?)"},
		"keys of operations": {func(ctx context.Context, q *queries.Queries) error {
			_, err := q.SumOutstandingOperationKeys(ctx, 10)
			return err
		}, "SEARCH operation_keys USING INDEX operation_keys_due (due_at>?)"},
	} {
		heard := &spy{DB: db}
		require.NoError(t, query.run(t.Context(), queries.New(heard)), name)
		plan := explain(t, db, heard)
		require.Contains(t, plan, query.plan, name)
		require.NotContains(t, plan, "ORDER BY", "the rows of %s would be sorted: %s", name, plan)
	}
}

// explain returns the plan of the statement, a line for each step.
func explain(t *testing.T, db *sql.DB, heard *spy) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+heard.statement, heard.args...)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan.WriteString(detail + "\n")
	}
	require.NoError(t, rows.Err())
	return plan.String()
}
