package mysqlstore

import (
	"context"
	"fmt"
	"slices"

	"paymentd/adapters/mysqlstore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// claimOperation is Claim for an operation other than a charge. The payment's row exists, and its lock is
// taken first, so that the INSERT of a new operation is safe in the same transaction.
func (s *Payments) claimOperation(
	ctx context.Context, request payment.ClaimRequest,
) (*payment.Payment, payment.Verdict, error) {
	u := newKeyUpdate(payment.Ref{OrderID: request.OrderID, Operation: request.Operation}, nil)
	u.request = &request
	d, err := s.update(ctx, u)
	if err != nil {
		return nil, "", err
	}
	return &d.Payment, d.Verdict, nil
}

// lockOperation locks an operation after its payment, of which charge was read.
func lockOperation(ctx context.Context, q *queries.Queries, ref payment.Ref, charge lockedRow) (lockedRow, error) {
	row := newOperation(charge)
	stored, err := q.LockOperation(ctx, queries.LockOperationParams(keyOf(ref)))
	if isNotFound(err) {
		return row, nil
	}
	if err != nil {
		return lockedRow{}, fmt.Errorf("lock the operation: %w", err)
	}
	row.exists, row.claimToken, row.readAt = true, stored.Operation.ClaimToken, stored.ReadAt
	row.payment, err = fromOperationRow(stored.Operation, stored.ReadAt)
	return row, err
}

// newOperation returns the locked row of an operation that is new.
func newOperation(charge lockedRow) lockedRow {
	return lockedRow{readAt: charge.readAt, charge: charge.payment, chargeToken: charge.claimToken}
}

// keyOf returns the primary key of an operation.
func keyOf(ref payment.Ref) queries.FindOperationParams {
	return queries.FindOperationParams{
		OrderID: ref.OrderID, OperationKind: ref.Operation.Kind, OperationName: ref.Operation.Name,
	}
}

// FindOperation implements ports.Payments.
func (s *Payments) FindOperation(ctx context.Context, ref payment.Ref) (p payment.Payment, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		row, err := q.FindOperation(ctx, keyOf(ref))
		if isNotFound(err) {
			return ports.ErrNotFound
		}
		if err != nil {
			return err
		}
		p, err = fromOperationRow(row.Operation, row.ReadAt)
		if err == nil && p.State == payment.StatePending {
			p.Keys, err = listKeys(ctx, q, ref)
		}
		return err
	})
	if err != nil {
		return payment.Payment{}, fmt.Errorf("find the operation: %w", err)
	}
	return p, nil
}

// findNoticed returns what a gateway's event is about: the payment, or the operation of its kind that its key
// belongs to, and false if there is none.
func (s *Payments) findNoticed(ctx context.Context, n payment.Notice) (ref payment.Ref, found bool, err error) {
	ref = payment.Ref{OrderID: n.OrderID}
	if n.Kind == payment.KindCharge {
		return ref, true, nil
	}
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries) error {
		name, err := q.FindOperationOfKey(ctx, queries.FindOperationOfKeyParams{
			OrderID: n.OrderID, OperationKind: n.Kind, GatewayKey: n.Key,
		})
		if isNotFound(err) {
			_, err = find(ctx, q, n.OrderID) // ports.ErrNotFound if there is no payment either
			return err
		}
		ref.Operation, found = payment.OperationID{Kind: n.Kind, Name: name}, err == nil
		return err
	})
	if err != nil {
		return ref, false, fmt.Errorf("find the operation of the key: %w", err)
	}
	return ref, found, nil
}

// listOperationKeys is listKeys for an operation.
func listOperationKeys(ctx context.Context, q *queries.Queries, ref payment.Ref) ([]payment.Key, error) {
	rows, err := q.ListOperationKeys(ctx, queries.ListOperationKeysParams(keyOf(ref)))
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	return sqlrow.MapAll(rows, func(row queries.ListOperationKeysRow) (payment.Key, error) {
		return fromOperationKey(row.OperationKey)
	})
}

// operationHistories returns the histories of an order's operations, the oldest first. As in history, attempts
// and events that are newer than the operation as it was read are left out.
func operationHistories(ctx context.Context, q *queries.Queries, id payment.OrderID) ([]ports.History, error) {
	rows, err := q.ListOperations(ctx, id)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	attempts, events, keys, err := operationRecords(ctx, q, id)
	if err != nil {
		return nil, err
	}
	histories := make([]ports.History, 0, len(rows))
	for _, row := range rows {
		p, err := fromOperationRow(row.Operation, row.ReadAt)
		if err != nil {
			return nil, err
		}
		h := ports.History{Payment: p, Keys: keys[p.Operation]}
		h.Attempts = slices.DeleteFunc(attempts[p.Operation], func(a payment.Attempt) bool { return a.Number >= p.Attempt.Number })
		if !p.Attempt.StartedAt.IsZero() {
			h.Attempts = append(h.Attempts, p.Attempt)
		}
		h.Events = slices.DeleteFunc(events[p.Operation], func(e payment.Event) bool { return e.Number > p.Events })
		if p.State == payment.StatePending {
			h.Payment.Keys = h.Keys // as in FindOperation
		}
		histories = append(histories, h)
	}
	return histories, nil
}

// operationRecords returns the earlier attempts, the events and the keys of an order's operations.
func operationRecords(ctx context.Context, q *queries.Queries, id payment.OrderID) (
	attempts map[payment.OperationID][]payment.Attempt,
	events map[payment.OperationID][]payment.Event,
	keys map[payment.OperationID][]payment.Key,
	err error,
) {
	attemptRows, err := q.ListOperationAttempts(ctx, id)
	if err == nil {
		attempts, err = byOperation(attemptRows, func(r queries.ListOperationAttemptsRow) (payment.OperationID, payment.Attempt, error) {
			a, err := fromOperationAttempt(r.OperationAttempt)
			return payment.OperationID{Kind: r.OperationAttempt.OperationKind, Name: r.OperationAttempt.OperationName}, a, err
		})
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("list the operations' attempts: %w", err)
	}
	eventRows, err := q.ListOperationEvents(ctx, id)
	if err == nil {
		events, err = byOperation(eventRows, func(r queries.ListOperationEventsRow) (payment.OperationID, payment.Event, error) {
			e, err := fromOperationEvent(r.OperationEvent)
			return payment.OperationID{Kind: r.OperationEvent.OperationKind, Name: r.OperationEvent.OperationName}, e, err
		})
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("list the operations' events: %w", err)
	}
	keyRows, err := q.ListKeysOfOperations(ctx, id)
	if err == nil {
		keys, err = byOperation(keyRows, func(r queries.ListKeysOfOperationsRow) (payment.OperationID, payment.Key, error) {
			k, err := fromOperationKey(r.OperationKey)
			return payment.OperationID{Kind: r.OperationKey.OperationKind, Name: r.OperationKey.OperationName}, k, err
		})
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("list the operations' keys: %w", err)
	}
	return attempts, events, keys, nil
}

// byOperation converts rows of several operations, and stops at the first error.
func byOperation[R, T any](
	rows []R, from func(R) (payment.OperationID, T, error),
) (map[payment.OperationID][]T, error) {
	all := make(map[payment.OperationID][]T)
	for _, row := range rows {
		id, one, err := from(row)
		if err != nil {
			return nil, err
		}
		all[id] = append(all[id], one)
	}
	return all, nil
}
