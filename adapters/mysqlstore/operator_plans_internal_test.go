package mysqlstore

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/core/payment"
	"paymentd/ports"
)

// operatorPlans are the plans of what the console lists and searches.
var operatorPlans = map[string]plan{
	"ListWaiting": {listWaiting(time.Now().Add(-time.Hour)), "payments", "range payments_due"},
	"ListPayments": {func(ctx context.Context, q *queries.Queries) error {
		_, err := listCreated(ctx, q, ports.ListQuery{AfterCreatedAt: time.Now(), AfterOrderID: someOrders[0], Limit: 50})
		return err
	}, "payments", "range payments_created"},
	"ListPayments of a state without an index": {func(ctx context.Context, q *queries.Queries) error {
		_, err := listCreated(ctx, q, ports.ListQuery{
			States: []payment.State{payment.StateDeclined}, AfterCreatedAt: time.Now(), AfterOrderID: someOrders[0], Limit: 50,
		})
		return err
	}, "payments", "range payments_created"},
	"SkipPayments": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.SkipPayments(ctx, queries.SkipPaymentsParams{
			CreatedFrom: earliest, CreatedBefore: latest, AfterCreatedAt: time.Now(), AfterOrderID: someOrders[0], Offset: 10,
		})
		return err
	}, "payments", "range payments_created"},
	"ListOutstanding": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListOutstanding(ctx, 50)
		return err
	}, "payments", "range payments_due"},
	"FindPayments": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.FindPayments(ctx, someOrders)
		return err
	}, "payments", "range PRIMARY"},
	"SearchOrders": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.SearchOrders(ctx, queries.SearchOrdersParams{First: "order-0001", Beyond: "order-0001\x7f", Limit: 50})
		return err
	}, "payments", "range PRIMARY"},
	"SearchOperations": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.SearchOperations(ctx, queries.SearchOperationsParams{OperationName: "r-2", Limit: 50})
		return err
	}, "operations", "ref operations_name"},
	"SearchKeyRecords": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.SearchKeyRecords(ctx, queries.SearchKeyRecordsParams{GatewayKey: "key-1", Limit: 50})
		return err
	}, "gateway_keys", "ref gateway_keys_key"},
	"ListKeysOfCreated": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListKeysOfCreated(ctx, queries.ListKeysOfCreatedParams{
			CreatedFrom: time.Now().UTC().Add(-time.Second), CreatedBefore: time.Now().UTC().Add(time.Hour), Limit: 50,
		})
		return err
	}, "payments", "range payments_created"},
	"ListDeliveryAttempts": {func(ctx context.Context, q *queries.Queries) error {
		_, err := attemptsAfter(ctx, q, ports.AttemptQuery{
			Endpoint: "ep_1", After: ports.AttemptCursor{EndedAt: time.Now().UTC().Add(-38 * maxBatchRows * time.Minute), OrderID: someOrders[0]}, Limit: 50,
		})
		return err
	}, "delivery_attempts", "range delivery_attempts_listed"},
	"ListAttemptsOfEvent": {func(ctx context.Context, q *queries.Queries) error {
		_, err := attemptsOfEvent(ctx, q, ports.AttemptQuery{Endpoint: "ep_1", Event: payment.NewChangeID(someOrders[0], 1), Limit: 50})
		return err
	}, "a", "ref PRIMARY"},
	"FindSession": {func(ctx context.Context, q *queries.Queries) error {
		hash := [32]byte{1}
		if err := q.InsertSession(ctx, queries.InsertSessionParams{TokenHash: hash[:], LifetimeMicros: 1e9}); err != nil {
			return err
		}
		_, err := q.FindSession(ctx, hash[:])
		return err
	}, "console_sessions", "const PRIMARY"},
	"ListActs": {func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListActs(ctx, queries.ListActsParams{Before: time.Now().Add(time.Hour), Limit: 50})
		return err
	}, "admin_history", "range admin_history_acted"},
}

func listWaiting(after time.Time) func(context.Context, *queries.Queries) error {
	return func(ctx context.Context, q *queries.Queries) error {
		_, err := q.ListWaiting(ctx, listWaitingParams(ports.WaitingQuery{
			State: payment.StateProcessing, After: ports.WaitingCursor{DueAt: after, CreatedAt: after, OrderID: someOrders[0]}, Limit: 50,
		}))
		return err
	}
}

// A page of the payments that wait, and the place at which a page of a list ends, are read in the order of an index, so
// that they cost the same however many rows there are. What only finds places reads no row.
func TestPlans_OperatorsNeedNoSort(t *testing.T) {
	t.Parallel()
	mysqltest.NotOn(t, otherPlans, mysqltest.TiDB, mysqltest.Vitess)
	s := onOneConnection(t)
	fillTables(t, s)
	for name, c := range map[string]struct {
		run      func(context.Context, *queries.Queries) error
		covering bool
	}{
		"waiting":     {listWaiting(time.Now()), false},
		"list":        {operatorPlans["ListPayments of a state without an index"].run, false},
		"skip":        {operatorPlans["SkipPayments"].run, true},
		"outstanding": {operatorPlans["ListOutstanding"].run, true},
	} {
		heard := &spy{DB: s.db}
		require.NoError(t, c.run(t.Context(), queries.New(heard)), name)
		extra := extraOf(t, s, heard)
		require.NotContains(t, extra, "filesort", name)
		require.Equal(t, c.covering, strings.Contains(extra, "Using index") && !strings.Contains(extra, "Using index condition"), "%s: %s", name, extra)
	}
}

// extraOf returns the column Extra of the plan of the statement.
func extraOf(t *testing.T, s *Payments, heard *spy) string {
	t.Helper()
	rows, err := s.db.QueryContext(t.Context(), "EXPLAIN FORMAT=TRADITIONAL "+heard.statement, heard.args...)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var extras []string
	for rows.Next() {
		fields := make([]any, len(columns))
		for i := range fields {
			fields[i] = new(any)
		}
		require.NoError(t, rows.Scan(fields...))
		for i, column := range columns {
			if value, ok := (*fields[i].(*any)).([]byte); ok && strings.EqualFold(column, "extra") {
				extras = append(extras, string(value))
			}
		}
	}
	require.NoError(t, rows.Err())
	return strings.Join(extras, " ")
}
