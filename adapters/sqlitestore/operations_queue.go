package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/duequeue"
	"paymentd/ports"
)

// dueOperations returns the operations other than charges that are due, the longest due first.
func dueOperations(
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, limit int, now time.Time,
) ([]duequeue.Due, error) {
	rows, err := q.ListDueOperations(ctx, queries.ListDueOperationsParams{
		Now: nullable(now), DueBefore: nullable(dueBefore(policy, now)), State: policy.Work.State(),
		Gateways: gateways(policy.Rules.Configured()), PageLimit: int64(max(0, limit)),
	})
	if err != nil {
		return nil, fmt.Errorf("list due operations: %w", err)
	}
	due := make([]duequeue.Due, len(rows))
	for i, row := range rows {
		due[i] = duequeue.Due{Ref: operationRef(row.OrderID, row.OperationKind, row.OperationName), At: orZero(row.DueAt)}
	}
	return due, nil
}

// dueOperationKeys returns the keys of operations whose lookups are due, the longest due first.
func dueOperationKeys(
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, limit int, now time.Time,
) ([]duequeue.Due, error) {
	rows, err := q.ListDueOperationKeys(ctx, queries.ListDueOperationKeysParams{
		Now: nullable(now), DueBefore: nullable(dueBefore(policy, now)), Gateways: gateways(policy.Rules.Configured()),
		PageLimit: int64(max(0, limit)),
	})
	if err != nil {
		return nil, fmt.Errorf("list due keys of operations: %w", err)
	}
	due := make([]duequeue.Due, len(rows))
	for i, row := range rows {
		due[i] = duequeue.Due{
			Ref: operationRef(row.OrderID, row.OperationKind, row.OperationName), Key: row.GatewayKey, At: orZero(row.DueAt),
		}
	}
	return due, nil
}

func postponeOperation(
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, ref payment.Ref, reason string, now time.Time,
) error {
	err := q.PostponeOperation(ctx, queries.PostponeOperationParams{
		DueAt: nullable(now.Add(policy.Postponement())), Reason: reason, UpdatedAt: now.UnixMicro(),
		OrderID: ref.OrderID, OperationKind: ref.Operation.Kind, OperationName: ref.Operation.Name,
		Now: nullable(now), DueBefore: nullable(dueBefore(policy, now)),
	})
	if err != nil {
		return fmt.Errorf("postpone the operation: %w", err)
	}
	return nil
}

func postponeOperationKey(
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, key duequeue.Due, now time.Time,
) error {
	return q.PostponeOperationKey(ctx, queries.PostponeOperationKeyParams{
		DueAt: nullable(now.Add(policy.Postponement())), Now: nullable(now), DueBefore: nullable(dueBefore(policy, now)),
		OrderID: key.Ref.OrderID, OperationKind: key.Ref.Operation.Kind, OperationName: key.Ref.Operation.Name,
		GatewayKey: key.Key,
	})
}

// operationsBacklog counts the operations other than charges that are not final.
func operationsBacklog(ctx context.Context, q *queries.Queries, now time.Time) ([]ports.BacklogRow, error) {
	rows, err := q.BacklogOfOperations(ctx, queries.BacklogOfOperationsParams{Now: nullable(now), MaxRows: ports.MaxBacklog})
	if err != nil {
		return nil, err
	}
	parts := make([]ports.BacklogRow, 0, len(rows))
	for _, row := range rows {
		parts = append(parts, ports.BacklogRow{Currency: row.Currency, HasAmount: row.HasAmount != 0, Backlog: ports.Backlog{
			Kind: row.OperationKind, State: row.State, Payments: int(row.Operations), Due: int(row.Due),
			LongestDue: max(0, now.Sub(fromMicros(row.FirstDueAt))),
			Oldest:     max(0, now.Sub(fromMicros(row.FirstCreatedAt))),
		}})
	}
	return parts, nil
}

// countForeignOperations counts the operations, and the keys of operations, of gateways that are not configured.
func countForeignOperations(ctx context.Context, q *queries.Queries, configured []payment.GatewayID) (int64, error) {
	operations, err := q.CountForeignOperations(ctx, queries.CountForeignOperationsParams{
		Gateways: gateways(configured), MaxRows: ports.MaxBacklog,
	})
	if err != nil {
		return 0, err
	}
	keys, err := q.CountForeignOperationKeys(ctx, queries.CountForeignOperationKeysParams{
		Gateways: gateways(configured), MaxRows: ports.MaxBacklog,
	})
	return operations + keys, err
}
