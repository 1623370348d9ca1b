package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/sqlrow"
	"paymentd/ports"
)

// FindOperation implements ports.Payments.
func (s *Payments) FindOperation(ctx context.Context, ref payment.Ref) (p payment.Payment, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		p, err = findOperation(ctx, q, ref, now)
		return err
	})
	if err != nil {
		return payment.Payment{}, fmt.Errorf("find operation: %w", err)
	}
	return p, nil
}

func findOperation(ctx context.Context, q *queries.Queries, ref payment.Ref, now time.Time) (payment.Payment, error) {
	row, err := q.FindOperation(ctx, queries.FindOperationParams{
		OrderID: ref.OrderID, OperationKind: ref.Operation.Kind, OperationName: ref.Operation.Name,
	})
	if isNotFound(err) {
		return payment.Payment{}, ports.ErrNotFound
	}
	if err != nil {
		return payment.Payment{}, fmt.Errorf("find the operation: %w", err)
	}
	p, err := fromOperationRow(row.Operation, now)
	if err == nil && p.State == payment.StatePending {
		p.Keys, err = listOperationKeys(ctx, q, ref)
	}
	return p, err
}

// findNoticed returns what the notice is about: the charge, or the operation of its kind that its key belongs to,
// and false if there is none. ports.ErrNotFound if the order has no payment.
func findNoticed(ctx context.Context, q *queries.Queries, n payment.Notice) (ref payment.Ref, found bool, err error) {
	if n.Kind == payment.KindCharge {
		return payment.Ref{OrderID: n.OrderID}, true, nil
	}
	if _, err := q.FindPayment(ctx, n.OrderID); err != nil {
		if isNotFound(err) {
			err = ports.ErrNotFound
		}
		return payment.Ref{}, false, err
	}
	name, err := q.FindOperationOfKey(ctx, queries.FindOperationOfKeyParams{
		OrderID: n.OrderID, OperationKind: n.Kind, GatewayKey: n.Key,
	})
	if isNotFound(err) {
		return payment.Ref{}, false, nil
	}
	if err != nil {
		return payment.Ref{}, false, fmt.Errorf("find the operation of a key: %w", err)
	}
	return operationRef(n.OrderID, n.Kind, name), true, nil
}

// claimOperation is Claim for an operation that is not a charge.
func claimOperation(
	ctx context.Context, q *queries.Queries, request payment.ClaimRequest, now time.Time,
) (payment.Decision, error) {
	charge, err := find(ctx, q, request.OrderID, now)
	if err != nil {
		return payment.Decision{}, err
	}
	if request.SecondTransaction != "" {
		if charge.Keys, err = listKeys(ctx, q, request.OrderID); err != nil {
			return payment.Decision{}, err
		}
	}
	return decideOperation(ctx, q, payment.Ref{OrderID: request.OrderID, Operation: request.Operation}, charge, request.DecideOperation, now)
}

// importOperation is Import for an operation that is not a charge.
func importOperation(ctx context.Context, q *queries.Queries, i payment.Import, now time.Time) (payment.Decision, error) {
	charge, err := find(ctx, q, i.OrderID, now)
	if err != nil {
		return payment.Decision{}, err
	}
	if i.Operation.RefundsSecondCharge() {
		if charge.Keys, err = listKeys(ctx, q, i.OrderID); err != nil {
			return payment.Decision{}, err
		}
	}
	return decideOperation(ctx, q, payment.Ref{OrderID: i.OrderID, Operation: i.Operation}, charge, i.ApplyOperation, now)
}

// decideOperation stores a decision about an operation that may be new, of a payment that was read in the same
// transaction.
func decideOperation(
	ctx context.Context, q *queries.Queries, ref payment.Ref, charge payment.Payment,
	decide func(payment.Payment, *payment.Payment, time.Time) (payment.Decision, error), now time.Time,
) (payment.Decision, error) {
	var stored *payment.Payment
	p, err := findOperation(ctx, q, ref, now)
	switch {
	case err == nil:
		if p.Keys, err = listOperationKeys(ctx, q, ref); err != nil {
			return payment.Decision{}, err
		}
		stored = &p
	case !errors.Is(err, ports.ErrNotFound):
		return payment.Decision{}, err
	}
	d, err := decide(charge, stored, now)
	if err != nil {
		return payment.Decision{}, err
	}
	var before payment.Payment
	if stored != nil {
		before = *stored
	}
	return d, storeOperation(ctx, q, d, before, charge)
}

// updateOperation is update for an operation that is not a charge, within a transaction.
func updateOperation(
	ctx context.Context, q *queries.Queries, ref payment.Ref,
	decide func(payment.Payment, time.Time) (payment.Decision, error), now time.Time,
) (payment.Decision, error) {
	charge, err := find(ctx, q, ref.OrderID, now)
	if err != nil {
		return payment.Decision{}, err
	}
	p, err := findOperation(ctx, q, ref, now)
	if err != nil {
		return payment.Decision{}, err
	}
	if p.Keys, err = listOperationKeys(ctx, q, ref); err != nil {
		return payment.Decision{}, err
	}
	d, err := decide(p, now)
	if err != nil {
		return payment.Decision{}, err
	}
	d = d.Account(charge, p)
	return d, storeOperation(ctx, q, d, p, charge)
}

// storeOperation writes a decision about an operation, and what it changes of the charge, with the events that
// endpoints receive of it. before and charge were read in the same transaction.
func storeOperation(ctx context.Context, q *queries.Queries, d payment.Decision, before, charge payment.Payment) error {
	if err := storeOperationDecision(ctx, q, charge, d); err != nil {
		return err
	}
	return insertDeliveries(ctx, q, d.Changes(before, charge))
}

// storeOperationDecision is storeOperation without the events.
func storeOperationDecision(ctx context.Context, q *queries.Queries, charge payment.Payment, d payment.Decision) error {
	ref := d.Payment.Ref()
	for _, key := range d.Keys {
		if err := q.PutOperationKey(ctx, toOperationKeyRow(ref, key)); err != nil {
			return fmt.Errorf("store the key of an operation: %w", err)
		}
	}
	if !d.Write {
		return nil
	}
	if d.Charge != nil {
		if err := updatePayment(ctx, q, charge, *d.Charge); err != nil {
			return err
		}
	}
	row, err := toOperationRow(d.Payment)
	if err != nil {
		return err
	}
	if err := q.PutOperation(ctx, queries.PutOperationParams(row)); err != nil {
		return fmt.Errorf("store the operation: %w", err)
	}
	if d.PriorAttempt != nil {
		if err := q.InsertOperationAttempt(ctx, toOperationAttempt(ref, *d.PriorAttempt)); err != nil {
			return fmt.Errorf("insert the attempt of an operation: %w", err)
		}
	}
	if d.Event != nil {
		if err := q.InsertOperationEvent(ctx, toOperationEvent(ref, *d.Event)); err != nil {
			return fmt.Errorf("insert the event of an operation: %w", err)
		}
	}
	return nil
}

// operationHistories returns the operations of an order with their histories, the oldest first. As in
// [Payments.History], what was inserted since an operation was read is left out.
func operationHistories(
	ctx context.Context, q *queries.Queries, id payment.OrderID, now time.Time,
) (histories []ports.History, err error) {
	rows, err := q.ListOperations(ctx, id)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	byRef := make(map[payment.Ref]*ports.History, len(rows))
	histories = make([]ports.History, len(rows))
	for i, row := range rows {
		if histories[i].Payment, err = fromOperationRow(row.Operation, now); err != nil {
			return nil, err
		}
		byRef[histories[i].Payment.Ref()] = &histories[i]
	}
	if err := addOperationRecords(ctx, q, id, byRef); err != nil {
		return nil, err
	}
	for i := range histories {
		h := &histories[i]
		if !h.Payment.Attempt.StartedAt.IsZero() {
			h.Attempts = append(h.Attempts, h.Payment.Attempt)
		}
		if h.Payment.State == payment.StatePending {
			h.Payment.Keys = h.Keys // as in FindOperation
		}
	}
	return histories, nil
}

// addOperationRecords adds the attempts before the latest, the events and the keys to the operations of an order.
func addOperationRecords(
	ctx context.Context, q *queries.Queries, id payment.OrderID, operations map[payment.Ref]*ports.History,
) error {
	attempts, err := q.ListOperationAttempts(ctx, id)
	if err != nil {
		return fmt.Errorf("list the attempts of operations: %w", err)
	}
	for _, row := range attempts {
		ref, a, err := fromOperationAttempt(row.OperationAttempt)
		if h := operations[ref]; h != nil && a.Number < h.Payment.Attempt.Number {
			if err != nil {
				return err
			}
			h.Attempts = append(h.Attempts, a)
		}
	}
	events, err := q.ListOperationEvents(ctx, id)
	if err != nil {
		return fmt.Errorf("list the events of operations: %w", err)
	}
	for _, row := range events {
		ref, e, err := fromOperationEvent(row.OperationEvent)
		if h := operations[ref]; h != nil && e.Number <= h.Payment.Events {
			if err != nil {
				return err
			}
			h.Events = append(h.Events, e)
		}
	}
	keys, err := q.ListKeysOfOperations(ctx, id)
	if err != nil {
		return fmt.Errorf("list the keys of operations: %w", err)
	}
	for _, row := range keys {
		ref, k, err := fromOperationKeyRow(row.OperationKey)
		if h := operations[ref]; h != nil {
			if err != nil {
				return err
			}
			h.Keys = append(h.Keys, k)
		}
	}
	return nil
}

// listOperationKeys returns the records of an operation's keys.
func listOperationKeys(ctx context.Context, q *queries.Queries, ref payment.Ref) ([]payment.Key, error) {
	rows, err := q.ListOperationKeys(ctx, queries.ListOperationKeysParams{
		OrderID: ref.OrderID, OperationKind: ref.Operation.Kind, OperationName: ref.Operation.Name,
	})
	if err != nil {
		return nil, fmt.Errorf("list the keys of an operation: %w", err)
	}
	return sqlrow.MapAll(rows, func(row queries.ListOperationKeysRow) (payment.Key, error) {
		_, k, err := fromOperationKeyRow(row.OperationKey)
		return k, err
	})
}
