package mysqlstore

import (
	"cmp"
	"context"
	"errors"
	"time"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/duequeue"
	"paymentd/ports"
)

// dueOperations returns operations that are due.
func dueOperations(
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, limit int,
) (due []duequeue.Due, err error) {
	rows, err := q.ListDueOperations(ctx, queries.ListDueOperationsParams{
		WithinMicros: within(policy), State: policy.Work.State(), Gateways: gateways(policy.Rules.Configured()), Limit: atMost(limit),
	})
	for _, row := range rows {
		due = append(due, duequeue.Due{At: row.DueAt.Time, Ref: payment.Ref{
			OrderID: row.OrderID, Operation: payment.OperationID{Kind: row.OperationKind, Name: row.OperationName},
		}})
	}
	return due, err
}

// dueOperationKeys returns keys of operations whose lookup is due.
func dueOperationKeys(
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, limit int,
) (due []duequeue.Due, err error) {
	rows, err := q.ListDueOperationKeys(ctx, queries.ListDueOperationKeysParams{
		WithinMicros: within(policy), Gateways: gateways(policy.Rules.Configured()), Limit: atMost(limit),
	})
	for _, row := range rows {
		due = append(due, duequeue.Due{At: row.DueAt.Time, Key: row.GatewayKey, Ref: payment.Ref{
			OrderID: row.OrderID, Operation: payment.OperationID{Kind: row.OperationKind, Name: row.OperationName},
		}})
	}
	return due, err
}

// claimOperations claims due operations, each in a transaction of its own, because each locks the row of its
// payment as well.
func (s dueStore) claimOperations(
	ctx context.Context, policy payment.PickUpPolicy, due []payment.Ref,
) (decisions []payment.Decision, unreadable []*payment.StoredRowError, err error) {
	for _, ref := range due {
		d, failed := s.Decide(ctx, ref, func(p payment.Payment, now time.Time) (payment.Decision, error) {
			return policy.PickUp(p, now), nil
		})
		if damaged, ok := errors.AsType[*payment.StoredRowError](failed); ok {
			unreadable = append(unreadable, damaged)
			failed = s.Postpone(ctx, policy, ref, duequeue.Reason(damaged))
		}
		switch {
		case failed != nil:
			err = cmp.Or(err, failed) // other orders may be claimed
		case d.Write:
			decisions = append(decisions, d)
		}
	}
	return decisions, unreadable, err
}

// postponeOperation postpones an operation that cannot be claimed.
func postponeOperation(
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, ref payment.Ref, reason string,
) error {
	return q.PostponeOperation(ctx, queries.PostponeOperationParams{
		PostponeMicros: policy.Postponement().Microseconds(), Reason: textModeOf(ctx).text(reason),
		OrderID: ref.OrderID, OperationKind: ref.Operation.Kind, OperationName: ref.Operation.Name,
		WithinMicros: within(policy),
	})
}

// postponeOperationKey postpones the lookup of a key whose operation cannot be read.
func postponeOperationKey(ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, key duequeue.Due) error {
	return q.PostponeOperationKey(ctx, queries.PostponeOperationKeyParams{
		PostponeMicros: policy.Postponement().Microseconds(), OrderID: key.Ref.OrderID,
		OperationKind: key.Ref.Operation.Kind, OperationName: key.Ref.Operation.Name, GatewayKey: key.Key,
		WithinMicros: within(policy),
	})
}

// anyOperationDueAhead is anyDueAhead for operations.
func anyOperationDueAhead(ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy) (bool, error) {
	ahead, err := q.AnyDueOperationAhead(ctx, queries.AnyDueOperationAheadParams{
		WithinMicros: within(policy), State: policy.Work.State(), Gateways: gateways(policy.Rules.Configured()),
	})
	if ahead || err != nil || policy.Work != payment.WorkLookups {
		return ahead, err
	}
	return q.AnyDueOperationKeyAhead(ctx, queries.AnyDueOperationKeyAheadParams{
		WithinMicros: within(policy), Gateways: gateways(policy.Rules.Configured()),
	})
}

// backlogOfOperations counts at most limit operations that are not final.
func backlogOfOperations(ctx context.Context, q *queries.Queries, limit int) (parts []ports.BacklogRow, err error) {
	rows, err := q.BacklogOfOperations(ctx, atMost(limit))
	for _, row := range rows {
		parts = append(parts, ports.BacklogRow{Currency: row.Currency, HasAmount: row.HasAmount != 0, Backlog: ports.Backlog{
			Kind: row.OperationKind, State: row.State, Payments: int(row.Operations), Due: int(row.Due),
			LongestDue: max(0, time.Duration(row.LongestDueMicros)*time.Microsecond),
			Oldest:     max(0, time.Duration(row.OldestMicros)*time.Microsecond),
		}})
	}
	return parts, err
}

// countForeignOperations counts the operations, and the keys of operations, that belong to a gateway that is
// not configured; at most limit of each.
func countForeignOperations(
	ctx context.Context, q *queries.Queries, configured []payment.GatewayID, limit int,
) (int64, error) {
	n, err := q.CountForeignOperations(ctx, queries.CountForeignOperationsParams{Gateways: gateways(configured), Limit: atMost(limit)})
	if err != nil {
		return 0, err
	}
	keys, err := q.CountForeignOperationKeys(ctx, queries.CountForeignOperationKeysParams{Gateways: gateways(configured), Limit: atMost(limit)})
	return n + keys, err
}
