package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"paymentd/adapters/sqlitestore/internal/queries"
	"paymentd/core/payment"
	"paymentd/internal/duequeue"
	"paymentd/ports"
)

// ClaimDue implements ports.Payments.
func (s *Payments) ClaimDue(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) ([]payment.Decision, error) {
	return duequeue.Claim(ctx, dueStore{s}, s.log, policy, limit)
}

// dueStore is duequeue.Store on SQLite.
type dueStore struct{ *Payments }

// ClaimBatch implements duequeue.Store.
func (s dueStore) ClaimBatch(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) (decisions []payment.Decision, unreadable []*payment.StoredRowError, err error) {
	err = s.writeChange(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) (err error) {
		decisions, unreadable, err = pickUp(ctx, q, policy, limit, now)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return decisions, unreadable, nil
}

// Due implements duequeue.Store.
func (s dueStore) Due(
	ctx context.Context, policy payment.PickUpPolicy, limit int,
) (found []duequeue.Due, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		found, _, err = due(ctx, q, policy, limit, now)
		return err
	})
	return found, err
}

// Decide implements duequeue.Store.
func (s dueStore) Decide(
	ctx context.Context, ref payment.Ref,
	decide func(payment.Payment, time.Time) (payment.Decision, error),
) (payment.Decision, error) {
	return s.update(ctx, ref, decide)
}

// Postpone implements duequeue.Store.
func (s dueStore) Postpone(ctx context.Context, policy payment.PickUpPolicy, ref payment.Ref, reason string) error {
	return s.write(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		return postpone(ctx, q, policy, ref, reason, now)
	})
}

// pickUp decides on what is due, and stores the decisions.
func pickUp(
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, limit int, now time.Time,
) (decisions []payment.Decision, unreadable []*payment.StoredRowError, err error) {
	found, rows, err := due(ctx, q, policy, limit, now)
	if err != nil {
		return nil, nil, err
	}
	for _, work := range found {
		var d payment.Decision
		if work.Ref.Operation.IsCharge() {
			d, err = pickUpPayment(ctx, q, policy, rows[work.Ref.OrderID], now)
		} else {
			d, err = updateOperation(ctx, q, work.Ref, func(p payment.Payment, now time.Time) (payment.Decision, error) {
				return policy.PickUp(p, now), nil
			}, now)
		}
		if damaged, ok := errors.AsType[*payment.StoredRowError](err); ok {
			unreadable = append(unreadable, damaged)
			err = postpone(ctx, q, policy, work.Ref, duequeue.Reason(damaged), now)
		}
		if err != nil {
			return nil, nil, err
		}
		if d.Write {
			decisions = append(decisions, d)
		}
	}
	return decisions, unreadable, nil
}

func pickUpPayment(
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, row queries.Payment, now time.Time,
) (payment.Decision, error) {
	p, err := fromRow(row, now)
	if err != nil {
		return payment.Decision{}, err
	}
	if p.Keys, err = listKeys(ctx, q, p.OrderID); err != nil {
		return payment.Decision{}, err
	}
	d := policy.PickUp(p, now)
	return d, store(ctx, q, p, d)
}

// due returns the payments and other operations that are due, the longest due first, and the rows of the payments.
func due(
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, limit int, now time.Time,
) ([]duequeue.Due, map[payment.OrderID]queries.Payment, error) {
	found, err := q.ListDuePayments(ctx, queries.ListDuePaymentsParams{
		Now: nullable(now), DueBefore: nullable(dueBefore(policy, now)), State: policy.Work.State(),
		Gateways: gateways(policy.Rules.Configured()), PageLimit: int64(max(0, limit)),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list due payments: %w", err)
	}
	payments, rows := make([]duequeue.Due, len(found)), make(map[payment.OrderID]queries.Payment, len(found))
	for i, row := range found {
		payments[i] = duequeue.Due{Ref: payment.Ref{OrderID: row.Payment.OrderID}, At: orZero(row.Payment.DueAt)}
		rows[row.Payment.OrderID] = row.Payment
	}
	operations, err := dueOperations(ctx, q, policy, limit, now)
	return duequeue.LongestDue(payments, operations, limit), rows, err
}

func postpone(
	ctx context.Context, q *queries.Queries, policy payment.PickUpPolicy, ref payment.Ref, reason string, now time.Time,
) error {
	if !ref.Operation.IsCharge() {
		return postponeOperation(ctx, q, policy, ref, reason, now)
	}
	err := q.PostponePayment(ctx, queries.PostponePaymentParams{
		DueAt: nullable(now.Add(policy.Postponement())), Reason: reason, UpdatedAt: now.UnixMicro(), OrderID: ref.OrderID,
		Now: nullable(now), DueBefore: nullable(dueBefore(policy, now)),
	})
	if err != nil {
		return fmt.Errorf("postpone the payment: %w", err)
	}
	return nil
}

// NextDue implements ports.Payments.
func (s *Payments) NextDue(
	ctx context.Context, policy payment.PickUpPolicy,
) (in time.Duration, found bool, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		in, found = 0, false
		take := func(dueAt sql.NullInt64, err error) error {
			switch {
			case isNotFound(err):
				return nil
			case err != nil:
				return err
			}
			left := max(0, orZero(dueAt).Sub(now))
			if !found || left < in {
				in, found = left, true
			}
			return nil
		}
		if policy.Ahead {
			ahead, err := anyDueAhead(ctx, q, policy, now)
			if found = ahead; ahead || err != nil {
				return err
			}
		}
		state, configured := policy.Work.State(), gateways(policy.Rules.Configured())
		err := take(q.NextDue(ctx, queries.NextDueParams{State: state, Gateways: configured}))
		if err == nil {
			err = take(q.NextDueOperation(ctx, queries.NextDueOperationParams{State: state, Gateways: configured}))
		}
		if err != nil || policy.Work != payment.WorkLookups {
			return err
		}
		if err := take(q.NextDueGatewayKey(ctx, configured)); err != nil {
			return err
		}
		return take(q.NextDueOperationKey(ctx, configured))
	})
	if err != nil {
		return 0, false, fmt.Errorf("find what is due next: %w", err)
	}
	if policy.Within > 0 && in > policy.Within {
		return 0, false, nil
	}
	return in, found, nil
}

// Backlog implements ports.Payments.
func (s *Payments) Backlog(ctx context.Context) (backlog []ports.Backlog, err error) {
	err = s.read(ctx, func(ctx context.Context, q *queries.Queries, now time.Time) error {
		rows, err := q.Backlog(ctx, queries.BacklogParams{Now: nullable(now), MaxRows: ports.MaxBacklog})
		if err != nil {
			return err
		}
		parts := make([]ports.BacklogRow, 0, len(rows))
		for _, row := range rows {
			parts = append(parts, ports.BacklogRow{Currency: row.Currency, HasAmount: row.HasAmount != 0, Backlog: ports.Backlog{
				State: row.State, Payments: int(row.Payments), Due: int(row.Due),
				LongestDue: max(0, now.Sub(fromMicros(row.FirstDueAt))),
				Oldest:     max(0, now.Sub(fromMicros(row.FirstCreatedAt))),
			}})
		}
		operations, err := operationsBacklog(ctx, q, now)
		backlog = ports.SumBacklog(append(parts, operations...))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count the backlog: %w", err)
	}
	return backlog, nil
}

// dueBefore is how far ahead a due time may lie; a century if there is no limit.
func dueBefore(policy payment.PickUpPolicy, now time.Time) time.Time {
	if d := policy.DueWithin(); d > 0 {
		return now.Add(d)
	}
	return now.AddDate(100, 0, 0)
}
